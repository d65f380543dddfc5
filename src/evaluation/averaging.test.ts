import { expect, test } from 'vitest';
import { NumericalError, ShapeError } from '../errors.ts';
import { type Averaging, averagingByAccident } from './averaging.ts';

/** Twenty images of two pixels: class 0 lights the left one, class 1 the right one, half of them only by half. */
const labels = Uint8Array.from({ length: 20 }, (_, i) => i % 2);
const images = Uint8Array.from({ length: 40 }, (_, i) => (i % 2 === labels[i >> 1] ? (i < 20 ? 255 : 128) : 0));
const asSeen = Float32Array.from(images, (byte) => byte / 255);
const classMeans = Float32Array.from(images, (_, i) => (i % 2 === labels[i >> 1] ? 383 / 510 : 0));
const mean = new Float32Array(40).fill(383 / 1020);
const judge = (reconstructions: Float32Array, samples: Float32Array): Averaging =>
  averagingByAccident({ images, reconstructions, labels, classes: 3, samples }) as Averaging;

test('an autoencoder that copies, and dreams like the test images, scores 1 and shows nothing', () => {
  const { seen, classContrast, sampleVariance, images: count } = judge(asSeen, asSeen);
  expect([seen, count]).toEqual([false, 20]);
  expect(classContrast).toBeCloseTo(1, 6);
  expect(sampleVariance).toBeCloseTo(1, 6);
});

test('blur is no averaging: the mean of its class for each image keeps all contrast of the classes', () => {
  const result = judge(classMeans, classMeans);
  expect(result.seen).toBe(false);
  expect(result.classContrast).toBeCloseTo(1, 6);
});

test('the mean image for whatever goes in is seen, however varied the samples', () => {
  expect(judge(mean, asSeen)).toMatchObject({ seen: true, classContrast: 0 });
});

test('samples that are all one image are seen, however good the reconstructions', () => {
  expect(judge(asSeen, mean)).toMatchObject({ seen: true, sampleVariance: 0 });
});

test('contrast is squared: classes drawn to two fifths of their distance keep 0.16 of it, to four fifths 0.64', () => {
  const drawn = (share: number) => asSeen.map((value, i) => share * value + (1 - share) * (mean[i] as number));
  const near = judge(drawn(0.4), asSeen);
  expect(near.classContrast).toBeCloseTo(0.16, 6);
  expect(near.seen).toBe(true);
  const far = judge(drawn(0.8), drawn(0.4));
  expect(far.classContrast).toBeCloseTo(0.64, 6);
  expect(far.sampleVariance).toBeCloseTo(0.16, 6);
  expect(far.seen).toBe(false);
});

test('nothing is said of few images a class, of one class, of test images all alike, or of one sample', () => {
  const all = { images, reconstructions: asSeen, labels, classes: 3, samples: asSeen };
  expect(averagingByAccident({ ...all, labels: labels.map((_, i) => i % 3) })).toBeNull();
  expect(averagingByAccident({ ...all, labels: new Uint8Array(20) })).toBeNull();
  expect(averagingByAccident({ ...all, images: new Uint8Array(40) })).toBeNull();
  expect(averagingByAccident({ ...all, samples: asSeen.slice(0, 2) })).toBeNull();
});

test('other sizes and pixels that are no numbers are refused', () => {
  expect(() => judge(asSeen.slice(2), asSeen)).toThrow(ShapeError);
  expect(() => judge(asSeen, asSeen.slice(1))).toThrow(ShapeError);
  expect(() => judge(asSeen.with(3, Number.NaN), asSeen)).toThrow(NumericalError);
});
