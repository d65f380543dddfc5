// Scores of a run's models: when there are any, what they depend on, and which extractor they rest on.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pixelSumsExtractor } from '../../test/pixel-sums-extractor.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { drawnDigits } from '../data/drawn-digits.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { DataError, SpecError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { type GenerationScorer, openGenerationScorer, requireExtractor } from './generation-scorer.ts';
import { gatherMaterials } from './materials.ts';
import { parseSpec } from './parse-spec.ts';
import type { SpecInput } from './spec.ts';

const FOLDER = temporaryFolder();
const SUMS = join(FOLDER, 'sums.onnx');
const SHAPE = { channels: 1, height: 28, width: 28 };
const DATA = drawnDigits({ key: seedKey('scorer'), trainCount: 256, testCount: 40 });
const VAE = vaeOf({ kind: 'mlp', hidden: [8], latent: 2 }, SHAPE);
const MODEL = { vae: VAE, parameters: initialParameters(VAE.parameters, seedKey('model')), name: 'align' };

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  writeFileSync(SUMS, pixelSumsExtractor(SHAPE));
});
afterAll(() => engine.close());

type Generation = NonNullable<NonNullable<SpecInput['evaluation']>['generation']>;

function specWith(generation: Generation | null) {
  return parseSpec({
    name: 'scored',
    rounds: 2,
    data: {
      source: { kind: 'drawn-digits', train: 2000, test: 50 },
      partition: { kind: 'class-disjoint', classes: [[0], [1]] },
    },
    silos: [{ name: 'a' }, { name: 'b' }],
    privacy: { mechanism: 'none' },
    evaluation: { generation },
  });
}

async function scored<T>(
  generation: Generation | null,
  use: (scorer: GenerationScorer, told: readonly string[]) => Promise<T>,
  options: { readonly seed?: number; readonly executor?: 'wasm' } = {},
): Promise<T> {
  const told: string[] = [];
  const scorer = await openGenerationScorer({
    spec: specWith(generation),
    dataSet: DATA,
    engine: options.executor ? { ...engine, executor: options.executor } : engine,
    data: { env: { XDG_CACHE_HOME: FOLDER } },
    root: seedKey(options.seed ?? 0),
    emit: (event) => told.push(event.kind === 'notice' ? event.text : event.kind),
    signal: new AbortController().signal,
  });
  try {
    return await use(scorer, told);
  } finally {
    await scorer.close();
  }
}

describe('generation scores', () => {
  test('are there when the spec asks for them: never, after the last round, after each', async () => {
    const rounds = (generation: Generation | null) =>
      scored(generation, async (scorer) => {
        const all = [];
        for (const round of [1, 2]) all.push((await scorer.score({ ...MODEL, round })) !== null);
        return all;
      });
    expect(await rounds(null)).toEqual([false, false]);
    expect(await rounds({ images: 20, extractor: SUMS })).toEqual([false, true]);
    expect(await rounds({ images: 20, extractor: SUMS, every: 'round' })).toEqual([true, true]);
  });

  test('say what they rest on, and are the same again; other rounds, seeds and models draw other images', async () => {
    const wish = { images: 20, extractor: SUMS, every: 'round' } as const;
    const score = (change: object = {}, seed = 0) =>
      scored(wish, (scorer) => scorer.score({ ...MODEL, round: 1, ...change }), { seed });
    const first = await score();
    expect(first).toMatchObject({
      extractor: expect.stringMatching(/^sums\.onnx \(SHA-256 /) as string,
      extractorAccuracy: null,
      images: { real: 20, synthetic: 20 },
      neighbours: 5,
    });
    expect(await score()).toEqual(first);
    const others = [await score({ round: 2 }), await score({}, 1), await score({ name: 'fedavg' })];
    expect(new Set([first, ...others].map((one) => one?.fid)).size).toBe(4);
  });

  test('a trained extractor is kept for all runs in the user cache, and the same for all seeds', async () => {
    const wish = { images: 20 };
    const first = await scored(wish, async (scorer, told) => ({
      told,
      score: await scorer.score({ ...MODEL, round: 2 }),
    }));
    expect(first.told).toEqual([expect.stringContaining(join(FOLDER, 'align-fl', 'extractors'))]);
    expect(first.score?.extractorAccuracy).toBeGreaterThan(0);
    expect(await scored(wish, async (_, told) => told, { seed: 1 })).toEqual([]);
    expect(readdirSync(join(FOLDER, 'align-fl', 'extractors'))).toHaveLength(1);
  });

  test('of a trained extractor need ONNX Runtime, and say so', async () => {
    const found = await scored(
      { images: 20 },
      async (scorer, told) => ({ told, score: await scorer.score({ ...MODEL, round: 2 }) }),
      { executor: 'wasm' },
    );
    expect(found).toEqual({ told: [expect.stringContaining('need')], score: null });
  });
});

test('a run is refused before it begins: no such extractor, no extractor at all, more images than there are', async () => {
  const missing = specWith({ extractor: join(FOLDER, 'none.onnx') });
  expect(() => requireExtractor(missing)).toThrow(DataError);
  expect(() => requireExtractor(specWith({ extractor: SUMS }))).not.toThrow();
  expect(() => requireExtractor(specWith({}))).not.toThrow();
  const text = join(FOLDER, 'text.onnx');
  writeFileSync(text, 'no network');
  await expect(scored({ images: 20, extractor: text }, async () => {})).rejects.toThrow(/cannot serve as a feature/);
  const many = gatherMaterials(specWith({ images: 51 }), { env: {} }, seedKey(1));
  await expect(many).rejects.toThrow(SpecError);
  await expect(many).rejects.toThrow(/has 50 test images/);
});
