// Where a value lives in memory, apart from how the program sees it: transposes and broadcasts that cost nothing.
//
// Backward passes are full of broadcasts such as [128, 784, 400] that must never be written out. So a variable is bound
// to a view: a tensor that exists, and for each axis of the variable either an axis of that tensor or `null`, which
// means "the same along this axis". Axes of length one are always `null`.

import type { DType } from './array-spec.ts';

/** A tensor in the graph, or a matrix product whose layout is still open. */
export interface Base {
  readonly shape: readonly number[];
  /** Name of the graph tensor that holds the base with its axes in the given order. Writes nodes when needed. */
  inOrder(permutation: readonly number[]): string;
}

export interface View {
  readonly base: Base;
  /** For each axis of the value: an axis of the base, or null where it is constant along that axis. */
  readonly axes: readonly (number | null)[];
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The whole base, axis by axis. */
export function wholeView(base: Base, dtype: DType): View {
  return normalise({ base, axes: base.shape.map((_, i) => i), shape: base.shape, dtype });
}

/** The same values under permuted axes: axis i of the result is axis `permutation[i]` of the input. */
export function transposeView(view: View, permutation: readonly number[]): View {
  return {
    ...view,
    axes: permutation.map((axis) => view.axes[axis] as number | null),
    shape: permutation.map((axis) => view.shape[axis] as number),
  };
}

/** Broadcasts as jax-js does: `newAxes` are inserted, then leading axes and axes of length one grow to `shape`. */
export function broadcastView(view: View, shape: readonly number[], newAxes: readonly number[]): View {
  const axes = [...view.axes];
  for (const axis of [...newAxes].sort((a, b) => a - b)) axes.splice(axis, 0, null);
  return alignTo({ ...view, axes, shape: insertOnes(view.shape, newAxes) }, shape);
}

/** Aligns to `shape` from the right, as NumPy does. */
export function alignTo(view: View, shape: readonly number[]): View {
  const missing = shape.length - view.axes.length;
  return normalise({ ...view, axes: [...Array<null>(missing).fill(null), ...view.axes], shape });
}

/** A reshape that only adds or drops axes of length one is a view; null when elements would move. */
export function reshapeView(view: View, shape: readonly number[]): View | null {
  const kept = view.shape.flatMap((side, axis) => (side === 1 ? [] : [axis]));
  const wanted = shape.filter((side) => side !== 1);
  if (kept.length !== wanted.length || kept.some((axis, i) => view.shape[axis] !== wanted[i])) return null;
  let next = 0;
  const axes = shape.map((side) => (side === 1 ? null : (view.axes[kept[next++] as number] as number | null)));
  return { ...view, axes, shape };
}

/** Which axes of the value really vary. */
export function varyingAxes(view: View): number[] {
  return view.axes.flatMap((axis, i) => (axis === null ? [] : [i]));
}

/**
 * Name of a tensor holding the view with its varying axes in the given order (axes of the value), nothing broadcast:
 * its shape is the length of those axes. `reshape` writes a Reshape node.
 */
export function tensorInOrder(view: View, order: readonly number[], reshape: Reshape): string {
  const used = order.map((axis) => view.axes[axis] as number);
  const unused = view.base.shape.map((_, i) => i).filter((i) => !used.includes(i)); // all of length one
  const moving = [...used].sort((a, b) => a - b);
  const identity = view.base.shape.map((_, i) => i);
  const inPlace = used.every((axis, i) => axis === moving[i]);
  const name = view.base.inOrder(inPlace ? identity : [...used, ...unused]);
  return unused.length === 0
    ? name
    : reshape(
        name,
        order.map((axis) => view.shape[axis] as number),
      );
}

export type Reshape = (tensor: string, shape: readonly number[]) => string;

// --- internal ---

function normalise(view: View): View {
  return { ...view, axes: view.axes.map((axis) => (axis !== null && view.base.shape[axis] === 1 ? null : axis)) };
}

function insertOnes(shape: readonly number[], newAxes: readonly number[]): number[] {
  const result = [...shape];
  for (const axis of [...newAxes].sort((a, b) => a - b)) result.splice(axis, 0, 1);
  return result;
}
