// Primitives that move elements without computing: most of them only change the view.

import type { Rule, Scope } from './scope.ts';
import type { Equation, Variable } from './trace.ts';
import { broadcastView, reshapeView, transposeView } from './view.ts';

/** Rules of the movement primitives by name. */
export const MOVEMENT: Readonly<Record<string, Rule>> = {
  transpose: (scope, equation) => {
    const { input, output } = unary(equation);
    scope.bind(output, transposeView(scope.view(input), equation.parameters['perm'] as number[]));
  },
  broadcast: (scope, equation) => {
    const { input, output } = unary(equation);
    scope.bind(output, broadcastView(scope.view(input), output.shape, equation.parameters['axis'] as number[]));
  },
  reshape: (scope, equation) => {
    const { input, output } = unary(equation);
    const view = reshapeView(scope.view(input), output.shape);
    if (view) scope.bind(output, view);
    else scope.bindTensor(output, scope.reshape(scope.tensor(input), output.shape));
  },
  flip: (scope, equation) => {
    const { input, output } = unary(equation);
    const axes = equation.parameters['axis'] as number[];
    scope.bindTensor(output, flip(scope, scope.tensor(input), axes));
  },
  shrink: (scope, equation) => {
    const { input, output } = unary(equation);
    const ranges = equation.parameters['slice'] as [number, number][];
    scope.bindTensor(output, slice(scope, scope.tensor(input), input.shape, ranges));
  },
  pad: (scope, equation) => {
    const { input, output } = unary(equation);
    const width = equation.parameters['width'] as [number, number][];
    const pads = [...width.map(([before]) => before), ...width.map(([, after]) => after)];
    const zero = scope.graph.constant([0], { shape: [], dtype: output.dtype });
    const operands = [scope.tensor(input), scope.graph.constant(pads, 'int64'), zero];
    scope.bindTensor(output, scope.graph.node('Pad', operands));
  },
  concatenate: (scope, equation) => {
    const [output] = equation.outputs;
    if (!output) return;
    const tensors = equation.inputs.map((atom) => scope.materialise(scope.viewAs(atom, output.dtype)));
    scope.bindTensor(output, scope.graph.node('Concat', tensors, { axis: equation.parameters['axis'] as number }));
  },
  split: (scope, equation) => {
    const [input] = equation.inputs;
    if (!input) return;
    const sizes = scope.graph.constant(equation.parameters['sizes'] as number[], 'int64');
    const axis = equation.parameters['axis'] as number;
    const names = scope.graph.nodes('Split', [scope.tensor(input), sizes], { axis }, equation.outputs.length);
    equation.outputs.forEach((output, i) => scope.bindTensor(output, names[i] as string));
  },
};

/** Reverses axes of a tensor: Slice with step -1, the one way ONNX has. */
export function flip(scope: Scope, tensor: string, axes: readonly number[]): string {
  const int64 = (values: readonly number[]) => scope.graph.constant(values, 'int64');
  const starts = int64(axes.map(() => -1));
  const ends = int64(axes.map(() => -(2 ** 31)));
  return scope.graph.node('Slice', [tensor, starts, ends, int64(axes), int64(axes.map(() => -1))]);
}

/** Cuts `[start, end)` out of each axis; axes taken whole are not named, so a free axis stays free. */
export function slice(
  scope: Scope,
  tensor: string,
  shape: readonly number[],
  ranges: readonly (readonly [number, number])[],
): string {
  const cut = ranges.flatMap(([start, end], axis) => (start === 0 && end === shape[axis] ? [] : [axis]));
  if (cut.length === 0) return tensor;
  const pick = (side: 0 | 1) =>
    scope.graph.constant(
      cut.map((axis) => (ranges[axis] as [number, number])[side]),
      'int64',
    );
  return scope.graph.node('Slice', [tensor, pick(0), pick(1), scope.graph.constant(cut, 'int64')]);
}

// --- internal ---

function unary(equation: Equation) {
  return { input: equation.inputs[0] as Variable, output: equation.outputs[0] as Variable };
}
