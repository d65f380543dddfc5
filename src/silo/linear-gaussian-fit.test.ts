import { describe, expect, test } from 'vitest';
import { childKey, type Key, normals, secretKey, seedKey, uniforms } from '../engine/keys.ts';
import { AbortedError, DataError, PrivacyError } from '../errors.ts';
import { linearGaussianOf } from '../models/linear-gaussian.ts';
import { planGaussianRelease } from '../privacy/gaussian-release.ts';
import { fitLinearGaussian, type LinearGaussianHooks } from './linear-gaussian-fit.ts';

const KEY = seedKey('linear-gaussian-fit');
const SHAPE = { channels: 1, height: 4, width: 3 };
const D = 12;

/** Images of classes 0 and 2, of an even grey each and a slope between left and right, with a little of everything. */
function images(count: number) {
  const labels = Uint8Array.from({ length: count }, (_, i) => (i % 3 === 0 ? 2 : 0));
  const slopes = normals(childKey(KEY, 'slopes'), count);
  const noise = normals(childKey(KEY, 'noise'), count * D);
  const pixels = Uint8Array.from({ length: count * D }, (_, at) => {
    const i = Math.floor(at / D);
    const value = (labels[i] === 2 ? 90 : 160) + 25 * slopes[i]! * ((at % 3) - 1) + 3 * noise[at]!;
    return Math.min(255, Math.max(0, Math.round(value)));
  });
  return { images: pixels, labels, shape: SHAPE };
}

const gaussians = (components: number, offered: readonly number[] = [0, 2], frequencies = 9) =>
  linearGaussianOf({ components, frequencies, rank: 12 }, { shape: SHAPE, classes: 3, offered });

const planned = (epsilon: number, components = 1, noise: 'secure' | 'seeded' = 'seeded') =>
  planGaussianRelease({ epsilon, delta: 1e-5, clipNorm: null, noise }, { components, pixels: D });

const fit = (
  job: { readonly count: number; readonly components?: number; readonly epsilon?: number; readonly key?: Key },
  hooks?: LinearGaussianHooks,
) => {
  const { count, components = 1, epsilon, key = KEY } = job;
  const plan = epsilon === undefined ? null : planned(epsilon, components);
  return fitLinearGaussian(gaussians(components), { ...images(count), plan, key }, hooks);
};

const names = {
  means: 'decoder.means',
  factors: 'decoder.factors',
  offered: 'decoder.offered',
  thresholds: 'decoder.thresholds',
} as const;

describe('without noise, one Gaussian a class', () => {
  test('has the mean and the covariance of the images of the class', async () => {
    const data = images(240);
    const { parameters, offered } = await fitLinearGaussian(gaussians(1), { ...data, plan: null, key: KEY });
    expect(offered).toEqual([0, 2]);
    expect([...parameters[names.offered]!]).toEqual([1, 0, 0, 0, 0, 1]);
    const { rows, columns } = gaussians(1).transform;
    const pixelsOf = (coefficients: Float32Array) =>
      Array.from({ length: D }, (_, at) => {
        const [y, x] = [Math.floor(at / 3), at % 3];
        return coefficients.reduce(
          (sum, value, j) => sum + value * rows[Math.floor(j / 3) * 4 + y]! * columns[(j % 3) * 3 + x]!,
          0,
        );
      });
    for (const [place, label] of offered.entries()) {
      const own = [...data.labels.keys()].filter((i) => data.labels[i] === label);
      const pixel = (i: number, at: number) => data.images[i * D + at]! / 255;
      const mean = Array.from({ length: D }, (_, at) => own.reduce((sum, i) => sum + pixel(i, at), 0) / own.length);
      const found = pixelsOf(parameters[names.means]!.subarray(place * D, (place + 1) * D));
      found.forEach((value, at) => expect(value).toBeCloseTo(mean[at]!, 6));
      const factors = Array.from({ length: 12 }, (_, a) =>
        pixelsOf(parameters[names.factors]!.subarray((place * 12 + a) * D, (place * 12 + a + 1) * D)),
      );
      for (const [p, q] of [
        [0, 0],
        [0, 1],
        [0, 2],
        [5, 8],
        [11, 3],
      ] as const) {
        const covariance =
          own.reduce((sum, i) => sum + (pixel(i, p) - mean[p]!) * (pixel(i, q) - mean[q]!), 0) / own.length;
        expect(factors.reduce((sum, row) => sum + row[p]! * row[q]!, 0)).toBeCloseTo(covariance, 6);
      }
    }
  });

  test('leaves a class blank that has no images, and does not offer it', async () => {
    const generator = gaussians(1, [0, 1]);
    const { parameters, offered } = await fitLinearGaussian(generator, { ...images(60), plan: null, key: KEY });
    expect(offered).toEqual([0]);
    expect([...parameters[names.offered]!]).toEqual([1, 0, 0, 0, 0, 0]);
    expect(parameters[names.factors]!.subarray(12 * D).every((value) => value === 0)).toBe(true);
  });

  test('is refused where no class has images', async () => {
    const job = { ...images(60), plan: null, key: KEY };
    await expect(fitLinearGaussian(gaussians(1, [1]), job)).rejects.toThrow(DataError);
  });
});

test('components are where images are, in proportion to their number', async () => {
  const count = 400; // class 0 is dark in three of four images, bright in the fourth
  const bright = Uint8Array.from({ length: count }, (_, i) => (i % 4 === 0 ? 1 : 0));
  const noise = uniforms(childKey(KEY, 'two'), count * D);
  const pixels = Uint8Array.from({ length: count * D }, (_, at) =>
    Math.round((bright[Math.floor(at / D)] ? 200 : 40) + 30 * (noise[at]! - 0.5)),
  );
  const job = { images: pixels, labels: new Uint8Array(count), shape: SHAPE, plan: null, key: KEY };
  const { parameters } = await fitLinearGaussian(gaussians(2, [0]), job);
  const lightness = [0, 1].map((k) => Math.round((parameters[names.means]![k * D]! / Math.sqrt(D)) * 255));
  const order = lightness[0]! < lightness[1]! ? 1 : -1;
  expect(order * (lightness[1]! - lightness[0]!)).toBeGreaterThan(155);
  const [threshold] = parameters[names.thresholds]!;
  expect(threshold).toBeCloseTo(order * 0.6745, 4); // the third quartile of N(0, 1)
});

describe('with noise', () => {
  test('comes near what it is without, as far as noise allows, and not the same', async () => {
    const exact = await fit({ count: 3000 });
    const distance = async (epsilon: number) => {
      const { parameters } = await fit({ count: 3000, epsilon });
      return Math.hypot(...parameters[names.means]!.map((value, at) => value - exact.parameters[names.means]![at]!));
    };
    const [near, far] = [await distance(10), await distance(1)];
    expect(near).toBeLessThan(0.02); // means of about 2, moved by noise 1.2 * 0.7 * 0.74 / 0.5 / 1000 in each of 24 numbers
    expect(far).toBeGreaterThan(4 * near);
    expect(near).toBeGreaterThan(0);
  });

  test('leaves out directions that noise alone could have made', async () => {
    const left = async (epsilon: number) => {
      const { parameters } = await fit({ count: 900, epsilon });
      const factors = parameters[names.factors]!;
      return Array.from({ length: 24 }, (_, row) => factors.subarray(row * D, (row + 1) * D)).filter((row) =>
        row.some((value) => value !== 0),
      ).length;
    };
    expect(await left(1e4)).toBeGreaterThan(16);
    expect(await left(8)).toBeLessThan(8);
  });

  test('is repeated by the same key, and by no other', async () => {
    const once = await fit({ count: 300, components: 2, epsilon: 50 });
    expect(await fit({ count: 300, components: 2, epsilon: 50 })).toEqual(once);
    expect(await fit({ count: 300, components: 2, epsilon: 50, key: seedKey('another') })).not.toEqual(once);
  });

  test('offers no class whose records it hides', async () => {
    await expect(fit({ count: 12, epsilon: 0.1 })).rejects.toThrow(/above the noise/);
    const data = { ...images(900) };
    data.labels.fill(0, 30); // ten records of class 2
    const job = { ...data, plan: planned(1), key: KEY };
    expect((await fitLinearGaussian(gaussians(1), job)).offered).toEqual([0]);
  });

  test('that is to be secure needs a secret key', async () => {
    const plan = planned(10, 1, 'secure');
    await expect(fitLinearGaussian(gaussians(1), { ...images(60), plan, key: KEY })).rejects.toThrow(PrivacyError);
    await fitLinearGaussian(gaussians(1), { ...images(900), plan, key: secretKey() });
  });
});

test('tells how far it is, and hears an abort', async () => {
  const seen: string[] = [];
  await fit({ count: 60, components: 2 }, { onStep: ({ step, steps }) => seen.push(`${step}/${steps}`) });
  expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => `${i + 1}/10`));
  const aborted = fit({ count: 60 }, { signal: AbortSignal.abort() });
  await expect(aborted).rejects.toThrow(AbortedError);
});
