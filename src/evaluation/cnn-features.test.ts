// The extractor that the evaluation trains itself: on little images of bars, in and out of its cache.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { imageExamples } from '../data/batches.ts';
import { type ImageSet, selectImages } from '../data/image-set.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { AbortedError, ShapeError } from '../errors.ts';
import { type CnnFeatureOptions, cnnFeatures } from './cnn-features.ts';

const KEY = seedKey('cnn features');
const CLASSES = ['0', '1', '2'];
const TRAIN = bars('train', 256);
const TEST = bars('test', 60);
const DATA = { name: 'bars', classNames: CLASSES, train: TRAIN, test: TEST };

const folder = temporaryFolder();
let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

/** Noise of 8 x 8 with a bright bar, in a column that only its class has. */
function bars(name: string, count: number): ImageSet {
  const noise = uniforms(childKey(KEY, name), count * 64);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  const images = Uint8Array.from(noise, (u, at) => {
    const onBar = at % 8 === 1 + 2 * (labels[Math.floor(at / 64)] as number);
    return Math.floor(u * 128) + (onBar ? 100 : 0);
  });
  return { name: `bars/${name}`, shape: { channels: 1, height: 8, width: 8 }, images, labels };
}

const open = (change: Partial<CnnFeatureOptions> = {}) =>
  cnnFeatures({ engine, data: DATA, key: KEY, epochs: 1, ...change });

function pixels(count: number, set = TEST): Float32Array {
  const out = new Float32Array(count * 64);
  imageExamples(set).read(
    Array.from({ length: count }, (_, i) => i),
    out,
  );
  return out;
}

describe('the features of a trained classifier', () => {
  it('tell classes apart after training, and say by what they were learnt', async () => {
    const trained = await open({ epochs: 30 });
    expect(trained.testAccuracy).toBeGreaterThan(0.9);
    expect(trained).toMatchObject({ name: 'cnn trained on bars training images', size: 64, fromCache: false });
  });

  it('are the same under one key, image by image, and others under another', async () => {
    const [one, other] = [await open(), await open({ key: childKey(KEY, 'other') })];
    const features = await one.features(pixels(3));
    expect(features).toHaveLength(3 * 64);
    expect(await (await open()).features(pixels(3))).toEqual(features);
    expect(await other.features(pixels(3))).not.toEqual(features);
    expect(await one.features(pixels(2))).toEqual(features.slice(0, 2 * 64));
    expect(await one.features(new Float32Array(0))).toEqual(new Float32Array(0));
    await expect(one.features(new Float32Array(65))).rejects.toThrow(ShapeError);
  });

  it('are kept in the cache, and learnt anew where the file is damaged or of another network', async () => {
    const cacheFolder = join(folder, 'cache');
    const first = await open({ cacheFolder, epochs: 0 });
    const second = await open({ cacheFolder, epochs: 0 });
    expect([first.fromCache, second.fromCache]).toEqual([false, true]);
    expect(second.testAccuracy).toBe(first.testAccuracy);
    expect(await second.features(pixels(2))).toEqual(await first.features(pixels(2)));
    const path = join(cacheFolder, readdirSync(cacheFolder)[0] as string);
    const whole = readFileSync(path);
    const ofAnother = Buffer.from(whole.toString('latin1').replace('"identity":"', '"identity":"0'), 'latin1');
    ofAnother.writeBigUInt64LE(BigInt(whole.readBigUInt64LE()) + 1n); // its header has grown by one
    for (const spoilt of [whole.subarray(0, 1000), ofAnother]) {
      writeFileSync(path, spoilt);
      expect((await open({ cacheFolder, epochs: 0 })).fromCache).toBe(false);
      expect(readFileSync(path)).toEqual(whole);
    }
  });

  it('are kept in one file for each data set, setting and key', async () => {
    const cacheFolder = join(folder, 'several');
    const fewer = { ...DATA, train: selectImages(TRAIN, [0, 1, 2, 3]) };
    for (const change of [{}, { data: fewer }, { epochs: 1 }, { key: childKey(KEY, 'other') }]) {
      expect((await open({ cacheFolder, epochs: 0, ...change })).fromCache).toBe(false);
    }
    expect(readdirSync(cacheFolder)).toHaveLength(4);
  });

  it('have a mean square of 1 over training images', async () => {
    const { features } = await open({ epochs: 0 });
    const found = await features(pixels(256, TRAIN));
    expect(found.reduce((sum, value) => sum + value * value, 0) / found.length).toBeCloseTo(1, 3);
  });

  it('are not learnt from images without a class, nor after a stop', async () => {
    const foreign = { ...TRAIN, labels: TRAIN.labels.map((label, i) => (i === 5 ? 255 : label)) };
    await expect(open({ data: { ...DATA, train: foreign } })).rejects.toThrow(/Image 5 has label 255/);
    await expect(open({ hooks: { signal: AbortSignal.abort() } })).rejects.toThrow(AbortedError);
  });
});
