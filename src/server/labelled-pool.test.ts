import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handMadeDecoder, handMadeLabelledDecoder, HAND_MADE_SHAPE, port } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { AbortedError, ReleaseError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { drawLabelledPool, type LabelledPool, type LabelledPoolOptions } from './labelled-pool.ts';
import { drawPool } from './pool.ts';
import { contentHash } from '../storage/content-hash.ts';

const KEY = seedKey('labelled pool');
const D = 4;
const LABELLED = handMadeLabelledDecoder();
const PLAIN = handMadeDecoder();

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

function release(silo: string, onnx: Uint8Array, ...offered: number[]): ReceivedRelease {
  const decoder = {
    bytes: async () => onnx,
    sha256: contentHash(onnx),
    sizeBytes: onnx.length,
    latent: 2,
    shape: HAND_MADE_SHAPE,
  };
  return {
    kind: 'decoder',
    silo,
    round: 1,
    decoder: { ...decoder, classes: { count: 3, offered } },
    privacy: NO_PRIVACY,
  };
}

const north = release('north', LABELLED, 0, 2);
const east = release('east', LABELLED, 0);
const south = release('south', PLAIN, 2);

const draw = (change: Partial<LabelledPoolOptions> = {}) =>
  drawLabelledPool({
    engine,
    releases: [north, east, south],
    perClass: 5,
    classes: 3,
    shape: HAND_MADE_SHAPE,
    key: KEY,
    ...change,
  });

function rowsOf(pool: LabelledPool, silo: string, label: number): Float32Array {
  const share = pool.shares.find((one) => one.silo === silo && one.class === label);
  if (!share) return expect.fail(`no share of ${silo}`);
  return pool.images.slice(share.start * D, (share.start + share.count) * D);
}

describe('a labelled pool', () => {
  test('has equally many images of each class that anyone offers, from all who offer it', async () => {
    const { images, labels, shares, missing } = await draw();
    expect(labels).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 2, 2, 2, 2, 2));
    expect(images).toHaveLength(10 * D);
    expect(shares).toEqual([
      { silo: 'north', class: 0, start: 0, count: 3 },
      { silo: 'east', class: 0, start: 3, count: 2 },
      { silo: 'north', class: 2, start: 5, count: 3 },
      { silo: 'south', class: 2, start: 8, count: 2 },
    ]);
    expect(missing).toEqual([1]);
  });

  test('is the decoders of z ~ N(0, I) and the class, by hand, also where n is fixed', async () => {
    const fixed = handMadeLabelledDecoder((graph) => {
      graph.input = [port('z', [4, 2]), port('class', [4, 3])];
      graph.output = [port('x', [4, 1, 2, 2])];
    });
    const w = [1, -1, 0.5, 2, -0.5, 1, 1, -2];
    const v = [3, 0, 0, 0, 0, -3, 0, 0, 0, 0, 1, -1];
    for (const onnx of [LABELLED, fixed]) {
      const { images, labels } = await draw({ releases: [release('hand', onnx, 0, 1, 2)] });
      for (const [row, label] of labels.entries()) {
        const z = normals(childKey(KEY, 'hand', `class-${label}`), 24).subarray(2 * (row % 5));
        for (let d = 0; d < D; d++) {
          const logit = (z[0] as number) * w[d]! + (z[1] as number) * w[4 + d]! + v[4 * label + d]!;
          expect(images[D * row + d]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 5);
        }
      }
    }
  });

  test("has a silo's images from its decoder, its class and the key alone", async () => {
    const pool = await draw();
    expect(await draw()).toEqual(pool);
    const fewer = await draw({ releases: [south, north], perClass: 6 });
    expect(rowsOf(fewer, 'north', 2)).toEqual(rowsOf(pool, 'north', 2));
    expect(rowsOf(fewer, 'south', 2).slice(0, 2 * D)).toEqual(rowsOf(pool, 'south', 2));
    expect(rowsOf(fewer, 'north', 0).slice(0, 3 * D)).toEqual(rowsOf(pool, 'north', 0));
    expect(fewer.shares.map(({ silo }) => silo)).toEqual(['north', 'south', 'north']);
  });

  test('is empty where nobody offers anything, and small where there is little to share', async () => {
    expect(await draw({ releases: [] })).toEqual({
      images: new Float32Array(),
      labels: new Uint8Array(),
      shares: [],
      missing: [0, 1, 2],
    });
    const one = await draw({ perClass: 1 });
    expect(one.shares).toEqual([
      { silo: 'north', class: 0, start: 0, count: 1 },
      { silo: 'north', class: 2, start: 1, count: 1 },
    ]);
  });

  test('takes nothing that its file cannot give, and nothing without a word on classes', async () => {
    const { classes: _, ...decoder } = north.decoder;
    for (const bad of [
      release('s', PLAIN, 0, 1),
      release('s', LABELLED, 3),
      release('s', LABELLED),
      { ...north, decoder: { ...decoder, classes: null } },
      { ...north, decoder: { ...decoder, classes: { count: 4, offered: [0] } } },
      { ...south, decoder: { ...south.decoder, classes: { count: 4, offered: [0] } } },
    ]) {
      await expect(draw({ releases: [bad] })).rejects.toMatchObject({ facts: { reason: 'offers' } });
    }
    await expect(draw({ classes: 2 })).rejects.toThrow(ReleaseError);
  });

  test('is another thing than a pool without labels, which takes no decoder that asks for a class', async () => {
    const unlabelled = drawPool({
      engine,
      releases: [north],
      images: 3,
      imagesPer: 'silo',
      shape: HAND_MADE_SHAPE,
      key: KEY,
    });
    await expect(unlabelled).rejects.toMatchObject({ facts: { reason: 'class-input' } });
  });

  test('is not drawn on after the signal has fired', async () => {
    await expect(draw({ signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
  });
});
