import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { classCounts } from './image-set.ts';
import { type PartitionSpec, partition } from './partition.ts';

const KEY = seedKey('partition');
/** 1,000 labels, 100 of each class, mixed. */
const LABELS = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 10);

function deal(spec: PartitionSpec, labels = LABELS, key = KEY): readonly (readonly number[])[] {
  return partition(labels, spec, key).map((rows) => [...rows]);
}
function classesOf(rows: readonly number[], labels = LABELS): readonly number[] {
  return classCounts(rows.map((row) => labels[row] as number)).map(({ label }) => label);
}
function pathOf(spec: PartitionSpec): unknown {
  try {
    deal(spec);
  } catch (error) {
    if (error instanceof SpecError) return error.facts.path;
    throw error;
  }
  return 'nothing was thrown';
}

const anyLabels = fc.uint8Array({ minLength: 20, maxLength: 300, max: 5 });
const anySpec: fc.Arbitrary<PartitionSpec> = fc.oneof(
  fc.record({ kind: fc.constant('iid' as const), silos: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    kind: fc.constant('dirichlet' as const),
    silos: fc.integer({ min: 1, max: 4 }),
    alpha: fc.double({ min: 0.3, max: 100, noNaN: true }),
  }),
  fc.record({
    kind: fc.constant('shards' as const),
    silos: fc.integer({ min: 1, max: 5 }),
    shardsPerSilo: fc.integer({ min: 1, max: 4 }),
  }),
);

describe('every partition', () => {
  it('without a limit deals each row exactly once, and none is empty', () => {
    fc.assert(
      fc.property(anyLabels, anySpec, fc.integer(), (labels, spec, seed) => {
        const silos = deal(spec, labels, seedKey(seed));
        expect(silos.flat().sort((a, b) => a - b)).toEqual(Array.from(labels, (_, row) => row));
        expect(silos.every((rows) => rows.length > 0)).toBe(true);
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it('is the same for the same key, ascending, and another for another key', () => {
    const specs: readonly PartitionSpec[] = [
      { kind: 'iid', silos: 3 },
      { kind: 'dirichlet', silos: 3, alpha: 1 },
      { kind: 'shards', silos: 3, shardsPerSilo: 4 },
      { kind: 'classes', classes: [[0, 1], [5]], perClass: 50 },
    ];
    for (const spec of specs) {
      const dealt = deal(spec);
      expect(deal(spec)).toEqual(dealt);
      expect(deal(spec, LABELS, seedKey('other'))).not.toEqual(dealt);
      for (const rows of dealt) expect(rows).toEqual([...rows].sort((a, b) => a - b));
    }
  });
});

describe('dealing by classes', () => {
  it('gives each silo all examples of its classes and no others', () => {
    const [a, b] = deal({ kind: 'classes', classes: [[3, 1], [9]] });
    expect(a).toHaveLength(200);
    expect(classesOf(a ?? [])).toEqual([1, 3]);
    expect(b).toHaveLength(100);
    expect(classesOf(b ?? [])).toEqual([9]);
  });

  it('is disjoint whatever the classes and the limit', () => {
    const assignments = fc
      .shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { minLength: 4 })
      .map((classes) => [classes.slice(0, 2), classes.slice(2, 3), classes.slice(3)]);
    fc.assert(
      fc.property(assignments, fc.integer({ min: 1, max: 120 }), fc.integer(), (classes, perClass, seed) => {
        const silos = deal({ kind: 'classes', classes, perClass }, LABELS, seedKey(seed));
        silos.forEach((rows, silo) => {
          expect(classesOf(rows)).toEqual([...(classes[silo] as number[])].sort((a, b) => a - b));
          expect(new Set(rows).size).toBe(rows.length);
          expect(rows).toHaveLength((classes[silo] as number[]).length * Math.min(perClass, 100));
        });
      }),
      { numRuns: 100, seed: 4 },
    );
  });

  it("has the paper's numbers with 6,000 per class", () => {
    const perClass = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]; // MNIST, training
    const labels = Uint8Array.from(perClass.flatMap((count, label) => Array.from({ length: count }, () => label)));
    const classes = [
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
      [8, 9],
    ];
    const silos = deal({ kind: 'classes', classes, perClass: 6000 }, labels);
    expect(silos.map((rows) => rows.length)).toEqual([11923, 11958, 11263, 11918, 11800]);
  });

  it('chooses at random below a limit, and does not let one class move another', () => {
    const [one] = deal({ kind: 'classes', classes: [[4]], perClass: 10 });
    const [both] = deal({ kind: 'classes', classes: [[2, 4]], perClass: 10 });
    expect(both).toEqual(expect.arrayContaining([...(one ?? [])]));
    const firstTen = [...LABELS.keys()].filter((row) => LABELS[row] === 4).slice(0, 10);
    expect(one).not.toEqual(firstTen);
  });

  it('refuses classes that are doubled, unknown or missing, and says where', () => {
    expect(
      pathOf({
        kind: 'classes',
        classes: [
          [0, 1],
          [2, 1],
        ],
      }),
    ).toBe('classes.1');
    expect(pathOf({ kind: 'classes', classes: [[0, 0]] })).toBe('classes.0');
    expect(pathOf({ kind: 'classes', classes: [[0], [10]] })).toBe('classes.1');
    expect(pathOf({ kind: 'classes', classes: [[0], []] })).toBe('classes.1');
    expect(pathOf({ kind: 'classes', classes: [] })).toBe('classes');
    expect(pathOf({ kind: 'classes', classes: [[0]], perClass: 0 })).toBe('perClass');
    expect(() => deal({ kind: 'classes', classes: [[0, 1], [1]] })).toThrow(
      'partition.classes.1: expected classes that no silo has yet, found class 1, which silo 0 has. Edit the partition.',
    );
  });
});

describe('dealing by Dirichlet', () => {
  const spread = (alpha: number): number => {
    const silos = deal({ kind: 'dirichlet', silos: 5, alpha });
    const counts = silos.flatMap((rows) =>
      Array.from({ length: 10 }, (_, label) => rows.filter((row) => LABELS[row] === label).length),
    );
    return Math.sqrt(counts.reduce((sum, count) => sum + (count - 20) ** 2, 0) / counts.length);
  };

  it('is near uniform for a large alpha and far from it for a small one', () => {
    expect(spread(1e6)).toBeLessThan(0.7); // 20 of each class each, up to rounding
    // One share is Beta(alpha, 4 alpha): standard deviation 100 * sqrt(0.16 / (5 alpha + 1)).
    expect(spread(1)).toBeGreaterThan(12);
    expect(spread(1)).toBeLessThan(21); // 16.3
    expect(spread(0.1)).toBeGreaterThan(27);
    expect(spread(0.1)).toBeLessThan(38); // 32.7
  });

  it('says so when no draw leaves every silo with an example', () => {
    expect(pathOf({ kind: 'dirichlet', silos: 30, alpha: 0.001 })).toBe('alpha');
    expect(pathOf({ kind: 'dirichlet', silos: 2, alpha: 0 })).toBe('alpha');
    expect(pathOf({ kind: 'dirichlet', silos: 2, alpha: Number.NaN })).toBe('alpha');
    expect(pathOf({ kind: 'dirichlet', silos: 1001, alpha: 1 })).toBe('silos');
  });
});

describe('dealing equal parts', () => {
  it('gives sizes that differ by one at most', () => {
    const sizes = deal({ kind: 'iid', silos: 7 }).map((rows) => rows.length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBe(1);
    expect(pathOf({ kind: 'iid', silos: 0 })).toBe('silos');
    expect(pathOf({ kind: 'iid', silos: 1.5 })).toBe('silos');
  });

  it('gives every silo about the same classes when shuffled', () => {
    for (const rows of deal({ kind: 'iid', silos: 2 })) expect(classesOf(rows)).toHaveLength(10);
  });

  it('gives few classes when sorted into shards', () => {
    const silos = deal({ kind: 'shards', silos: 5, shardsPerSilo: 2 }); // a shard is a class here
    for (const rows of silos) {
      expect(rows).toHaveLength(200);
      expect(classesOf(rows)).toHaveLength(2);
    }
    expect(pathOf({ kind: 'shards', silos: 5, shardsPerSilo: 201 })).toBe('shardsPerSilo');
  });
});
