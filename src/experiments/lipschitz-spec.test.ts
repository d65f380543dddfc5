import { expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { loadSpec } from './load-spec.ts';

const load = (...sets: string[]) =>
  loadSpec(
    'quickstart',
    sets.map((set) => `privacy.${set}`),
  );

test("a weight is all that the paper's LCD-VAE needs", async () => {
  expect((await load('mechanism=lipschitz', 'lipschitzWeight=1')).privacy).toEqual({
    mechanism: 'lipschitz',
    lipschitzForm: 'paper-penalty',
    lipschitzWeight: 1,
    lipschitzBound: null,
  });
});

test('DP-SGD takes the same fields, and has no control by default', async () => {
  const dp = ['mechanism=dp-sgd', 'epsilon=8', 'delta=1e-5'];
  expect((await load(...dp)).privacy).toMatchObject({
    lipschitzForm: null,
    lipschitzWeight: null,
    lipschitzBound: null,
  });
  const both = await load(...dp, 'lipschitzForm=jacobian-spectral', 'lipschitzWeight=0.1', 'lipschitzBound=2');
  expect(both.privacy).toMatchObject({ lipschitzForm: 'jacobian-spectral', lipschitzWeight: 0.1, lipschitzBound: 2 });
});

test.each([
  [['mechanism=lipschitz'], /privacy\.lipschitzWeight: missing: paper-penalty needs it/],
  [
    ['mechanism=lipschitz', 'lipschitzForm=jacobian-frobenius', 'lipschitzWeight=1'],
    /privacy\.lipschitzBound: missing/,
  ],
  [
    ['mechanism=lipschitz', 'lipschitzForm=spectral-normalisation', 'lipschitzBound=1', 'lipschitzWeight=1'],
    /privacy\.lipschitzWeight: means nothing to spectral-normalisation/,
  ],
  [
    ['mechanism=dp-sgd', 'epsilon=8', 'delta=1e-5', 'lipschitzWeight=1'],
    /privacy\.lipschitzWeight: means nothing without lipschitzForm/,
  ],
  [
    ['mechanism=lipschitz', 'lipschitzForm=paper', 'lipschitzWeight=1'],
    /privacy\.lipschitzForm: expected paper-penalty or/,
  ],
  [['mechanism=lipschitz', 'lipschitzWeight=-1'], /privacy\.lipschitzWeight: expected at least 0/],
] as const)('%j is refused with a way out', async (sets, message) => {
  await expect(load(...sets)).rejects.toThrow(SpecError);
  await expect(load(...sets)).rejects.toThrow(message);
});

test('a penalty does not go with the WebAssembly executor', async () => {
  const spec = loadSpec('quickstart', [
    'privacy.mechanism=lipschitz',
    'privacy.lipschitzWeight=1',
    'engine.executor=wasm',
  ]);
  await expect(spec).rejects.toThrow(/engine\.executor: paper-penalty needs second derivatives/);
});
