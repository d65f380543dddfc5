// Tensors on the way from codes and classes to images, as a certificate follows them, and how those of a class join those of z.

import type { GraphProto, NodeProto } from 'onnx-buf';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';
import { integerOf } from './onnx-constants.ts';
import type { Sides } from './onnx-sides.ts';

/** A tensor that depends on z, once, and perhaps on the class; or on the class alone. */
export interface Live {
  readonly of: 'z' | 'class';
  /** It is stretched against z, of one class, by this at most. Of the class alone: of no meaning. */
  readonly factor: number;
  readonly sides: Sides;
  /** How many rows each image has, one after another; all maps on the way treat them alike. */
  readonly parts: number;
  /** How much of a written-out sigmoid 1 / (1 + exp(u)) has been read; `factor` is then still that of u. */
  readonly stage: 'plain' | 'exp' | 'exp-plus-one';
  /** How its rows are known to look; null where nothing is known. */
  readonly rows: Rows | null;
}

/**
 * `one-hot`: the class itself, in any shape, or some of its columns: one 1 at most, and zeros. `masked`: of `blocks` equal blocks of a row, one after another, all but one are
 * zero, as after a product with the class.
 */
export type Rows = { readonly kind: 'one-hot' } | { readonly kind: 'masked'; readonly blocks: number };

/** A tensor that no bound is known for, and why. */
export interface Lost {
  readonly why: string;
}

/** What one operator makes of its live operand: its own factor, and the sides of the result. */
export interface Stretch {
  readonly factor: number;
  readonly sides: Sides;
  readonly stage?: Live['stage'];
  readonly rows?: Rows | null;
  /** As before where it is left out. */
  readonly parts?: number;
}

/** An input [n, side] as it comes. */
export function startOf(graph: GraphProto, name: string): Live | Lost {
  const type = graph.input.find((port) => port.name === name)?.type?.value;
  const dims = type?.case === 'tensorType' ? (type.value.shape?.dim ?? []) : [];
  const sides = dims.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : null));
  if (sides.length !== 2) return { why: `'${name}' is not declared as a matrix, a row for each image.` };
  const isClass = name === DECODER_CLASS;
  return {
    of: isClass ? 'class' : 'z',
    factor: 1,
    sides,
    parts: 1,
    stage: 'plain',
    rows: isClass ? { kind: 'one-hot' } : null,
  };
}

/**
 * Two or more live operands and no other: a tensor of z and what depends on the class alone, image by image. For one class
 * the latter is a constant.
 */
export function joined(node: NodeProto, lives: readonly Live[], operands: number): Stretch | null {
  const [moved, ...others] = [...lives].sort((a, b) => Number(b.of === 'z') - Number(a.of === 'z')) as [
    Live,
    ...Live[],
  ];
  const isOneOfZ = others.every(({ of }) => of === 'class');
  const isWhole = lives.every(({ stage, parts }) => stage === 'plain' && parts === 1);
  if (!isOneOfZ || lives.length !== operands || !isWhole) return null;
  const { sides } = moved;
  const alike = (other: Live, differs: (axis: number) => boolean) =>
    other.sides.length === sides.length &&
    other.sides.every(
      (side, axis) => differs(axis) || (axis === 0 ? side === sides[0] : side !== null && side === sides[axis]),
    );
  const [label] = others as [Live];
  switch (node.opType) {
    case 'Add':
    case 'Sub':
      return others.length === 1 && alike(label, (axis) => axis > 0 && label.sides[axis] === 1)
        ? { factor: 1, sides }
        : null;
    case 'Concat': {
      const named = integerOf(node, 'axis', 0);
      const axis = named < 0 ? named + sides.length : named;
      if (axis < 1 || axis >= sides.length || !others.every((other) => alike(other, (one) => one === axis)))
        return null;
      const along = lives.map((live) => live.sides[axis] ?? null);
      const length = along.reduce((sum, side) => (sum === null || side === null ? null : sum + side), 0);
      return { factor: 1, sides: sides.map((side, i) => (i === axis ? length : side)) };
    }
    case 'Mul':
      return others.length === 1 && moved.of === 'z' ? masked(sides, label) : null;
    default:
      return null;
  }
}

// --- internal ---

/**
 * z [n, 1, ...] times the class [n, C, 1...]: one of C copies stays, the others become zero, so nothing is stretched. Also
 * z [n, C, ...], of which one part stays.
 */
function masked(sides: Sides, label: Live): Stretch | null {
  const [images, blocks] = label.sides;
  const isMask = label.rows?.kind === 'one-hot' && blocks && label.sides.slice(2).every((side) => side === 1);
  const isCopied = sides[1] === 1 || sides[1] === blocks;
  if (!isMask || !isCopied || images !== sides[0] || label.sides.length !== sides.length) return null;
  return {
    factor: 1,
    sides: sides.map((side, axis) => (axis === 1 ? blocks : side)),
    rows: { kind: 'masked', blocks },
  };
}
