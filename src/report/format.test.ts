// Numbers with units, at their edges.

import { describe, expect, it } from 'vitest';
import { formatBytes, formatPercent, formatSeconds } from './format.ts';

describe('formatSeconds', () => {
  it.each([
    [0, '0.00 s'],
    [0.4242, '0.42 s'],
    [0.9996, '1.0 s'],
    [8.123, '8.1 s'],
    [9.996, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 min 00 s'],
    [125, '2 min 05 s'],
    [3599.4, '59 min 59 s'],
    [3599.6, '1 h 00 min'],
    [3720, '1 h 02 min'],
    [90_000, '25 h 00 min'],
    [-65, '-1 min 05 s'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%d -> %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [812, '812 B'],
    [999.7, '1.00 kB'],
    [2_268_736, '2.27 MB'], // the decoder of the paper
    [99_940, '99.9 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [31_400_000, '31.4 MB'],
    [3e8, '300 MB'],
    [5e12, '5.00 TB'],
    [Number.NaN, '–'],
  ])('%d -> %s', (sizeBytes, text) => {
    expect(formatBytes(sizeBytes)).toBe(text);
  });
});

describe('formatPercent', () => {
  it('prints a share of one', () => {
    expect(formatPercent(0.7425)).toBe('74.3 %');
    expect(formatPercent(1, { digits: 0 })).toBe('100 %');
    expect(formatPercent(Number.NaN)).toBe('–');
  });

  it('prints a standard deviation beside it where there is one', () => {
    expect(formatPercent(0.7425, { std: 0.0061, digits: 2 })).toBe('74.25 ± 0.61 %');
    expect(formatPercent(0.7425, { std: null })).toBe('74.3 %');
  });
});
