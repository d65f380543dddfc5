import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handMadeDecoder, HAND_MADE_SHAPE, port } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { AbortedError, ReleaseError } from '../errors.ts';
import { seal } from '../exchange/gate.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { type ReceivedRelease, receivedRelease } from '../exchange/release.ts';
import type { Architecture } from '../models/architecture.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { initialParameters } from '../models/initialise.ts';
import { decoderPart, vaeOf } from '../models/vae.ts';
import { drawPool, type Pool, type PoolOptions, shareOut } from './pool.ts';
import { contentHash } from '../storage/content-hash.ts';

const KEY = seedKey('pool');
const SHAPE = { channels: 1, height: 8, width: 4 };
const D = 32;
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  north: { kind: 'mlp', hidden: [6], latent: 2 },
  east: { kind: 'mlp', hidden: [4, 3], latent: 5 },
  south: { kind: 'conv', channels: [2, 3], latent: 3 },
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

function releaseOf(silo: string): ReceivedRelease {
  const vae = vaeOf(ARCHITECTURES[silo] as Architecture, SHAPE);
  const parameters = initialParameters(vae.parameters, childKey(KEY, silo));
  const decoder = { onnx: exportDecoder(vae, parameters, SHAPE), specs: decoderPart(vae.parameters), classes: null };
  return receivedRelease(seal({ silo, round: 1, decoder, parameters, shape: SHAPE, privacy: NO_PRIVACY }));
}

/** A release that no gate made: what could come from outside. */
function foreign(silo: string, onnx: Uint8Array): ReceivedRelease {
  const said = { sha256: contentHash(onnx), sizeBytes: onnx.length, latent: 2, shape: HAND_MADE_SHAPE, classes: null };
  return {
    kind: 'decoder',
    silo,
    round: 1,
    decoder: { bytes: async () => onnx, ...said },
    privacy: NO_PRIVACY,
  } as unknown as ReceivedRelease;
}

const draw = (change: Partial<PoolOptions> = {}) =>
  drawPool({
    engine,
    releases: ['north', 'east', 'south'].map(releaseOf),
    images: 7,
    imagesPer: 'silo',
    shape: SHAPE,
    key: KEY,
    ...change,
  });

/** The rows of one silo. */
function rowsOf(pool: Pool, silo: string, size = D): Float32Array {
  const share = pool.shares.find((one) => one.silo === silo);
  if (!share) return expect.fail(`no share of ${silo}`);
  return pool.images.subarray(share.start * size, (share.start + share.count) * size);
}

describe('shares', () => {
  test.each([
    [10, 'silo', 3, [10, 10, 10]],
    [10, 'total', 3, [4, 3, 3]],
    [2, 'total', 3, [1, 1, 0]],
    [5000, 'total', 5, [1000, 1000, 1000, 1000, 1000]],
    [7, 'total', 1, [7]],
  ] as const)('%i images per %s for %i silos', (images, per, silos, wanted) => {
    expect(shareOut(images, per, silos)).toEqual(wanted);
  });

  test('of a total add up to it and differ by one at most, the larger ones first', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 200 }), (images, silos) => {
        const counts = shareOut(images, 'total', silos);
        expect(counts).toHaveLength(silos);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(images);
        expect((counts[0] as number) - (counts.at(-1) as number)).toBeLessThanOrEqual(1);
        expect(counts).toEqual([...counts].sort((a, b) => b - a));
      }),
      { seed: 5 },
    );
  });
});

describe('a pool', () => {
  test('has the share of each silo one after another, pixels in [0, 1]', async () => {
    const pool = await draw();
    expect(pool.shares).toEqual([
      { silo: 'north', start: 0, count: 7 },
      { silo: 'east', start: 7, count: 7 },
      { silo: 'south', start: 14, count: 7 },
    ]);
    expect(pool.images).toHaveLength(21 * D);
    expect(pool.images.every((value) => value > 0 && value < 1)).toBe(true);
    expect(new Set(Array.from({ length: 21 }, (_, i) => pool.images.slice(i * D, (i + 1) * D).join())).size).toBe(21);
  });

  test('is the same for the same key, and another for another', async () => {
    const pool = await draw();
    expect(await draw()).toEqual(pool);
    expect((await draw({ key: childKey(KEY, 'other') })).images).not.toEqual(pool.images);
  });

  test('is the decoders of z ~ N(0, I): by hand, also where a decoder draws in fixed numbers', async () => {
    const count = 10;
    const fixed = handMadeDecoder((_, graph) => {
      graph.input = [port('z', [4, 2])];
      graph.output = [port('x', [4, 1, 2, 2])];
    });
    for (const onnx of [handMadeDecoder(), fixed]) {
      const pool = await draw({ releases: [foreign('hand', onnx)], images: count, shape: HAND_MADE_SHAPE });
      const z = normals(childKey(KEY, 'hand', 'z'), 2 * 12);
      const weights = [
        [1, -1, 0.5, 2],
        [-0.5, 1, 1, -2],
      ] as const;
      for (let row = 0; row < count; row++) {
        for (let d = 0; d < 4; d++) {
          const logit =
            (z[2 * row] as number) * (weights[0][d] as number) + (z[2 * row + 1] as number) * (weights[1][d] as number);
          expect(pool.images[4 * row + d]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 5);
        }
      }
    }
  });

  test("has a silo's images from its decoder and the key alone: dropping, adding or reordering others changes none", async () => {
    const pool = await draw();
    const fewer = await draw({ releases: ['south', 'north'].map(releaseOf) });
    for (const silo of ['north', 'south']) expect(rowsOf(fewer, silo)).toEqual(rowsOf(pool, silo));
    expect(fewer.shares.map(({ silo }) => silo)).toEqual(['south', 'north']);
  });

  test('of more images begins with the images of a smaller one, chunks or no chunks', async () => {
    const few = await draw({ images: 6, imagesPer: 'total' });
    const many = await draw({ images: 3 * 603, imagesPer: 'total' });
    for (const silo of ['north', 'east', 'south']) {
      expect(rowsOf(many, silo)).toHaveLength(603 * D);
      expect(rowsOf(many, silo).slice(0, 2 * D)).toEqual(rowsOf(few, silo));
    }
  });

  test('has no image of a silo whose share is empty', async () => {
    const pool = await draw({ images: 2, imagesPer: 'total' });
    expect(pool.shares.map(({ count }) => count)).toEqual([1, 1, 0]);
    expect(pool.images).toHaveLength(2 * D);
  });

  test('takes no decoder that has not passed inspection and a trial', async () => {
    const constant = handMadeDecoder((_, graph) => {
      (graph.initializer[0] as { rawData: Uint8Array }).rawData = new Uint8Array(32);
    });
    for (const onnx of [constant, Uint8Array.of(1, 2, 3)]) {
      const releases = [foreign('stranger', onnx)];
      await expect(draw({ releases, shape: HAND_MADE_SHAPE })).rejects.toThrow(ReleaseError);
    }
    await expect(draw({ shape: { channels: 1, height: 4, width: 8 } })).rejects.toThrow(ReleaseError);
  });

  test('takes no other file than its header tells of', async () => {
    const release = foreign('stranger', handMadeDecoder());
    const releases = [{ ...release, decoder: { ...release.decoder, sha256: contentHash('another') } }];
    await expect(draw({ releases, shape: HAND_MADE_SHAPE })).rejects.toMatchObject({
      facts: { reason: 'not-as-declared', field: 'sha256' },
    });
  });

  test('is not drawn on after the signal has fired', async () => {
    await expect(draw({ signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
  });
});
