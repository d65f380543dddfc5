import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import type { Examples } from '../training/examples.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { Trainer } from '../training/trainer.ts';
import { auditEpsilon } from './audit-bounds.ts';
import { canaryScores, joined } from './canary-run.ts';
import { poissonSample } from './poisson-sample.ts';

const CANARIES = 400;
const RATE = 0.25;
const BATCH = 50;
const CLAIM = { samplingRate: 0.5, noiseMultiplier: 2 };

/** DP-SGD on canaries, in float32 as trainers are; clip norms come from a list and are told as trainers tell them. */
function plainTrainer(options: { noise: number; clipNorms: readonly number[]; tells: boolean }): Trainer {
  return {
    async train({ examples, start, key }, hooks = {}) {
      const parameters = { ...start.parameters };
      let memory: NamedArrays = {};
      for (const [step, clipNorm] of options.clipNorms.entries()) {
        const batch = poissonSample(childKey(key, 'sample', step), examples.count, CLAIM.samplingRate);
        const total = sumOf(examples, batch);
        for (const name of ['decoder.first.weight', 'decoder.second.weight']) {
          const noise = normals(childKey(key, name, step), CANARIES);
          parameters[name] = (parameters[name] as Float32Array).map((value, i) => {
            const sum = clipNorm * (Math.SQRT1_2 * (total[i] as number) + options.noise * (noise[i] as number));
            return value - (RATE * sum) / BATCH;
          });
        }
        if (options.tells) memory = { 'clipping/norm': Float32Array.of(options.clipNorms[step + 1] ?? Number.NaN) };
        const now = { parameters: { ...parameters }, memory, epochsDone: step + 1 };
        await hooks.onEpoch?.(step + 1, { loss: 0 }, () => now);
      }
      return { ...start, parameters };
    },
  };
}

/** How often each canary is in the batch. */
function sumOf(examples: Examples, batch: Uint32Array): Float64Array {
  const x = new Float32Array(batch.length * CANARIES);
  examples.read(batch, x);
  const total = new Float64Array(CANARIES);
  x.forEach((value, at) => {
    if (value !== 0) (total[at % CANARIES] as number) += 1;
  });
  return total;
}

function run(name: string, options: { noise: number; clipNorms: readonly number[]; tells: boolean }) {
  const trainer = plainTrainer(options);
  const [clipNorm = 1] = options.clipNorms;
  const training = { trainer, canaries: CANARIES, claim: CLAIM, learningRate: RATE, expectedBatch: BATCH, clipNorm };
  return canaryScores(training, seedKey(name));
}

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a run of canaries', () => {
  it('puts in about half of them', async () => {
    const { present, absent } = await run('half', { noise: 2, clipNorms: [1], tells: false });
    expect(present.length + absent.length).toBe(CANARIES);
    expect(Math.abs(present.length - 200)).toBeLessThan(3 * 10);
  });

  it('reads without noise exactly how often each was sampled', async () => {
    const { present, absent } = await run('exact', { noise: 0, clipNorms: [3, 3, 3], tells: false });
    const [out, into] = [-1, 1].map((sign) => Math.log(0.5 + 0.5 * Math.exp(sign / 8))) as [number, number];
    for (const score of absent) expect(score).toBeCloseTo(3 * out, 5);
    for (const score of present) {
      const times = (score - 3 * out) / (into - out);
      expect(Math.abs(times - Math.round(times))).toBeLessThan(1e-4);
    }
    expect(mean(present)).toBeCloseTo(1.5 * (into + out), 1); // each is sampled 1.5 times of 3
  });

  it('follows a clip norm that adapts', async () => {
    const fixed = await run('adaptive', { noise: 2, clipNorms: [1, 1, 1], tells: false });
    const moving = await run('adaptive', { noise: 2, clipNorms: [1, 5, 0.2], tells: true });
    moving.present.forEach((score, i) => expect(score).toBeCloseTo(fixed.present[i] as number, 3));
  });

  it('joins with others into one audit', async () => {
    const runs = await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        run(`joined ${i}`, { noise: 0.02, clipNorms: Array(8).fill(1), tells: false }),
      ),
    );
    const scores = joined(runs);
    expect(scores.present.length + scores.absent.length).toBe(5 * CANARIES);
    expect(auditEpsilon(scores, { delta: 1e-5, confidence: 0.999 }).epsilonLower).toBeGreaterThan(4);
  });

  it('refuses a trainer that makes no step', async () => {
    await expect(run('none', { noise: 1, clipNorms: [], tells: false })).rejects.toThrow(ShapeError);
  });
});
