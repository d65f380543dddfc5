import { describe, expect, it } from 'vitest';
import { alignedLength, createArena } from './arena.ts';

describe('an arena', () => {
  it('holds zeroed vectors in one memory, each from a 64-byte border on, none over another', () => {
    const arena = createArena({ a: 3, b: 16, c: 17, d: 1 });
    const vectors = ['a', 'b', 'c', 'd'].map((name) => arena.vector(name));
    expect(vectors.map(({ length }) => length)).toEqual([3, 16, 17, 1]);
    expect(vectors.map(({ byteOffset }) => byteOffset)).toEqual([0, 64, 128, 256]);
    for (const [i, vector] of vectors.entries()) {
      expect(vector.buffer).toBe(arena.memory.buffer);
      expect(vector.every((value) => value === 0)).toBe(true);
      vector.fill(i + 1);
    }
    expect(vectors.map((vector) => new Set(vector).size)).toEqual([1, 1, 1, 1]);
  });

  it('has room of its own behind the vectors for kernels to work in', () => {
    const { scratch, memory } = createArena({ a: 17 });
    expect([scratch.buffer === memory.buffer, scratch.byteOffset, scratch.byteLength]).toEqual([true, 128, 96 * 1024]);
  });

  it('gives the same vector again, and names those it has when asked for another', () => {
    const arena = createArena({ a: 1, b: 1 });
    expect(arena.vector('a')).toBe(arena.vector('a'));
    expect(() => arena.vector('c')).toThrow("The arena has no vector 'c', only a, b.");
  });

  it('is large enough for the last vector, up to its border', () => {
    const length = 65536 / 4 - 3; // just within one page
    const arena = createArena({ a: length });
    expect(arena.memory.buffer.byteLength).toBeGreaterThanOrEqual(alignedLength(length) * 4);
    expect(createArena({}).memory.buffer.byteLength).toBeGreaterThan(0);
  });
});
