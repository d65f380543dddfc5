// What a spec's task rules out: settings that would do nothing, or promise what nobody can keep.

import type { Spec } from './spec.ts';
import type { Problem } from './spec-problems.ts';

/** Contradictions between the task and other parts, as far as they are there. */
export function taskProblems(spec: Parts): Problem[] {
  return [
    ...(spec.task === 'classify' ? classifyProblems(spec) : representProblems(spec)),
    ...closedFormProblems(spec),
    ...warmStartProblems(spec),
  ];
}

// --- internal ---

type Parts = {
  readonly [Part in 'task' | 'data' | 'strategies' | 'privacy' | 'silos' | 'evaluation' | 'generator' | 'classifier']?:
    | Spec[Part]
    | undefined;
};

function classifyProblems({ data, strategies = [], privacy, silos = [], evaluation, classifier }: Parts): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: readonly PropertyKey[], message: string) => void problems.push({ path, message });
  if (data?.foreign) {
    refuse(
      ['data', 'foreign'],
      'foreign images have no class, so task: classify cannot learn from them; leave them out',
    );
  }
  for (const part of ['generation', 'outliers'] as const) {
    if (evaluation?.[part]) {
      refuse(['evaluation', part], 'judges an autoencoder, and task: classify teaches none; leave it out');
    }
  }
  const baseline = strategies.find((name) => name !== 'align');
  const written = [
    ...(privacy ? [{ path: ['privacy'] as const, privacy }] : []),
    ...silos.flatMap((silo, i) => (silo.privacy ? [{ path: ['silos', i, 'privacy'], privacy: silo.privacy }] : [])),
  ];
  for (const { path, privacy: one } of written) {
    if (one.mechanism === 'dp-sgd' && one.mode !== 'full') {
      refuse(
        [...path, 'mode'],
        `is for task: represent; task: classify trains whole models privately, got ${one.mode}`,
      );
    }
    // A mixed image holds two records, so that one of them would be in several clipped gradients.
    if (one.mechanism === 'dp-sgd' && baseline && (classifier?.augmentation?.mixup ?? 0) > 0) {
      refuse(['classifier', 'augmentation', 'mixup'], `mixes records, which private training of ${baseline} must not`);
    }
    if (one.mechanism === 'dp-sgd' && baseline && classifier?.averaging && one.averaging !== null) {
      refuse(
        ['classifier', 'averaging'],
        'is in the place of privacy.averaging where classifiers train privately; set one',
      );
    }
    const hasLipschitz = one.mechanism === 'lipschitz' || (one.mechanism === 'dp-sgd' && one.lipschitzForm !== null);
    if (hasLipschitz && baseline) {
      refuse([...path], `keeps decoders flat, and under task: classify ${baseline} trains none; drop ${baseline}`);
    }
  }
  return problems;
}

/** Generators of classes are for the task that learns from classes. */
function representProblems({ task, generator, silos = [] }: Parts): Problem[] {
  if (task !== 'represent') return [];
  const message = 'is for task: classify; task: represent releases the decoders of plain autoencoders';
  const written = [
    { path: ['generator'], generator },
    ...silos.map((silo, i) => ({ path: ['silos', i, 'generator'], generator: silo.generator })),
  ];
  return [
    ...written.flatMap(({ path, generator: one }) => {
      const isPlain =
        one === undefined ||
        one.kind === 'release' ||
        (one.kind === 'vae' && one.prior.kind === 'normal' && one.warmStart === null);
      return isPlain ? [] : [{ path, message }];
    }),
    ...silos.flatMap((silo, i) => (silo.offers ? [{ path: ['silos', i, 'offers'], message }] : [])),
  ];
}

/** The closed form has a mechanism of its own, which nothing else can use. */
function closedFormProblems({ task, generator, privacy, silos, strategies = [] }: Parts): Problem[] {
  if (!generator || !privacy || !silos) return [];
  return silos
    .flatMap((silo, i): Problem[] => {
      const written = silo.privacy ?? privacy;
      const { mechanism } = written;
      const own = silo.generator ?? generator;
      const isClosed = own.kind === 'linear-gaussian';
      const path = silo.privacy ? ['silos', i, 'privacy', 'mechanism'] : ['privacy', 'mechanism'];
      if (written.mechanism === 'lipschitz' && isClosed) {
        const fits = written.lipschitzForm === 'spectral-normalisation' && own.components === 1;
        const message =
          'a linear-Gaussian generator keeps a bound with components: 1 and lipschitzForm: spectral-normalisation';
        return fits ? [] : [{ path, message }];
      }
      const isFlat = 'lipschitzForm' in written && written.lipschitzForm !== null;
      if (isFlat && own.kind === 'vae' && own.prior.kind === 'flow') {
        return [{ path, message: 'no Lipschitz control covers a learned prior; take generator.prior.kind: normal' }];
      }
      if (mechanism === 'gaussian' && own.kind !== 'release' && (!isClosed || task === 'represent')) {
        return [{ path, message: 'gaussian is for task: classify with generator.kind: linear-gaussian; take dp-sgd' }];
      }
      if (mechanism === 'dp-sgd' && isClosed) {
        const message =
          'a linear-Gaussian generator is not trained step by step; take gaussian, or generator.kind: vae';
        return [{ path, message }];
      }
      const other = strategies.find((name) => name !== 'align');
      if (mechanism === 'gaussian' && other) {
        return [{ path, message: `gaussian pays for one release, and ${other} trains; drop ${other}, or take dp-sgd` }];
      }
      return [];
    })
    .filter(isFirstOfItsKind);
}

/** What a warm start's closed form may cost is part of the silo's epsilon and must leave something of it. */
function warmStartProblems({ task, generator, privacy, silos, strategies = [] }: Parts): Problem[] {
  if (task !== 'classify' || !generator || !privacy || !silos) return [];
  return silos
    .flatMap((silo, i): Problem[] => {
      const own = silo.generator ?? generator;
      if (own.kind !== 'vae' || own.warmStart === null) return [];
      const path = [...(silo.generator ? ['silos', i, 'generator'] : ['generator']), 'warmStart'];
      const { epsilon, images, batchSize } = own.warmStart;
      const mechanism = silo.privacy ?? privacy;
      const problems: Problem[] = [];
      const refuse = (field: string, message: string) => void problems.push({ path: [...path, field], message });
      if (mechanism.mechanism !== 'dp-sgd' && epsilon !== null) {
        refuse(
          'epsilon',
          `is paid for under privacy.mechanism: dp-sgd alone, not ${mechanism.mechanism}; leave it out`,
        );
      }
      if (mechanism.mechanism === 'dp-sgd' && (epsilon === null || epsilon >= mechanism.epsilon)) {
        refuse('epsilon', `say what of privacy.epsilon the closed form may cost: above 0, below ${mechanism.epsilon}`);
      }
      const other = strategies.find((name) => name !== 'align');
      if (mechanism.mechanism === 'dp-sgd' && other) {
        const message = `is paid for out of what ${other} was to be trained with; drop ${other}, or set warmStart to null`;
        problems.push({ path, message });
      }
      if (images < batchSize) {
        refuse('images', `fewer than warmStart.batchSize (${batchSize}); got ${images}`);
      }
      return problems;
    })
    .filter(isFirstOfItsKind);
}

function isFirstOfItsKind({ message }: Problem, i: number, all: readonly Problem[]): boolean {
  return all.findIndex((one) => one.message === message) === i;
}
