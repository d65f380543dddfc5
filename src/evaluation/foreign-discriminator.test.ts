import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { foreignShare, trainDiscriminator } from './foreign-discriminator.ts';

const KEY = seedKey('discriminator');
const DIM = 4;

/** Rows of noise around `centre`. */
function cloud(name: string, count: number, centre: number, noise = 1): Float32Array {
  return normals(childKey(KEY, name), count * DIM).map((value) => centre + noise * value);
}

const clear = () =>
  trainDiscriminator({ foreign: cloud('f', 61, 5), typical: cloud('t', 300, -5), dim: DIM, key: KEY });

describe('the discriminator of foreign images', () => {
  it('makes no mistake where the kinds are far apart, on halves of equal size', () => {
    const { missed, falseAlarms } = clear();
    expect([missed.count, missed.of]).toEqual([0, 30]);
    expect([falseAlarms.count, falseAlarms.of]).toEqual([0, 30]);
    expect(missed.high).toBeGreaterThan(0.05);
  });

  it('counts the foreign among synthetic images: 30 of 120', () => {
    const synthetic = Float32Array.of(...cloud('s', 90, -5), ...cloud('g', 30, 5));
    const { looksForeign, corrected } = foreignShare(clear(), synthetic);
    expect([looksForeign.count, looksForeign.of]).toEqual([30, 120]);
    expect(corrected).toBeCloseTo(0.25, 12);
  });

  it('gives the same verdicts whatever the unit of the features', () => {
    const parts = { foreign: cloud('f', 60, 0.5), typical: cloud('t', 60, -0.5) };
    const asked = cloud('u', 50, 0);
    const verdicts = (unit: number) => {
      const scaled = (values: Float32Array) => values.map((value) => value * unit);
      const made = trainDiscriminator({
        foreign: scaled(parts.foreign),
        typical: scaled(parts.typical),
        dim: DIM,
        key: KEY,
      });
      return made.looksForeign(scaled(asked));
    };
    expect(verdicts(1024)).toEqual(verdicts(1));
  });

  it('corrects the share for its own mistakes, and gives up where it knows nothing', () => {
    const rate = (share: number) => ({ count: 0, of: 1, share, low: 0, high: 1 });
    const flags = [true, true, true, false, false];
    const fake = (missed: number, falseAlarms: number) => ({
      missed: rate(missed),
      falseAlarms: rate(falseAlarms),
      looksForeign: () => flags,
    });
    // by hand: (0.6 - 0.2) / (1 - 0.1 - 0.2)
    expect(foreignShare(fake(0.1, 0.2), new Float32Array(5)).corrected).toBeCloseTo(0.4 / 0.7, 12);
    expect(foreignShare(fake(0.1, 0.7), new Float32Array(5)).corrected).toBe(0);
    expect(foreignShare(fake(0.5, 0.5), new Float32Array(5)).corrected).toBeNull();
  });

  it('refuses to learn from a single image', () => {
    expect(() =>
      trainDiscriminator({ foreign: cloud('f', 1, 0), typical: cloud('t', 9, 0), dim: DIM, key: KEY }),
    ).toThrow(/two or more/);
  });
});
