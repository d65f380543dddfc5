// What the lowering knows while it walks the equations: which view each variable is bound to.

import { LoweringError } from '../errors.ts';
import type { DType } from './array-spec.ts';
import { type Graph, onnxType } from './graph.ts';
import type { Atom, Equation, Traced, Variable } from './trace.ts';
import { type Base, tensorInOrder, varyingAxes, type View, wholeView } from './view.ts';

/** Writes what one equation means into the graph and binds its outputs. */
export type Rule = (scope: Scope, equation: Equation) => void;

export class Scope {
  readonly graph: Graph;
  readonly label: string;
  /** Length that stands for the free leading axis while tracing; null where all shapes are fixed. */
  readonly freeLength: number | null;
  readonly #views = new Map<number, View>();
  readonly #uses = new Map<number, number>();

  constructor(graph: Graph, traced: Traced, freeLength: number | null) {
    this.graph = graph;
    this.label = traced.label;
    this.freeLength = freeLength;
    const read = [...traced.equations.flatMap((e) => e.inputs), ...traced.outputs.map((o) => o.atom)];
    for (const atom of read) {
      if (atom.kind === 'variable') this.#uses.set(atom.id, (this.#uses.get(atom.id) ?? 0) + 1);
    }
  }

  /** How often a variable is read. */
  uses(variable: Variable): number {
    return this.#uses.get(variable.id) ?? 0;
  }

  bind(variable: Variable, view: View): void {
    this.#views.set(variable.id, view);
  }

  /** Binds a variable to a graph tensor of exactly its shape. */
  bindTensor(variable: Variable, name: string): void {
    this.bind(variable, wholeView(this.base(name, variable.shape), variable.dtype));
  }

  view(atom: Atom): View {
    if (atom.kind === 'literal') {
      return wholeView(this.base(this.graph.constant([atom.value], atom), []), atom.dtype);
    }
    const view = this.#views.get(atom.id);
    if (!view) throw new LoweringError(`'${this.label}': variable ${atom.id} is read before it is defined.`, {});
    return view;
  }

  /** The view of an atom, converted to `dtype` where jax-js promotes silently. */
  viewAs(atom: Atom, dtype: DType): View {
    if (atom.kind === 'literal') return this.view({ ...atom, value: representable(atom.value, dtype), dtype });
    return this.cast(this.view(atom), dtype);
  }

  cast(view: View, dtype: DType): View {
    if (view.dtype === dtype) return view;
    const order = varyingAxes(view);
    const name = this.graph.node('Cast', [this.inOrder(view, order)], { to: onnxType(dtype) });
    return this.fromOrder(name, view.shape, order, dtype);
  }

  /** A tensor of the atom's full shape. */
  tensor(atom: Atom): string {
    return this.materialise(this.view(atom));
  }

  /** Writes a view out in full: transposed, with all its axes, broadcast. */
  materialise(view: View): string {
    const order = varyingAxes(view);
    const kept = order.map((axis) => view.shape[axis] as number);
    const name = this.inOrder(view, order);
    const withOnes = view.axes.map((axis, i) => (axis === null ? 1 : (view.shape[i] as number)));
    const reshaped = kept.length === withOnes.length ? name : this.reshape(name, withOnes);
    const broadcast = view.axes.some((axis, i) => axis === null && view.shape[i] !== 1);
    return broadcast ? this.graph.node('Expand', [reshaped, this.#broadcastShape(view)]) : reshaped;
  }

  /** See `tensorInOrder`. */
  inOrder(view: View, order: readonly number[]): string {
    return tensorInOrder(view, order, (tensor, shape) => this.reshape(tensor, shape));
  }

  /** View of a value of `shape` whose varying axes, in `order`, are the axes of the tensor `name`. */
  fromOrder(name: string, shape: readonly number[], order: readonly number[], dtype: DType): View {
    const axes = shape.map((_, axis) => (order.includes(axis) ? order.indexOf(axis) : null));
    const base = this.base(
      name,
      order.map((axis) => shape[axis] as number),
    );
    return { base, axes, shape, dtype };
  }

  /** An existing tensor as a base; other orders are written as Transpose. */
  base(name: string, shape: readonly number[]): Base {
    return {
      shape,
      inOrder: (permutation) =>
        permutation.every((axis, i) => axis === i)
          ? name
          : this.graph.node('Transpose', [name], { perm: [...permutation] }),
    };
  }

  reshape(tensor: string, shape: readonly number[]): string {
    const attributes = shape.includes(0) ? { allowzero: 1 } : {}; // else 0 means: keep this side
    return this.graph.node('Reshape', [tensor, this.shapeConstant(shape)], attributes);
  }

  /** A shape for Reshape as a constant; the free axis, alone or merged with others, is written as -1. */
  shapeConstant(shape: readonly number[]): string {
    const free = shape.filter((side) => this.#isFree(side)).length;
    if (free > 1) throw this.#freeAxisError('stands twice in a shape');
    return this.graph.constant(free === 0 ? shape : shape.map((side) => (this.#isFree(side) ? -1 : side)), 'int64');
  }

  /** A shape for Expand as a constant: a free axis that varies is written as 1, which keeps its length. */
  #broadcastShape(view: View): string {
    const written = view.shape.map((side, i) => {
      if (!this.#isFree(side)) return side;
      if (view.axes[i] === null) throw this.#freeAxisError('would have to be made by a broadcast');
      return 1;
    });
    return this.graph.constant(written, 'int64');
  }

  #isFree(side: number): boolean {
    return this.freeLength !== null && side > 0 && side % this.freeLength === 0;
  }

  #freeAxisError(what: string): LoweringError {
    return new LoweringError(
      `'${this.label}': the free axis ${what}. With a free axis, every row of the output must depend on one row of the ` +
        'input.',
      { label: this.label },
    );
  }
}

/** The error for a primitive that is known, in a form that is not. */
export function unsupported(scope: Scope, equation: Equation, what: string): LoweringError {
  return new LoweringError(`'${scope.label}': the primitive '${equation.primitive}' cannot be lowered for ${what}.`, {
    primitive: equation.primitive,
    label: scope.label,
  });
}

// --- internal ---

/** A literal's value in an integer type, as jax-js casts it: towards zero, ends of the range kept, NaN to 0. */
function representable(value: number, dtype: DType): number {
  if (dtype === 'bool') return Number(value !== 0);
  if (dtype === 'float32' || dtype === 'float64') return value;
  const [low, high] = INTEGER_RANGE[dtype];
  return Math.min(Math.max(Math.trunc(value) || 0, low), high);
}

const INTEGER_RANGE = { int32: [-(2 ** 31), 2 ** 31 - 1], uint32: [0, 2 ** 32 - 1] } as const;
