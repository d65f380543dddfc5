import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { ShapeError, SpecError } from '../errors.ts';
import { classifierOf } from '../models/classifier.ts';
import { initialParameters } from '../models/initialise.ts';
import { augmentedExamples, type AugmentationOptions, NO_AUGMENTATION } from './augmentation.ts';
import { classifierObjective, labelledExamples } from './classifier-objective.ts';
import { type Examples, floatExamples } from './examples.ts';
import { freshState, type TrainingState } from './parameter-slots.ts';
import { createTrainer } from './trainer.ts';

const KEY = seedKey('augmentation');
const SHAPE = { channels: 1, height: 4, width: 4 };
const [N, C, D] = [12, 3, 16] as const;
const PIXELS = Float32Array.from(uniforms(KEY, N * D));
const PLAIN = labelledExamples(
  floatExamples(PIXELS, D),
  Array.from({ length: N }, (_, i) => i % C),
  C,
);
const ALL: AugmentationOptions = {
  shiftPixels: 1,
  rotationDegrees: 20,
  scale: 0.2,
  shear: 0.2,
  mirror: true,
  pixelNoiseStd: 0.1,
  mixup: 0.4,
  labelSmoothing: 0.1,
};

const wrapped = (options: Partial<AugmentationOptions>) =>
  augmentedExamples(PLAIN, SHAPE, { ...NO_AUGMENTATION, ...options });

function epoch(options: Partial<AugmentationOptions>, key = KEY) {
  return wrapped(options).forEpoch!(key);
}

/** Rows of D + C numbers. */
function rowsOf(examples: Pick<Examples, 'read'>, rows: readonly number[]): number[][] {
  const out = new Float32Array(rows.length * (D + C));
  examples.read(rows, out);
  return rows.map((_, i) => Array.from(out.subarray(i * (D + C), (i + 1) * (D + C)), (v) => Math.round(v * 1e5) / 1e5));
}

const EVERY = Array.from({ length: N }, (_, i) => i);

describe('an epoch', () => {
  test('without any change, and what is read outside of an epoch, is the examples as they are', () => {
    expect(rowsOf(epoch({}), EVERY)).toEqual(rowsOf(PLAIN, EVERY));
    expect(rowsOf(wrapped(ALL), EVERY)).toEqual(rowsOf(PLAIN, EVERY));
  });

  test('shows each example in a way that follows from its key and row, not from the batch', () => {
    const whole = rowsOf(epoch(ALL), EVERY);
    expect(rowsOf(epoch(ALL), [7, 3])).toEqual([whole[7], whole[3]]);
    const next = rowsOf(epoch(ALL, childKey(KEY, 'next')), EVERY);
    for (const row of EVERY) expect(next[row]).not.toEqual(whole[row]);
  });

  test('moves different examples differently, and keeps their labels', () => {
    const found = rowsOf(epoch({ shiftPixels: 1 }), EVERY);
    const plain = rowsOf(PLAIN, EVERY);
    for (const row of EVERY) {
      expect(found[row]?.slice(0, D)).not.toEqual(plain[row]?.slice(0, D));
      expect(found[row]?.slice(D)).toEqual(plain[row]?.slice(D));
    }
  });

  test('mirrors some and leaves the others', () => {
    const found = rowsOf(epoch({ mirror: true }), EVERY);
    const plain = rowsOf(PLAIN, EVERY);
    const mirrored = EVERY.filter((row) => String(found[row]) !== String(plain[row]));
    expect(mirrored.length).toBeGreaterThan(1);
    expect(mirrored.length).toBeLessThan(N - 1);
    for (const row of mirrored) {
      for (let i = 0; i < D; i++) expect(found[row]?.[i]).toBe(plain[row]?.[i - (i % 4) + (3 - (i % 4))]);
    }
  });

  test('spreads a share of each label over all classes', () => {
    const [row] = rowsOf(epoch({ labelSmoothing: 0.3 }), [1]);
    expect(row?.slice(D)).toEqual([0.1, 0.8, 0.1]);
  });

  test('mixes pixels and labels of two examples in the same share, at most the given one', () => {
    const found = rowsOf(epoch({ mixup: 0.4 }), EVERY);
    const plain = rowsOf(PLAIN, EVERY);
    const shares = EVERY.map((row) => {
      const [own, mixed] = [plain[row] as number[], found[row] as number[]];
      // the partner is the one example for which the same share explains every number
      const fits = EVERY.flatMap((other) => {
        const partner = plain[other] as number[];
        if (other === row) return [];
        const share = ((mixed[0] as number) - own[0]!) / (partner[0]! - own[0]!);
        const isIt = mixed.every((value, i) => Math.abs(value - (own[i]! + share * (partner[i]! - own[i]!))) < 1e-3);
        return isIt ? [share] : [];
      });
      return fits[0] ?? 0; // mixed with itself
    });
    for (const share of shares) expect(share).toBeLessThanOrEqual(0.4 + 1e-3);
    expect(shares.filter((share) => share > 0.05).length).toBeGreaterThan(6);
  });

  test('adds noise of the asked-for size, and stays within [0, 1]', () => {
    const grey = labelledExamples(floatExamples(new Float32Array(400 * D).fill(0.5), D), new Uint8Array(400), C);
    const options = { ...NO_AUGMENTATION, pixelNoiseStd: 0.1 };
    const noisy = augmentedExamples(grey, SHAPE, options).forEpoch!(KEY);
    const out = new Float32Array(400 * (D + C));
    noisy.read(
      Array.from({ length: 400 }, (_, i) => i),
      out,
    );
    const deviations = [...out].flatMap((value, i) => (i % (D + C) < D ? [value - 0.5] : []));
    const std = Math.sqrt(deviations.reduce((sum, d) => sum + d * d, 0) / deviations.length);
    expect(Math.abs(std - 0.1)).toBeLessThan(0.005);
    const loud = rowsOf(epoch({ pixelNoiseStd: 5 }), EVERY).flatMap((row) => row.slice(0, D));
    expect(Math.min(...loud)).toBe(0);
    expect(Math.max(...loud)).toBe(1);
  });
});

test('training sees another epoch each time, and goes on from any of them to the same end', async () => {
  const classifier = classifierOf({ kind: 'mlp', hidden: [], features: 6 }, SHAPE, C);
  const trainer = await createTrainer(engine, classifierObjective('classes', classifier), {
    epochs: 3,
    batchSize: 5,
    optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0 },
    schedule: { kind: 'constant' },
  });
  const fresh = freshState(initialParameters(classifier.parameters, KEY));
  const trained = async (examples: Examples, start = fresh) => {
    const states: TrainingState[] = [];
    const end = await trainer.train(
      { examples, start, key: KEY },
      { onEpoch: (_, _terms, state) => void states.push(state()) },
    );
    return { end, states };
  };
  const whole = await trained(wrapped(ALL));
  const rest = await trained(wrapped(ALL), whole.states[0]);
  expect(rest.end.parameters).toEqual(whole.end.parameters);
  const plain = await trained(PLAIN);
  expect(plain.end.parameters).not.toEqual(whole.end.parameters);
  expect((await trained(wrapped({}))).end.parameters).toEqual(plain.end.parameters);
});

test.each([
  [{ shiftPixels: -1 }, /'shiftPixels'.*got -1/],
  [{ mixup: 0.6 }, /'mixup' must be from 0 to 0.5/],
  [{ labelSmoothing: 1 }, /'labelSmoothing'/],
  [{ rotationDegrees: Number.NaN }, /'rotationDegrees'.*NaN/],
])('refuses %j', (options, message) => {
  expect(() => wrapped(options)).toThrow(SpecError);
  expect(() => wrapped(options)).toThrow(message);
});

test('rows without classes are refused', () => {
  expect(() => augmentedExamples(floatExamples(PIXELS, D), SHAPE, NO_AUGMENTATION)).toThrow(ShapeError);
});

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());
