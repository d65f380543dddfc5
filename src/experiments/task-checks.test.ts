import { expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { parseSpec } from './parse-spec.ts';
import type { SpecInput } from './spec.ts';

const CLASSIFY: SpecInput = {
  name: 'mine',
  task: 'classify',
  data: { source: { kind: 'drawn-digits' }, partition: { kind: 'iid' } },
  silos: [{ name: 'a' }, { name: 'b' }],
  privacy: { mechanism: 'none' },
};

function problemsOf(change: Partial<SpecInput>): string {
  try {
    parseSpec({ ...CLASSIFY, ...change });
    return '';
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return error.message;
  }
}

const GAUSSIAN = { mechanism: 'gaussian', epsilon: 1, delta: 1e-5 } as const;
const DP_SGD = { mechanism: 'dp-sgd', epsilon: 1, delta: 1e-5 } as const;
const CLOSED = { kind: 'linear-gaussian' } as const;
const FLAT = { mechanism: 'lipschitz', lipschitzForm: 'spectral-normalisation', lipschitzBound: 4 } as const;

test.each<readonly [string, Partial<SpecInput>, RegExp]>([
  [
    'foreign images, which have no class',
    { data: { ...CLASSIFY.data, foreign: { source: { kind: 'drawn-garments' }, rate: 0.1, silos: ['a'] } } },
    /data\.foreign: foreign images have no class/,
  ],
  ['scores of an autoencoder', { evaluation: { generation: {} } }, /evaluation\.generation: judges an autoencoder/],
  ['half-private training', { privacy: { ...DP_SGD, mode: 'fixed-encoder' } }, /privacy\.mode: is for task: represent/],
  ['flat decoders of a classifier', { privacy: FLAT, strategies: ['align', 'fedavg'] }, /privacy: keeps decoders flat/],
  ['the Gaussian mechanism for what is trained', { privacy: GAUSSIAN }, /privacy\.mechanism: gaussian is for/],
  ['DP-SGD for what is computed', { privacy: DP_SGD, generator: CLOSED }, /privacy\.mechanism: a linear-Gaussian/],
  [
    'one release that should pay for training',
    { privacy: GAUSSIAN, generator: CLOSED, strategies: ['align', 'fedavg'] },
    /privacy\.mechanism: gaussian pays for one release, and fedavg trains/,
  ],
  [
    'mixed records in private training',
    { privacy: DP_SGD, strategies: ['align', 'fedavg'], classifier: { augmentation: { mixup: 0.2 } } },
    /classifier\.augmentation\.mixup: mixes records, which private training of fedavg must not/,
  ],
  [
    'generators of classes where nobody learns classes',
    { task: 'represent', generator: CLOSED },
    /generator: is for task: classify/,
  ],
  [
    'offers where nothing has a class',
    { task: 'represent', silos: [{ name: 'a', offers: [0] }, { name: 'b' }] },
    /silos\.0\.offers: is for task: classify/,
  ],
])('a spec is refused with %s', (_, change, expected) => {
  expect(problemsOf(change)).toMatch(expected);
});

test('generators, mechanisms and baselines that go together are taken', () => {
  expect(problemsOf({})).toBe('');
  expect(problemsOf({ strategies: ['align', 'fedavg', 'fedprox', 'local-only', 'centralised'] })).toBe('');
  expect(problemsOf({ privacy: GAUSSIAN, generator: CLOSED })).toBe('');
  expect(problemsOf({ privacy: DP_SGD, strategies: ['align', 'fedavg'] })).toBe('');
  expect(problemsOf({ privacy: FLAT, generator: CLOSED })).toBe('');
  expect(problemsOf({ privacy: DP_SGD, classifier: { augmentation: { mixup: 0.2 } } })).toBe(''); // of synthetic images
  expect(problemsOf({ silos: [{ name: 'a', generator: CLOSED, privacy: GAUSSIAN }, { name: 'b' }] })).toBe('');
});
