// Reading and adding at computed positions: `gather`, and `scatter`, which is its gradient.

import { isFloat } from './array-spec.ts';
import { type Rule, type Scope, unsupported } from './scope.ts';
import type { Atom } from './trace.ts';
import { alignTo, wholeView } from './view.ts';

/** Lowers `gather`: one indexed axis is ONNX Gather; several are GatherND over transposed data. */
export const lowerGather: Rule = (scope, equation) => {
  const [source, ...indices] = equation.inputs;
  const [output] = equation.outputs;
  if (!source || !output) throw unsupported(scope, equation, 'no operand');
  const { axis, outDim } = equation.parameters as { axis: number[]; outDim: number };
  const indexShape = jointShape(indices);
  const rest = source.shape.flatMap((_, i) => (axis.includes(i) ? [] : [i]));
  const front = [...axis, ...rest];
  const ordered = transposed(scope, scope.tensor(source), front);
  const gathered =
    axis.length === 1
      ? scope.graph.node('Gather', [ordered, indexTensor(scope, indices[0] as Atom, indexShape)], { axis: 0 })
      : scope.graph.node('GatherND', [ordered, stackedIndices(scope, indices, indexShape)]);
  // Gathered: [...indexShape, ...rest]; wanted: the index axes at outDim of the rest.
  const ranks = { index: indexShape.length, rest: rest.length };
  scope.bindTensor(output, transposed(scope, gathered, indexAxesTo(outDim, ranks)));
};

/**
 * Lowers `scatter` with addition: the indexed axes become one, and ScatterElements adds rows into zeros.
 * ScatterND would say it more briefly, but ONNX Runtime 1.30 loses additions there when it runs on several threads.
 */
export const lowerScatter: Rule = (scope, equation) => {
  const [updates, ...indices] = equation.inputs;
  const [output] = equation.outputs;
  if (!updates || !output) throw unsupported(scope, equation, 'no operand');
  const { op, axis, outDim } = equation.parameters as { op: string; axis: number[]; outDim: number };
  if (op !== 'add') throw unsupported(scope, equation, `scatter by '${op}'`);
  const indexShape = jointShape(indices);
  const rest = output.shape.flatMap((_, i) => (axis.includes(i) ? [] : [i]));
  const front = [...axis, ...rest];
  const sides = (axes: readonly number[]) => axes.map((i) => output.shape[i] as number);
  const size = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);
  const [rows, length, width] = [size(sides(axis)), size(indexShape), size(sides(rest))];
  const carrier = isFloat(output.dtype) ? output.dtype : 'int32'; // uint32 and int32 wrap around alike
  const toFront = indexAxesTo(outDim, { index: indexShape.length, rest: rest.length });
  const values = transposed(scope, scope.materialise(scope.cast(scope.view(updates), carrier)), inverse(toFront));
  const row = scope.reshape(linearIndex(scope, { indices, indexShape, sides: sides(axis) }), [length, 1]);
  const zero = scope.graph.constant([0], { shape: [], dtype: carrier });
  const int64 = (shape: readonly number[]) => scope.graph.constant(shape, 'int64');
  const sum = scope.graph.node(
    'ScatterElements',
    [
      scope.graph.node('Expand', [zero, int64([rows, width])]),
      scope.graph.node('Expand', [row, int64([length, width])]),
      scope.reshape(values, [length, width]),
    ],
    { axis: 0, reduction: 'add' },
  );
  const apart = transposed(scope, scope.reshape(sum, sides(front)), inverse(front));
  scope.bind(output, scope.cast(wholeView(scope.base(apart, output.shape), carrier), output.dtype));
};

// --- internal ---

function jointShape(indices: readonly Atom[]): number[] {
  return indices.reduce<number[]>((shape, { shape: other }) => {
    const rank = Math.max(shape.length, other.length);
    return Array.from({ length: rank }, (_, i) =>
      Math.max(shape[shape.length - rank + i] ?? 1, other[other.length - rank + i] ?? 1),
    );
  }, []);
}

function indexTensor(scope: Scope, index: Atom, shape: readonly number[]): string {
  return scope.materialise(alignTo(scope.viewAs(index, 'int32'), shape));
}

/** int64 [...indexShape, indexed axes]. */
function stackedIndices(scope: Scope, indices: readonly Atom[], shape: readonly number[]): string {
  const columns = indices.map((index) => scope.reshape(indexTensor(scope, index, shape), [...shape, 1]));
  const stacked =
    columns.length === 1 ? (columns[0] as string) : scope.graph.node('Concat', columns, { axis: shape.length });
  return scope.graph.node('Cast', [stacked], { to: INT64 });
}

/** int32 positions along the indexed axes taken as one axis. */
function linearIndex(
  scope: Scope,
  { indices, indexShape, sides }: { indices: readonly Atom[]; indexShape: readonly number[]; sides: readonly number[] },
): string {
  const number = (value: number) => scope.graph.constant([value], { shape: [], dtype: 'int32' });
  const tensors = indices.map((index) => indexTensor(scope, index, indexShape));
  return tensors.reduce((sum, next, i) =>
    scope.graph.node('Add', [scope.graph.node('Mul', [sum, number(sides[i] as number)]), next]),
  );
}

/** Permutation that brings leading index axes behind `outDim` of the rest. */
function indexAxesTo(outDim: number, ranks: { index: number; rest: number }): number[] {
  const index = Array.from({ length: ranks.index }, (_, i) => i);
  const rest = Array.from({ length: ranks.rest }, (_, i) => ranks.index + i);
  return [...rest.slice(0, outDim), ...index, ...rest.slice(outDim)];
}

function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, i) => permutation.indexOf(i));
}

function transposed(scope: Scope, tensor: string, permutation: readonly number[]): string {
  if (permutation.every((axis, i) => axis === i)) return tensor;
  return scope.graph.node('Transpose', [tensor], { perm: [...permutation] });
}

const INT64 = 7; // TensorProto.DataType.INT64
