import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { DataError, SpecError } from '../errors.ts';
import { type ForeignMix, mixForeign } from './foreign.ts';
import { FOREIGN_LABEL, type ImageSet } from './image-set.ts';

/** `count` images of one pixel, numbered from `from`; labels 0 and 1. */
function numbered(name: string, count: number, from: number): ImageSet {
  return {
    name,
    shape: { channels: 1, height: 1, width: 1 },
    images: Uint8Array.from({ length: count }, (_, i) => from + i),
    labels: Uint8Array.from({ length: count }, (_, i) => i % 2),
  };
}

const A = { name: 'a', set: numbered('own/a', 40, 0) };
const B = { name: 'b', set: numbered('own/b', 20, 100) };
const FOREIGN = numbered('other', 10, 200);
const MIX: ForeignMix = {
  silos: [A, B],
  into: ['a'],
  amount: { rate: 0.05 },
  foreign: FOREIGN,
  key: seedKey('foreign'),
};

describe('foreign images', () => {
  it("are counted relative to the silo's own images, as in the paper", () => {
    const paper = { name: 'a', set: numbered('own', 12_000, 0) };
    const foreign = numbered('other', 1000, 0);
    const [mixed] = mixForeign({ ...MIX, silos: [paper], foreign });
    expect(mixed?.foreignRows).toHaveLength(600);
    expect(mixed?.set.labels).toHaveLength(12_600);
    const [counted] = mixForeign({ ...MIX, silos: [paper], foreign, amount: { count: 7 } });
    expect(counted?.foreignRows).toHaveLength(7);
  });

  it('come into the named silos only, labelled foreign, at the remembered rows, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 }), fc.integer(), (count, seed) => {
        const [a, b] = mixForeign({ ...MIX, amount: { count }, key: seedKey(seed) });
        if (a === undefined || b === undefined) throw new Error('two silos went in');
        expect(b).toEqual({ ...B, foreignRows: new Uint32Array(0) });
        const isForeign = Array.from(a.set.images, (pixel) => pixel >= 200);
        expect(isForeign.filter(Boolean)).toHaveLength(count);
        expect([...a.foreignRows]).toEqual(isForeign.flatMap((is, row) => (is ? [row] : [])));
        isForeign.forEach((is, row) => {
          expect(a.set.labels[row]).toBe(is ? FOREIGN_LABEL : (a.set.images[row] as number) % 2);
        });
        expect([...a.set.images].filter((pixel) => pixel < 200).sort((x, y) => x - y)).toEqual([...A.set.images]);
      }),
      { numRuns: 50, seed: 5 },
    );
  });

  it('are shuffled in, the same way for the same key', () => {
    const rows = (seed: number): readonly number[] => [
      ...(mixForeign({ ...MIX, amount: { count: 10 }, key: seedKey(seed) })[0]?.foreignRows ?? []),
    ];
    expect(rows(1)).toEqual(rows(1));
    expect(rows(1)).not.toEqual(rows(2));
    expect(rows(1)).not.toEqual([40, 41, 42, 43, 44, 45, 46, 47, 48, 49]); // not simply appended
  });

  it('go to one silo only, each', () => {
    const mixed = mixForeign({ ...MIX, into: ['b', 'a'], amount: { count: 5 } });
    const pixels = mixed.flatMap(({ set }) => [...set.images].filter((pixel) => pixel >= 200));
    expect(pixels.sort((x, y) => x - y)).toEqual([...FOREIGN.images]);
  });

  it('at rate 0, or for no silo, leave the own images alone but for their order', () => {
    const [a] = mixForeign({ ...MIX, amount: { rate: 0 } });
    expect([...(a?.set.images ?? [])].sort((x, y) => x - y)).toEqual([...A.set.images]);
    expect(mixForeign({ ...MIX, into: [] })[0]?.set).toBe(A.set);
  });

  it('are refused where the wish makes no sense', () => {
    expect(() => mixForeign({ ...MIX, amount: { rate: -0.1 } })).toThrow(SpecError);
    expect(() => mixForeign({ ...MIX, amount: { rate: Number.NaN } })).toThrow(SpecError);
    expect(() => mixForeign({ ...MIX, amount: { count: 1.5 } })).toThrow(SpecError);
    expect(() => mixForeign({ ...MIX, amount: { rate: 0.5 } })).toThrow(/at most 10 images.*found a wish for 20/);
    expect(() => mixForeign({ ...MIX, into: ['a', 'c'] })).toThrow(/names of silos \(a, b\), found c/);
    expect(() => mixForeign({ ...MIX, into: ['a', 'a'] })).toThrow(/twice/);
    const wide = { ...FOREIGN, shape: { channels: 1, height: 1, width: 2 }, labels: FOREIGN.labels.subarray(0, 5) };
    expect(() => mixForeign({ ...MIX, foreign: wide })).toThrow(DataError);
  });
});
