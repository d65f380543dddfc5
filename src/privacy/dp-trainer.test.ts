import { expect, describe, test } from 'vitest';
import { childKey, type Key, uniforms } from '../engine/keys.ts';
import {
  examples,
  KEY,
  LINEAR,
  plan,
  sharedEngine,
  slope,
  START,
  std,
  trained,
  training,
  values,
  zeros,
} from '../../test/private-steps.ts';
import { floatExamples } from '../training/examples.ts';
import { createTrainer } from '../training/trainer.ts';
import { poissonSample } from './poisson-sample.ts';

const engine = sharedEngine();

/** Records in the sample of step `i` of the first epoch, of one record at q = 1/2. */
function sampleOf(key: Key, i: number): number {
  return poissonSample(childKey(key, 'epoch-1', `step-${i}`, 'sample'), 1, 0.5).length;
}

describe('a private step', () => {
  test('with all records, next to no noise and no clipping is the plain full-batch step', async () => {
    const data = examples(20);
    const quiet = plan(1, 20, { noiseMultiplier: 1e-7, stepsPerEpoch: 5 });
    const options = training(20, { epochs: 5, optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0 } });
    const end = await trained(
      engine(),
      LINEAR,
      { plan: { ...quiet, stepsPerEpoch: 1 }, options: { clipNorm: 50 }, training: options },
      data,
    );
    const plain = await createTrainer(engine(), LINEAR, options);
    const wanted = await plain.train({ examples: data, start: START, key: KEY });
    for (const [i, value] of values(end).entries()) expect(value).toBeCloseTo(values(wanted)[i] as number, 5);
  });

  test.each([
    { noiseMultiplier: 0.5, clipNorm: 1, batch: 10 },
    { noiseMultiplier: 2, clipNorm: 3, batch: 10 },
    { noiseMultiplier: 8, clipNorm: 0.01, batch: 500 },
  ])(
    'adds noise of exactly noiseMultiplier * clipNorm / batch to every parameter: $noiseMultiplier * $clipNorm / $batch',
    async ({ noiseMultiplier, clipNorm, batch }) => {
      const outputs = 50_000;
      const flat = plan(0.5, batch, { noiseMultiplier });
      const end = await trained(
        engine(),
        slope(0, outputs),
        { plan: flat, options: { clipNorm }, start: zeros(outputs) },
        examples(9, 1),
      );
      const wanted = (noiseMultiplier * clipNorm) / batch;
      for (const part of Object.values(end.parameters)) {
        const found = std([...part]);
        expect(Math.abs(found / wanted - 1)).toBeLessThan(4 / Math.sqrt(2 * outputs)); // four standard errors
        const mean = part.reduce((sum, v) => sum + v, 0) / outputs;
        expect(Math.abs(mean)).toBeLessThan((4 * wanted) / Math.sqrt(outputs));
      }
    },
  );

  test('never draws the same noise twice: not in another step, not in another epoch', async () => {
    const outputs = 2000;
    const moved = async (epochs: number, stepsPerEpoch: number) => {
      const setup = { plan: plan(0.5, 1, { stepsPerEpoch }), training: training(1, { epochs }), start: zeros(outputs) };
      return values(await trained(engine(), slope(0, outputs), setup, examples(2, 1)));
    };
    const first = await moved(1, 1);
    const nextStep = (await moved(1, 2)).map((v, i) => v - (first[i] as number));
    const nextEpoch = (await moved(2, 1)).map((v, i) => v - (first[i] as number));
    for (const [one, two] of [
      [first, nextStep],
      [first, nextEpoch],
      [nextStep, nextEpoch],
    ] as const) {
      const product = one.reduce((sum, v, i) => sum + v * (two[i] as number), 0) / one.length;
      expect(Math.abs(product / (std(one) * std(two)))).toBeLessThan(4 / Math.sqrt(2 * outputs));
    }
  });

  test('happens with noise alone where the sample is empty, also after one that was not', async () => {
    const onlyFirst = Array.from({ length: 50 }, (_, i) => childKey(KEY, 'empty', i)).find((key) =>
      [0, 1].every((i) => sampleOf(key, i) === 1 - i),
    ) as Key;
    const data = floatExamples(Float32Array.of(1), 1);
    const moved = async (stepsPerEpoch: number, noiseMultiplier: number, outputs: number) => {
      const setup = { plan: plan(0.5, 1, { stepsPerEpoch, noiseMultiplier }), start: zeros(outputs) };
      return values(await trained(engine(), slope(-1, outputs), setup, data, onlyFirst));
    };
    const one = await moved(1, 1e-7, 1);
    expect(Math.hypot(...one)).toBeCloseTo(1, 3);
    for (const [i, v] of (await moved(2, 1e-7, 1)).entries()) expect(v).toBeCloseTo(one[i] as number, 5);
    const outputs = 20_000;
    const [before, after] = [await moved(1, 1, outputs), await moved(2, 1, outputs)];
    const noise = std(after.map((v, i) => v - (before[i] as number)));
    expect(Math.abs(noise - 1)).toBeLessThan(4 / Math.sqrt(4 * outputs));
  });

  test('samples anew at every step of an epoch', async () => {
    const data = floatExamples(Float32Array.of(0), 1);
    const quiet = plan(0.5, 1, { stepsPerEpoch: 64, noiseMultiplier: 1e-7 });
    const end = await trained(engine(), slope(-1, 1), { plan: quiet, start: zeros(1) }, data);
    const steps = end.parameters['decoder.bias']?.[0] as number; // in which the only record was
    expect(steps).toBeGreaterThan(32 - 4 * 4); // four standard deviations of 64 coins
    expect(steps).toBeLessThan(32 + 4 * 4);
  });

  test('moves parameters by whole steps of the noise grid', async () => {
    const outputs = 100;
    const setup = { plan: plan(1, 4, { noiseMultiplier: 1 }), start: zeros(outputs) };
    const end = await trained(engine(), slope(0.3, outputs), setup, examples(3, 1));
    for (const v of values(end)) expect(Number.isInteger(v * 4 * 2 ** 20)).toBe(true);
  });

  test('divides by the expected batch, never by the actual one', async () => {
    const data = floatExamples(new Float32Array(8).fill(1), 1);
    const quiet = plan(1, 100, { noiseMultiplier: 1e-7 });
    const end = await trained(
      engine(),
      slope(-0.5, 1),
      { plan: quiet, options: { clipNorm: 50 }, start: zeros(1) },
      data,
    );
    expect(end.parameters['decoder.bias']?.[0]).toBeCloseTo((8 * 0.5) / 100, 5);
  });

  test('clips every example to the bound: one that is a million times larger moves the sum by no more', async () => {
    const quiet = plan(1, 1, { noiseMultiplier: 1e-7 });
    const moved = async (x: readonly number[]) => {
      const data = floatExamples(Float32Array.from(x), 1);
      const end = await trained(
        engine(),
        slope(-1, 1),
        { plan: quiet, options: { clipNorm: 0.5 }, start: zeros(1) },
        data,
      );
      return values(end);
    };
    const [alone, both] = [await moved([0]), await moved([0, 1e6])];
    const distance = Math.hypot(...both.map((v, i) => v - (alone[i] as number)));
    expect(distance).toBeGreaterThan(0.499);
    expect(distance).toBeLessThanOrEqual(0.5);
  });

  test('bounds one record among thousands, though float32 sums with and without it round differently', async () => {
    const count = 8192;
    const moved = async (records: number) => {
      const setup = {
        plan: plan(1, count, { noiseMultiplier: 1e-7 }),
        training: training(count, { optimizer: { kind: 'sgd', learningRate: count, momentum: 0 } }), // undoes the division
        start: zeros(1),
      };
      const data = floatExamples(
        Float32Array.from(uniforms(childKey(KEY, 'many'), records)).map((v) => 2 + v),
        1,
      );
      return values(await trained(engine(), slope(-1, 1), setup, data));
    };
    const [all, fewer] = [await moved(count), await moved(count - 1)];
    const distance = Math.hypot(...all.map((v, i) => v - (fewer[i] as number)));
    expect(distance).toBeGreaterThan(0.98);
    expect(distance).toBeLessThanOrEqual(1);
  });

  test('bounds an example whose input is so large that the square of its signal vanishes', async () => {
    const outputs = 50_000;
    const setup = { plan: plan(1, 1, { noiseMultiplier: 1e-7 }), options: { clipping: 'auto-s' } as const };
    const data = floatExamples(Float32Array.of(1e19), 1);
    const end = await trained(engine(), slope(-2e-23, outputs), { ...setup, start: zeros(outputs) }, data);
    expect(Math.hypot(...values(end))).toBeLessThanOrEqual(1);
  });

  test('counts an example whose gradient is not finite as zero', async () => {
    const quiet = plan(1, 1, { noiseMultiplier: 1e-7 });
    const moved = async (x: readonly number[]) => {
      const data = floatExamples(Float32Array.from(x), 1);
      return values(await trained(engine(), slope(-1, 1), { plan: quiet, start: zeros(1) }, data));
    };
    const wanted = await moved([1]);
    for (const odd of [Number.NaN, Infinity, -Infinity, 1e30]) {
      const found = await moved([1, odd]);
      const distance = Math.hypot(...found.map((v, i) => v - (wanted[i] as number)));
      expect(distance, String(odd)).toBeLessThanOrEqual(Number.isFinite(odd * odd) ? 1 : 1e-6);
    }
  });

  test('does not depend on how many rows are computed at once', async () => {
    const data = examples(40);
    const ends = [];
    for (const physicalBatch of [1, 3, 64]) {
      const setup = { plan: plan(0.5, 20, { stepsPerEpoch: 3 }), options: { physicalBatch } };
      ends.push(values(await trained(engine(), LINEAR, setup, data)));
    }
    for (const end of ends) for (const [i, v] of end.entries()) expect(v).toBeCloseTo(ends[0]?.[i] as number, 4);
  });
});
