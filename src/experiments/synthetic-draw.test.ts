import { afterAll, beforeAll, expect, test } from 'vitest';
import { handMadeDecoder, handMadeLabelledDecoder, HAND_MADE_SHAPE } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { AbortedError, SpecError, StateError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { drawLabelledPool } from '../server/labelled-pool.ts';
import { type DrawOptions, drawSyntheticSet, plannedImages } from './synthetic-draw.ts';
import { contentHash } from '../storage/content-hash.ts';

const KEY = seedKey('synthetic draw');
const D = 4;

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

function release(silo: string, offered: readonly number[] | null): ReceivedRelease {
  const onnx = offered === null || offered.length === 1 ? handMadeDecoder() : handMadeLabelledDecoder();
  const classes = offered && { count: 3, offered };
  const decoder = {
    bytes: async () => onnx,
    sha256: contentHash(onnx),
    sizeBytes: onnx.length,
    latent: 2,
    shape: HAND_MADE_SHAPE,
    classes,
  };
  return { kind: 'decoder', silo, round: 1, decoder, privacy: NO_PRIVACY };
}

const LABELLED = [release('north', [0, 2]), release('east', [2])];
const PLAIN = [release('north', null), release('east', null)];

const draw = (change: Partial<DrawOptions> = {}) =>
  drawSyntheticSet({
    engine,
    releases: LABELLED,
    shape: HAND_MADE_SHAPE,
    amount: { per: 'class', count: 5 },
    key: KEY,
    ...change,
  });

test('a labelled set has equally many images of each class that is offered, class after class, silo after silo', async () => {
  const set = await draw();
  expect(set.labels).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 2, 2, 2, 2, 2));
  expect([...set.origins]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
  expect(set.shares).toEqual([
    { silo: 'north', class: 0, start: 0, count: 5 },
    { silo: 'north', class: 2, start: 5, count: 3 },
    { silo: 'east', class: 2, start: 8, count: 2 },
  ]);
  expect([set.classes, set.missing]).toEqual([3, [1]]);
});

test('its bytes are the pool of the same key, rounded', async () => {
  const pool = await drawLabelledPool({
    engine,
    releases: LABELLED,
    perClass: 5,
    classes: 3,
    shape: HAND_MADE_SHAPE,
    key: childKey(KEY, 'part-0'),
  });
  const { images } = await draw();
  expect(images).toEqual(Uint8Array.from(pool.images, (pixel) => Math.round(255 * pixel)));
  expect(new Set(images).size).toBeGreaterThan(10);
});

test('parts are other draws, told one by one, and come together by class and silo', async () => {
  const told: string[] = [];
  const onDrawn = (done: number, total: number) => told.push(`${done}/${total}`);
  const parts = await draw({ partPixels: 2 * 2 * D, onDrawn }); // two images of each class at once
  expect(told).toEqual(['4/10', '8/10', '10/10']);
  const whole = await draw();
  expect(parts.labels).toEqual(whole.labels);
  expect(parts.shares.map(({ count }) => count)).toEqual([5, 3, 2]);
  const rows = Array.from({ length: 10 }, (_, row) => parts.images.slice(row * D, (row + 1) * D).join());
  expect(new Set(rows).size).toBe(10);
});

test('a set without labels has equally many images of each silo', async () => {
  const set = await draw({ releases: PLAIN, amount: { per: 'silo', count: 3 } });
  expect([set.labels, set.classes, set.missing]).toEqual([null, null, []]);
  expect([...set.origins]).toEqual([0, 0, 0, 1, 1, 1]);
  expect(set.images).toHaveLength(6 * D);
});

test('the same key gives the same images, another one others', async () => {
  const [first, again, other] = [await draw(), await draw(), await draw({ key: seedKey('other') })];
  expect(again.images).toEqual(first.images);
  expect(other.images).not.toEqual(first.images);
});

test('an amount of the other kind, or too large a one, is refused with what to say', () => {
  const planned = (releases: readonly ReceivedRelease[], per: 'class' | 'silo', count: number) =>
    plannedImages({ releases, shape: HAND_MADE_SHAPE, amount: { per, count } });
  expect(planned(LABELLED, 'class', 7)).toBe(14);
  expect(() => planned(LABELLED, 'silo', 7)).toThrow('Say --per-class 7');
  expect(() => planned(PLAIN, 'class', 7)).toThrow('Say --per-silo 7');
  expect(planned(PLAIN, 'silo', 2 ** 26)).toBe(2 ** 27);
  expect(() => planned(PLAIN, 'silo', 2 ** 26 + 1)).toThrow(SpecError);
  expect(() => planned([], 'silo', 1)).toThrow(StateError);
});

test('a stop comes through', async () => {
  const stop = new AbortController();
  const onDrawn = () => stop.abort();
  await expect(draw({ partPixels: 8, onDrawn, signal: stop.signal })).rejects.toThrow(AbortedError);
});
