// `dot`, jax-js's only contraction: sum(x * y) over the last axis of broadcast operands, as matrix products.

import { isFloat, sizeOf } from './array-spec.ts';
import { type Rule, type Scope, unsupported } from './scope.ts';
import type { Equation } from './trace.ts';
import { alignTo, type Base, varyingAxes, type View } from './view.ts';

/** Lowers `dot` to Gemm, batched MatMul, or an elementwise product with a sum where there is nothing to contract. */
export const lowerDot: Rule = (scope, equation) => {
  const [x, y] = equation.inputs;
  const [output] = equation.outputs;
  if (!x || !y || !output) return;
  const full = broadcastShape(x.shape, y.shape);
  if (!isFloat(output.dtype) && output.dtype !== 'int32') {
    throw unsupported(scope, equation, `element type ${output.dtype}: cast to int32 or float32 first`);
  }
  const left = alignTo(scope.viewAs(x, output.dtype), full);
  const right = alignTo(scope.viewAs(y, output.dtype), full);
  scope.bind(output, contract(scope, left, right, output.shape));
};

/** `sum(left * right, last axis)`; both views have the same shape, `outShape` is that shape without its last axis. */
export function contract(scope: Scope, left: View, right: View, outShape: readonly number[]): View {
  const last = outShape.length;
  const depth = left.shape[last] as number;
  const outAxes = outShape.map((_, axis) => axis);
  const varies = (view: View) => (axis: number) => view.axes[axis] !== null;
  const shared = outAxes.filter((axis) => varies(left)(axis) && varies(right)(axis));
  const rows = outAxes.filter((axis) => varies(left)(axis) && !varies(right)(axis));
  const columns = outAxes.filter((axis) => !varies(left)(axis) && varies(right)(axis));
  const contracts = varies(left)(last) && varies(right)(last);
  if (!contracts || (rows.length === 0 && columns.length === 0)) {
    const isOuter = depth === 1 && rows.length > 0 && columns.length > 0;
    return isOuter
      ? outerProduct(scope, left, right, outShape)
      : sumOfProducts(scope, { left, right, outShape, depth });
  }
  const isOneMatrix = shared.length === 0 && isFloat(left.dtype);
  // The larger operand goes first: ONNX Runtime repacks the second one for every product.
  const count = (axes: readonly number[]) => axes.reduce((product, axis) => product * (outShape[axis] as number), 1);
  if (isOneMatrix && count(columns) > count(rows)) return contract(scope, right, left, outShape);
  const sides: Sides = { scope, left, right, last, shared, rows, columns };
  const order = [...shared, ...rows, ...columns];
  const base = isOneMatrix ? openProduct(sides) : batchedProduct(sides);
  const axes = outShape.map((_, axis) => (order.includes(axis) ? order.indexOf(axis) : null));
  return { base, axes, shape: outShape, dtype: left.dtype };
}

/**
 * `sum(product, axes)` where the product is an outer one that nothing has written out yet and both of its factors vary
 * along the one axis summed over: a matrix product in its place. Null where the equation is something else. Derivatives of
 * derivatives of dense layers are full of these: written out, they would be [batch, inputs, outputs].
 */
export function sumOfOuterProduct(scope: Scope, view: View, axes: readonly number[]): View | null {
  const { base } = view;
  if (!isOuter(base)) return null;
  const summed = axes.filter((axis) => view.axes[axis] !== null);
  const [axis] = summed;
  if (axis === undefined || summed.length !== 1 || axes.some((one) => one !== axis && view.shape[one] !== 1))
    return null;
  const kept = view.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const order = [...kept, axis];
  const shape = order.map((i) => view.shape[i] as number);
  const [left, right] = base.factors.map((factor): View => {
    const axesOfFactor = order.map((i) => {
      const at = view.axes[i];
      return at === null || at === undefined ? null : (factor.axes[base.axes[at] as number] as number | null);
    });
    return { ...factor, axes: axesOfFactor, shape };
  }) as [View, View];
  const last = order.length - 1;
  if (left.axes[last] === null || right.axes[last] === null) return null;
  return contract(scope, left, right, shape.slice(0, last));
}

/**
 * `add(product, bias)` where the product is read only here and the bias varies along its rows or its columns: one Gemm
 * with C. Null where the equation is something else.
 */
export function productWithBias(scope: Scope, equation: Equation): View | null {
  if (equation.primitive !== 'add' || equation.inputs.length !== 2) return null;
  for (const [product, bias] of [equation.inputs, [...equation.inputs].reverse()]) {
    if (product?.kind !== 'variable' || bias?.kind !== 'variable' || scope.uses(product) !== 1) continue;
    const view = scope.view(product);
    const output = equation.outputs[0];
    if (!isOpen(view.base) || output?.shape.length !== product.shape.length) continue;
    if (output.dtype !== view.dtype || sizeOf(output) !== sizeOf(product)) continue;
    const aligned = alignTo(scope.viewAs(bias, view.dtype), output.shape);
    const biasAxes = varyingAxes(aligned);
    const [biasAxis] = biasAxes;
    if (biasAxes.length !== 1 || biasAxis === undefined) continue;
    const along = view.axes[biasAxis];
    if (along !== 0 && along !== 1) continue;
    const values = scope.inOrder(aligned, biasAxes);
    const name = view.base.withBias(
      along === 1 ? values : scope.reshape(values, [aligned.shape[biasAxis] as number, 1]),
    );
    return { ...view, base: scope.base(name, view.base.shape) };
  }
  return null;
}

// --- internal ---

interface Sides {
  readonly scope: Scope;
  readonly left: View;
  readonly right: View;
  /** The contracted axis. */
  readonly last: number;
  readonly shared: readonly number[];
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

/** A product not yet written: its first reader decides whether it is stored as it is or transposed. */
interface OpenProduct extends Base {
  /** Null where the result is not one axis of rows by one of columns. */
  readonly withBias: ((bias: string) => string) | null;
}

function isOpen(base: Base): base is OpenProduct & { withBias: (bias: string) => string } {
  return 'withBias' in base && base.withBias !== null;
}

/** Product of two matrices; (A B)^T is written as B^T A^T, so no layout costs a Transpose. */
function openProduct(sides: Sides): OpenProduct {
  const { scope, left, right, last, rows, columns } = sides;
  const a = matrix(scope, left, rows, last);
  const b = matrix(scope, right, columns, last);
  const lengths = [...rows, ...columns].map((axis) => left.shape[axis] as number);
  const identity = lengths.map((_, i) => i);
  const swapped = [...identity.slice(rows.length), ...identity.slice(0, rows.length)];
  const isMatrix = rows.length === 1 && columns.length === 1;
  const same = (p: readonly number[], q: readonly number[]) => p.every((axis, i) => axis === q[i]);
  const write = (swap: boolean, bias: readonly string[]) => {
    const [first, second] = swap ? [b, a] : [a, b];
    const flags = { transA: first.depthFirst ? 1 : 0, transB: second.depthFirst ? 0 : 1 };
    const product = scope.graph.node('Gemm', [first.name, second.name, ...bias], flags);
    const shape = swap ? swapped.map((i) => lengths[i] as number) : lengths;
    return isMatrix ? product : scope.reshape(product, shape);
  };
  let written: { readonly order: readonly number[]; readonly base: Base } | null = null;
  return {
    shape: lengths,
    inOrder(permutation) {
      if (!written) {
        const swap = same(permutation, swapped) && !same(permutation, identity);
        const order = swap ? swapped : identity;
        written = {
          order,
          base: scope.base(
            write(swap, []),
            order.map((i) => lengths[i] as number),
          ),
        };
      }
      const { order, base } = written;
      return base.inOrder(permutation.map((axis) => order.indexOf(axis)));
    },
    withBias: isMatrix ? (bias: string) => write(false, [bias]) : null,
  };
}

/** A view as a matrix, stored [outer, depth] or, `depthFirst`, [depth, outer]: whichever needs no Transpose. */
function matrix(scope: Scope, view: View, outer: readonly number[], depth: number) {
  const sorted = [...outer].sort((p, q) => (view.axes[p] as number) - (view.axes[q] as number));
  const inMemory = sorted.every((axis, i) => axis === outer[i]);
  const depthFirst = inMemory && outer.every((axis) => (view.axes[depth] as number) < (view.axes[axis] as number));
  const order = depthFirst ? [depth, ...outer] : [...outer, depth];
  const name = scope.inOrder(view, order);
  if (outer.length === 1) return { name, depthFirst };
  const count = outer.reduce((product, axis) => product * (view.shape[axis] as number), 1);
  const deep = view.shape[depth] as number;
  return { name: scope.reshape(name, depthFirst ? [deep, count] : [count, deep]), depthFirst };
}

/** Products of stacks of matrices: [batch, rows, depth] x [batch, depth, columns]. */
function batchedProduct({ scope, left, right, last, shared, rows, columns }: Sides): Base {
  const length = (axes: readonly number[]) => axes.map((axis) => left.shape[axis] as number);
  const count = (axes: readonly number[]) => length(axes).reduce((product, side) => product * side, 1);
  const stack = (view: View, order: readonly number[], shape: readonly number[]) => {
    const name = scope.inOrder(view, order);
    const isStack = length(order).every((side, i) => side === shape[i]) && order.length === 3;
    return isStack ? name : scope.reshape(name, shape);
  };
  const depth = left.shape[last] as number;
  const a = stack(left, [...shared, ...rows, last], [count(shared), count(rows), depth]);
  const b = stack(right, [...shared, last, ...columns], [count(shared), depth, count(columns)]);
  const product = scope.graph.node('MatMul', [a, b]);
  const shape = length([...shared, ...rows, ...columns]);
  const isWhole = shared.length === 1 && rows.length === 1 && columns.length === 1;
  return scope.base(isWhole ? product : scope.reshape(product, shape), shape);
}

/** x times y with axes of its own on either side; not yet written out. */
interface OuterProduct extends Base {
  readonly factors: readonly [View, View];
  /** For each axis of the base: that of the factors. */
  readonly axes: readonly number[];
}

function isOuter(base: Base): base is OuterProduct {
  return 'factors' in base;
}

function outerProduct(scope: Scope, left: View, right: View, outShape: readonly number[]): View {
  const axes = outShape.flatMap((_, axis) => (left.axes[axis] !== null || right.axes[axis] !== null ? [axis] : []));
  const written = () => sumOfProducts(scope, { left, right, outShape, depth: 1 });
  const base: OuterProduct = {
    shape: axes.map((axis) => outShape[axis] as number),
    factors: [left, right],
    axes,
    inOrder: (permutation) => written().base.inOrder(permutation), // equal nodes are written once
  };
  return {
    base,
    axes: outShape.map((_, i) => (axes.includes(i) ? axes.indexOf(i) : null)),
    shape: outShape,
    dtype: left.dtype,
  };
}

interface Products {
  readonly left: View;
  readonly right: View;
  readonly outShape: readonly number[];
  readonly depth: number;
}

/** No matrix in sight: multiply, and sum over the last axis as far as anything varies along it. */
function sumOfProducts(scope: Scope, { left, right, outShape, depth }: Products): View {
  const last = outShape.length;
  const axes = Array.from({ length: last + 1 }, (_, axis) => axis);
  const order = axes.filter((axis) => left.axes[axis] !== null || right.axes[axis] !== null);
  const operand = (view: View) => {
    const own = order.filter((axis) => view.axes[axis] !== null);
    const sides = order.map((axis) => (view.axes[axis] === null ? 1 : (view.shape[axis] as number)));
    const name = scope.inOrder(view, own);
    return own.length === order.length ? name : scope.reshape(name, sides);
  };
  const product = scope.graph.node('Mul', [operand(left), operand(right)]);
  const kept = order.filter((axis) => axis !== last);
  if (order.includes(last)) {
    const axis = scope.graph.constant([order.indexOf(last)], 'int64');
    const sum = scope.graph.node('ReduceSum', [product, axis], { keepdims: 0 });
    return scope.fromOrder(sum, outShape, kept, left.dtype);
  }
  if (depth === 1) return scope.fromOrder(product, outShape, kept, left.dtype);
  const factor = scope.graph.constant([depth], { shape: [], dtype: left.dtype });
  return scope.fromOrder(scope.graph.node('Mul', [product, factor]), outShape, kept, left.dtype);
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => Math.max(a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1));
}
