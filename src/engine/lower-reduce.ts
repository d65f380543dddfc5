// Reductions over whole axes.

import type { DType } from './array-spec.ts';
import { sumOfOuterProduct } from './lower-dot.ts';
import { type Rule, unsupported } from './scope.ts';
import { varyingAxes } from './view.ts';

/**
 * Lowers `reduce`. Axes along which nothing varies are not written out: a sum over them is a factor. Sums and products of
 * integers must fit their type: ONNX Runtime stops at its ends where jax-js wraps around.
 */
export const lowerReduce: Rule = (scope, equation) => {
  const [input] = equation.inputs;
  const [output] = equation.outputs;
  const operator = OPERATORS[String(equation.parameters['op'])];
  if (!input || !output || !operator) throw unsupported(scope, equation, String(equation.parameters['op']));
  if (output.dtype === 'bool' && (operator === 'ReduceSum' || operator === 'ReduceProd')) {
    throw unsupported(scope, equation, `${operator} of bool: cast to int32 first`); // jax-js's own backends disagree
  }
  const carrier = CARRIERS[output.dtype] ?? output.dtype;
  const view = scope.cast(scope.view(input), carrier);
  const reduced = equation.parameters['axis'] as readonly number[];
  const product = operator === 'ReduceSum' && carrier === output.dtype ? sumOfOuterProduct(scope, view, reduced) : null;
  if (product) {
    scope.bind(output, product);
    return;
  }
  // In memory order, so that no operand is transposed for a sum.
  const order = varyingAxes(view).sort((a, b) => (view.axes[a] as number) - (view.axes[b] as number));
  const summed = order.filter((axis) => reduced.includes(axis));
  const kept = order.filter((axis) => !reduced.includes(axis));
  let name = scope.inOrder(view, order);
  if (summed.length > 0) {
    const axes = scope.graph.constant(
      summed.map((axis) => order.indexOf(axis)),
      'int64',
    );
    name = scope.graph.node(operator, [name, axes], { keepdims: 0 });
  }
  const copies = reduced
    .filter((axis) => view.axes[axis] === null)
    .reduce((count, axis) => count * (view.shape[axis] as number), 1);
  if (copies !== 1 && operator === 'ReduceSum') {
    name = scope.graph.node('Mul', [name, scope.graph.constant([copies], { shape: [], dtype: view.dtype })]);
  }
  if (copies !== 1 && operator === 'ReduceProd') {
    name = scope.graph.node('Pow', [name, scope.graph.constant([copies], { shape: [], dtype: view.dtype })]);
  }
  const positions = view.shape.flatMap((_, axis) => (reduced.includes(axis) ? [] : [axis]));
  const keptOut = kept.map((axis) => positions.indexOf(axis));
  scope.bind(output, scope.cast(scope.fromOrder(name, output.shape, keptOut, carrier), output.dtype));
};

// --- internal ---

const OPERATORS: Readonly<Record<string, string>> = {
  Add: 'ReduceSum',
  Mul: 'ReduceProd',
  Max: 'ReduceMax',
  Min: 'ReduceMin',
};

/** Element types that the CPU kernels lack, and the type that carries their values and the result exactly. */
const CARRIERS: Partial<Record<DType, DType>> = { uint32: 'float64', bool: 'int32' };
