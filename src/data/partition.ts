// Who gets which examples: the ways to deal a data set out to K silos. Every row is dealt at most once.

import { childKey, type Key, permutation } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { dirichlet } from './dirichlet.ts';
import { classCounts } from './image-set.ts';

/** Silo k gets the classes `classes[k]`, which no other silo may have. */
export interface ClassPartition {
  readonly kind: 'classes';
  readonly classes: readonly (readonly number[])[];
  /** At most so many examples of a class, drawn at random. The paper has 6,000. Default: all. */
  readonly perClass?: number | undefined;
}

/** Each class is split in proportions drawn from Dirichlet(alpha, ..., alpha): the smaller alpha, the more uneven. */
export interface DirichletPartition {
  readonly kind: 'dirichlet';
  readonly silos: number;
  readonly alpha: number;
}

/** Shuffled and cut into equal parts. */
export interface IidPartition {
  readonly kind: 'iid';
  readonly silos: number;
}

/** Sorted by class, cut into equal shards, and these dealt at random (McMahan et al. 2017, section 3). */
export interface ShardPartition {
  readonly kind: 'shards';
  readonly silos: number;
  readonly shardsPerSilo: number;
}

/** How to deal. */
export type PartitionSpec = ClassPartition | DirichletPartition | IidPartition | ShardPartition;

/**
 * The rows of each silo, ascending, at least one each. The same labels, spec and key give the same rows. Throws
 * SpecError where the spec can't be met: a class unknown or dealt twice, a silo that would stay empty.
 * `facts.path` is relative to the spec.
 */
export function partition(labels: Uint8Array, spec: PartitionSpec, key: Key): readonly Uint32Array[] {
  return deal(labels, spec, key).map((rows) => Uint32Array.from(rows).sort());
}

// --- internal ---

/** Draws of the Dirichlet split before giving up on a silo that stays empty. */
const MAX_ATTEMPTS = 100;

type Rows = ArrayLike<number>;

function deal(labels: Uint8Array, spec: PartitionSpec, key: Key): readonly Rows[] {
  switch (spec.kind) {
    case 'classes':
      return dealClasses(labels, spec, key);
    case 'dirichlet':
      return dealDirichlet(labels, spec, key);
    case 'iid':
      requireCount('silos', spec.silos, labels.length);
      return cut(permutation(childKey(key, 'iid'), labels.length), spec.silos);
    case 'shards':
      return dealShards(labels, spec, key);
  }
}

function dealClasses(labels: Uint8Array, { classes, perClass }: ClassPartition, key: Key): readonly Rows[] {
  if (classes.length === 0) refuse('classes', 'at least one silo', 'none');
  if (perClass !== undefined) requireCount('perClass', perClass, Number.MAX_SAFE_INTEGER);
  const rowsOf = rowsByClass(labels);
  const owners = new Map<number, number>();
  return classes.map((own, silo) => {
    const path = `classes.${silo}`;
    if (own.length === 0) refuse(path, 'at least one class', 'none');
    return own.flatMap((label) => {
      const owner = owners.get(label);
      if (owner !== undefined) refuse(path, 'classes that no silo has yet', `class ${label}, which silo ${owner} has`);
      owners.set(label, silo);
      const rows = rowsOf.get(label);
      if (rows === undefined) refuse(path, `one of the classes ${[...rowsOf.keys()].join(', ')}`, String(label));
      return perClass === undefined || rows.length <= perClass
        ? [...rows]
        : shuffled(rows, childKey(key, `class-${label}`)).slice(0, perClass);
    });
  });
}

function dealDirichlet(labels: Uint8Array, { silos, alpha }: DirichletPartition, key: Key): readonly Rows[] {
  requireCount('silos', silos, labels.length);
  if (!(alpha > 0 && Number.isFinite(alpha))) refuse('alpha', 'a number above 0', String(alpha));
  const rowsOf = rowsByClass(labels);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const dealt: number[][] = Array.from({ length: silos }, () => []);
    for (const [label, rows] of rowsOf) {
      const classKey = childKey(key, `attempt-${attempt}`, `class-${label}`);
      const shares = dirichlet(childKey(classKey, 'shares'), silos, alpha);
      const order = shuffled(rows, childKey(classKey, 'order'));
      let share = 0;
      let from = 0;
      shares.forEach((part, silo) => {
        share += part;
        const to = silo === silos - 1 ? order.length : Math.min(order.length, Math.round(share * order.length));
        for (; from < to; from++) dealt[silo]?.push(order[from] as number);
      });
    }
    if (dealt.every(({ length }) => length > 0)) return dealt;
  }
  return refuse('alpha', 'a split that leaves no silo empty', `none in ${MAX_ATTEMPTS} draws for ${silos} silos`, {
    next: 'Raise alpha or take fewer silos.',
  });
}

function dealShards(labels: Uint8Array, { silos, shardsPerSilo }: ShardPartition, key: Key): readonly Rows[] {
  requireCount('silos', silos, labels.length);
  requireCount('shardsPerSilo', shardsPerSilo, Math.floor(labels.length / silos));
  const sorted = [...rowsByClass(labels)].flatMap(([label, rows]) => shuffled(rows, childKey(key, `class-${label}`)));
  const shards = cut(Uint32Array.from(sorted), silos * shardsPerSilo);
  const order = permutation(childKey(key, 'shards'), shards.length);
  return Array.from({ length: silos }, (_, silo) =>
    Array.from(order.subarray(silo * shardsPerSilo, (silo + 1) * shardsPerSilo)).flatMap((shard) => [
      ...(shards[shard] as Uint32Array),
    ]),
  );
}

/** Classes ascending, the rows of each ascending. */
function rowsByClass(labels: Uint8Array): ReadonlyMap<number, Uint32Array> {
  const rows = new Map(classCounts(labels).map(({ label, count }) => [label, new Uint32Array(count)]));
  const filled = new Uint32Array(256);
  labels.forEach((label, row) => {
    const at = filled[label] as number;
    (rows.get(label) as Uint32Array)[at] = row;
    filled[label] = at + 1;
  });
  return rows;
}

function shuffled(rows: Uint32Array, key: Key): number[] {
  return Array.from(permutation(key, rows.length), (i) => rows[i] as number);
}

/** `parts` pieces in order, whose lengths differ by one at most. */
function cut(rows: Uint32Array, parts: number): readonly Uint32Array[] {
  const border = (part: number): number => Math.floor((part * rows.length) / parts);
  return Array.from({ length: parts }, (_, part) => rows.subarray(border(part), border(part + 1)));
}

function requireCount(path: string, value: number, max: number): void {
  if (!(Number.isInteger(value) && value >= 1 && value <= max)) {
    refuse(
      path,
      max === Number.MAX_SAFE_INTEGER ? 'a whole number from 1' : `a whole number from 1 to ${max}`,
      `${value}`,
    );
  }
}

function refuse(path: string, expected: string, found: string, { next = 'Edit the partition.' } = {}): never {
  throw new SpecError(`partition.${path}: expected ${expected}, found ${found}. ${next}`, { path, expected, found });
}
