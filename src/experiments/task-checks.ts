// What a spec's task rules out: settings that would do nothing, or promise what nobody can keep.

import type { Spec } from './spec.ts';
import type { Problem } from './spec-problems.ts';

/** Contradictions between the task and other parts, as far as they are there. */
export function taskProblems(spec: Parts): Problem[] {
  return spec.task === 'classify' ? classifyProblems(spec) : [];
}

// --- internal ---

type Parts = {
  readonly [Part in 'task' | 'data' | 'strategies' | 'privacy' | 'silos' | 'evaluation']?: Spec[Part] | undefined;
};

function classifyProblems({ data, strategies = [], privacy, silos = [], evaluation }: Parts): Problem[] {
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
    const hasLipschitz = one.mechanism === 'lipschitz' || (one.mechanism === 'dp-sgd' && one.lipschitzForm !== null);
    if (hasLipschitz && baseline) {
      refuse([...path], `keeps decoders flat, and under task: classify ${baseline} trains none; drop ${baseline}`);
    }
  }
  return problems;
}
