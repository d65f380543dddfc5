import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { didYouMean, editDistance, nearest } from './nearest.ts';

describe('editDistance', () => {
  it.each([
    ['kitten', 'sitting', 3],
    ['rouns', 'rounds', 1],
    ['rpivacy', 'privacy', 1], // a swap is one edit
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('from %j to %j is %i', (a, b, edits) => {
    expect(editDistance(a, b)).toBe(edits);
  });

  it('agrees with a slow recursive twin', () => {
    const slow = (a: string, b: string): number => {
      if (a === '' || b === '') return a.length + b.length;
      const cut = (s: string, n = 1) => s.slice(0, -n);
      const same = a.at(-1) === b.at(-1) ? 0 : 1;
      const best = Math.min(slow(cut(a), b) + 1, slow(a, cut(b)) + 1, slow(cut(a), cut(b)) + same);
      const swapped = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1);
      return swapped ? Math.min(best, slow(cut(a, 2), cut(b, 2)) + 1) : best;
    };
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(slow(a, b));
      }),
      { seed: 1, numRuns: 150 },
    );
  });
});

describe('nearest', () => {
  it('gives the nearest first and nothing that is far', () => {
    expect(nearest('latnt', ['latent', 'late', 'rounds'], 5)).toEqual(['latent']);
    expect(nearest('silo-c', ['silo-a', 'silo-b', 'other'], 5)).toEqual(['silo-a', 'silo-b']);
    expect(nearest('ROUNDS', ['rounds'])).toEqual(['rounds']);
  });

  it('asks only where there is something to ask', () => {
    expect(didYouMean('zebra', ['rounds'])).toBe('');
    expect(didYouMean('rouns', ['rounds'])).toBe('; did you mean "rounds"?');
  });
});
