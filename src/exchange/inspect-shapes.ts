// No shape of a decoder from outside may depend on what is drawn: then one trial shows the memory that every later run takes.

import type { GraphProto } from 'onnx-buf';
import { constantsOf } from './onnx-constants.ts';
import { refuse, shown } from './refusal.ts';

/**
 * Throws ReleaseError, `shape-from-data`, where an operand that decides a shape is computed from the values of an input. How
 * many images are asked for may decide shapes, as exporters write it for `view(n, ...)`: that passes through `Shape`. Throws
 * `shape-size` where such an operand is a constant with a side, or a scale, that no image has: runtimes were seen to crash,
 * instead of complaining, where sizes overflow. For a graph whose tensors are defined before they are read.
 */
export function inspectShapeOperands(graph: GraphProto): void {
  const { input, node: nodes } = graph;
  const drawn = new Set(input.map(({ name }) => name)); // tensors whose values depend on those of an input
  const constants = constantsOf(graph);
  for (const [position, { opType, input: read, output }] of nodes.entries()) {
    const from = SHAPE_OPERANDS.get(opType) ?? Infinity;
    const culprit = read.find((name, i) => i >= from && drawn.has(name));
    if (culprit !== undefined) {
      refuse('shape-from-data', `Operator ${position}, ${shown(opType)}, takes a shape from ${shown(culprit)}.`, {
        operator: shown(opType),
        node: position,
        tensor: shown(culprit),
      });
    }
    const told = opType === 'Slice' ? [] : read.slice(from).filter((name) => name !== '');
    const absurd = told.find((name) => constants(name)?.values.some((value) => !(Math.abs(value) <= MAX_SIDE)));
    if (absurd !== undefined) {
      refuse('shape-size', `Operator ${position}, ${shown(opType)}, is told ${shown(absurd)}, beyond ${MAX_SIDE}.`, {
        operator: shown(opType),
        node: position,
        tensor: shown(absurd),
      });
    }
    if (opType !== 'Shape' && read.some((name) => drawn.has(name))) for (const name of output) drawn.add(name);
  }
}

// --- internal ---

/** Of one side of a shape: that of a constant with as many elements as one may have. */
const MAX_SIDE = 2 ** 26;

/** From which operand on an allowed operator is told shapes, sizes, axes or places. */
const SHAPE_OPERANDS: ReadonlyMap<string, number> = new Map([
  ['ConstantOfShape', 0],
  ...['Reshape', 'Expand', 'Tile', 'Squeeze', 'Unsqueeze', 'Pad', 'Resize', 'Slice'].map((name) => [name, 1] as const),
  ...['ReduceMean', 'ReduceSum', 'ReduceL2'].map((name) => [name, 1] as const),
]);
