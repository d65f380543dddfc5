import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import { createClassifierEvaluator } from '../evaluation/classifier-evaluator.ts';
import { classifierOf } from '../models/classifier.ts';
import { NO_AUGMENTATION } from '../training/augmentation.ts';
import { loadState } from '../training/state-file.ts';
import { createGlobalClassifier, type GlobalClassifierOptions } from './global-classifier.ts';

const ROOT = temporaryFolder();
const KEY = seedKey('global-classifier');
const SHAPE = { channels: 1, height: 4, width: 4 };
const CLASSIFIER = classifierOf({ kind: 'mlp', hidden: [], features: 12 }, SHAPE, 2);
const [N, D] = [40, 16] as const;
const LABELS = Array.from({ length: N }, (_, i) => i % 2);

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

/** Bright above in class 0, below in class 1. */
const pixels = (name: string) =>
  Float32Array.from(uniforms(childKey(KEY, name), N * D), (u, i) => {
    const isBright = Math.floor((i % D) / 8) === LABELS[Math.floor(i / D)];
    return 0.4 * u + (isBright ? 0.5 : 0);
  });
const pool = (round: number) => async () => ({ images: pixels(`round ${round}`), labels: Uint8Array.from(LABELS) });

function global(folder: string, more: Partial<GlobalClassifierOptions> = {}) {
  return createGlobalClassifier({
    engine,
    classifier: CLASSIFIER,
    shape: SHAPE,
    training: {
      epochs: 4,
      batchSize: 10,
      optimizer: { kind: 'adam', learningRate: 0.02, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
      schedule: { kind: 'constant' },
    },
    augmentation: { ...NO_AUGMENTATION, shiftPixels: 0.5, pixelNoiseStd: 0.05, labelSmoothing: 0.05 },
    averaging: 0.8,
    file: join(folder, 'classifier.safetensors'),
    key: KEY,
    ...more,
  });
}
const folder = () => mkdtempSync(join(ROOT, 'case-'));

describe('the global classifier', () => {
  test('learns from a labelled pool what real images show, round after round', async () => {
    const home = folder();
    const classifier = await global(home);
    const first = await classifier.learn(1, pool(1));
    const second = await classifier.learn(2, pool(2));
    const saved = await loadState(join(home, 'classifier.safetensors'));
    expect(saved).toMatchObject({ round: 2, finished: true, parameters: second });
    expect(first).not.toEqual(second);
    const images = Uint8Array.from(pixels('held out'), (value) => Math.round(255 * value));
    const held = { name: 'held out', shape: SHAPE, images, labels: Uint8Array.from(LABELS) };
    const evaluator = await createClassifierEvaluator({ engine, classifier: CLASSIFIER, test: held });
    expect((await evaluator.judge(second)).accuracy).toBeGreaterThan(0.95);
    expect(await classifier.learn(2, () => expect.fail('drawn in vain'))).toEqual(second);
  });

  test('that was stopped in the middle of a round ends it to the same bytes, average and augmentation included', async () => {
    const [whole, stopped] = [folder(), folder()];
    await (await global(whole)).learn(1, pool(1));
    const abort = new AbortController();
    const hooks = { signal: abort.signal, onStep: ({ step }: { step: number }) => void (step === 9 && abort.abort()) };
    await expect((await global(stopped)).learn(1, pool(1), hooks)).rejects.toThrow(AbortedError);
    await (await global(stopped)).learn(1, pool(1));
    const bytes = (home: string) => readFileSync(join(home, 'classifier.safetensors'));
    expect(bytes(stopped).equals(bytes(whole))).toBe(true);
  });

  test('gives the average of its weights only where that is asked for', async () => {
    const averaged = await (await global(folder(), { augmentation: null })).learn(1, pool(1));
    const last = await (await global(folder(), { augmentation: null, averaging: null })).learn(1, pool(1));
    const none = await (await global(folder(), { augmentation: null, averaging: 0 })).learn(1, pool(1));
    expect(averaged).not.toEqual(last);
    expect(none).toEqual(last);
  });
});
