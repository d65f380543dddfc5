// What a spec whose images are at the silos must do without: everything that would need them in one place.

import type { Spec } from './spec.ts';
import type { Problem } from './spec-problems.ts';

/** Contradictions between images at the silos and other parts, as far as they are there. */
export function atSilosProblems({ data, strategies = [], privacy, silos = [], evaluation }: Parts): Problem[] {
  if (!data) return [];
  const { source, partition, foreign } = data;
  const problems: Problem[] = [];
  const refuse = (path: readonly PropertyKey[], message: string) => void problems.push({ path, message });
  if (source.kind !== 'at-silos') {
    if (partition.kind === 'at-silos') {
      refuse(['data', 'partition', 'kind'], `at-silos deals nothing, but ${source.kind} is here to be dealt; take iid`);
    }
    return problems;
  }
  if (partition.kind !== 'at-silos') {
    const message = `${partition.kind} deals images, and data.source.kind: at-silos has none here; take at-silos`;
    refuse(['data', 'partition', 'kind'], message);
  }
  if (foreign) refuse(['data', 'foreign'], 'cannot be mixed into images that are at the silos; leave it out');
  for (const [index, name] of strategies.entries()) {
    if (name === 'align') continue;
    refuse(
      ['strategies', index],
      `${name} needs more of a silo than a decoder; where images are at the silos, take align`,
    );
  }
  const written = [
    { path: ['privacy'] as const, own: privacy },
    ...silos.map((silo, i) => ({ path: ['silos', i, 'privacy'] as const, own: silo.privacy })),
  ];
  for (const { path, own } of written) {
    if (own?.ledgerDir) refuse([...path, 'ledgerDir'], 'is a place on one machine; each silo keeps its ledger at home');
  }
  const { testSource: test, shape, classes } = source;
  if (test === null) {
    if (evaluation?.generation) {
      refuse(
        ['evaluation', 'generation'],
        'compares with test images, and data.source.testSource is null; leave it out',
      );
    }
  } else {
    if (evaluation?.generation?.extractor === null) {
      const message = 'the default is trained on training images, which stay at the silos; name an ONNX file';
      refuse(['evaluation', 'generation', 'extractor'], message);
    }
    if (test.kind !== 'folder') {
      const { channels, height, width } = shape;
      if (channels !== 1 || height !== 28 || width !== 28) {
        const message = `${test.kind} has images of 1 x 28 x 28, but the silos have ${channels} x ${height} x ${width}`;
        refuse(['data', 'source', 'testSource', 'kind'], message);
      }
      if (classes !== 10)
        refuse(['data', 'source', 'testSource', 'kind'], `${test.kind} has 10 classes, not ${classes}`);
    }
  }
  return problems;
}

// --- internal ---

type Parts = {
  readonly [Part in 'data' | 'strategies' | 'privacy' | 'silos' | 'evaluation']?: Spec[Part] | undefined;
};
