// The fast transform against its definition.

import { describe, expect, it } from 'vitest';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { signalOf, spectrumOf } from './fft.ts';

const key = seedKey('fft');

function reversedBits(index: number, bits: number): number {
  return Number.parseInt(index.toString(2).padStart(bits, '0').split('').toReversed().join(''), 2);
}

/** sum over n of x_n e^(2 pi i k n / N), by itself. */
function frequency(signal: Float64Array, k: number): readonly [number, number] {
  let [re, im] = [0, 0];
  signal.forEach((x, n) => {
    re += x * Math.cos((2 * Math.PI * k * n) / signal.length);
    im += x * Math.sin((2 * Math.PI * k * n) / signal.length);
  });
  return [re, im];
}

describe('the Fourier transform', () => {
  it.each([4, 8, 32, 256])('of %d numbers is the defining sum, in the order of reversed bits', (size) => {
    const signal = uniforms(childKey(key, size), size);
    const { re, im } = spectrumOf(signal);
    const bits = Math.log2(size / 2);
    for (let p = 1; p < size / 2; p++) {
      const [expectedRe, expectedIm] = frequency(signal, reversedBits(p, bits));
      expect(re[p]).toBeCloseTo(expectedRe, 11);
      expect(im[p]).toBeCloseTo(expectedIm, 11);
    }
    expect(re[0]).toBeCloseTo(frequency(signal, 0)[0], 11);
    expect(im[0]).toBeCloseTo(frequency(signal, size / 2)[0], 11);
  });

  it('is undone to the last digits, also where it is long', () => {
    const signal = uniforms(childKey(key, 'long'), 2 ** 16);
    const back = signalOf(spectrumOf(signal));
    expect(Math.max(...back.map((x, i) => Math.abs(x - (signal[i] as number))))).toBeLessThan(2e-15);
  });

  it('refuses lengths it cannot halve', () => {
    for (const length of [0, 2, 6, 100]) expect(() => spectrumOf(new Float64Array(length))).toThrow(ShapeError);
  });
});
