// Constants of an ONNX graph as numbers: initialisers, and what the graph makes of them by moving elements about.

import type { AttributeProto, GraphProto, NodeProto, TensorProto } from 'onnx-buf';
import { TensorProto_DataType } from 'onnx-buf';

/** A constant tensor, row by row. */
export interface Constant {
  /** The initialiser it comes from. */
  readonly root: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Float64Array;
}

/** Looks a tensor up: null where it is no constant, or one that is made in a way not known here. */
export type Constants = (name: string) => Constant | null;

/** The constants of a graph that passed inspection, read when asked for. */
export function constantsOf({ initializer, node }: GraphProto): Constants {
  const tensors = new Map(initializer.map((tensor) => [tensor.name, tensor]));
  const makers = new Map(node.map((maker) => [maker.output[0] as string, maker]));
  const known = new Map<string, Constant | null>();
  let moved = 0; // elements, so far
  const lookUp: Constants = (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const tensor = tensors.get(name);
    const maker = makers.get(name);
    known.set(name, null); // until it is known: a graph that passed inspection has no circles, but no harm in being sure
    const constant = tensor ? constantOf(name, tensor) : maker && moved < MAX_MOVED ? made(maker, lookUp) : null;
    if (!tensor) moved += constant?.values.length ?? 0;
    known.set(name, constant);
    return constant;
  };
  return lookUp;
}

/** An integer attribute, or what holds where it is left out. */
export function integerOf({ attribute }: NodeProto, name: string, otherwise: number): number {
  const found = attribute.find((one) => one.name === name);
  return found ? Number(found.i) : otherwise;
}

/** A list of integers, or null where it is left out. */
export function integersOf({ attribute }: NodeProto, name: string): readonly number[] | null {
  return attribute.find((one) => one.name === name)?.ints.map(Number) ?? null;
}

/** A number, or what holds where it is left out. */
export function floatOf({ attribute }: NodeProto, name: string, otherwise: number): number {
  return attribute.find((one) => one.name === name)?.f ?? otherwise;
}

/** A text attribute, or what holds where it is left out. */
export function textOf({ attribute }: NodeProto, name: string, otherwise: string): string {
  const found = attribute.find((one) => one.name === name);
  return found ? new TextDecoder().decode(found.s) : otherwise;
}

// --- internal ---

function constantOf(root: string, tensor: TensorProto): Constant {
  return { root, shape: tensor.dims.map(Number), values: valuesOf(tensor) };
}

/** Elements moved about for one graph at most: kernels of convolutions are far smaller. */
const MAX_MOVED = 2 ** 22;

/** Float32 stays as it is; integers, which are shapes and axes here, fit into float64. */
function valuesOf({ dataType, rawData, floatData, int32Data, int64Data }: TensorProto): Float32Array | Float64Array {
  const bytes = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  if (dataType === TensorProto_DataType.FLOAT) {
    if (floatData.length > 0) return Float32Array.from(floatData);
    return Float32Array.from({ length: rawData.length / 4 }, (_, i) => bytes.getFloat32(4 * i, true));
  }
  if (dataType === TensorProto_DataType.INT32) {
    if (int32Data.length > 0) return Float64Array.from(int32Data);
    return Float64Array.from({ length: rawData.length / 4 }, (_, i) => bytes.getInt32(4 * i, true));
  }
  if (int64Data.length > 0) return Float64Array.from(int64Data, Number);
  return Float64Array.from({ length: rawData.length / 8 }, (_, i) => Number(bytes.getBigInt64(8 * i, true)));
}

function made(node: NodeProto, lookUp: Constants): Constant | null {
  const operands = node.input.map((name) => (name === '' ? null : lookUp(name)));
  const [source] = operands;
  // Nothing to move; but the other sides of an empty tensor may be as long as they like.
  if (source?.values.length === 0) return null;
  switch (node.opType) {
    case 'Constant': {
      const tensor = node.attribute.find((one: AttributeProto) => one.name === 'value')?.t;
      return tensor ? constantOf(node.output[0] as string, tensor) : null;
    }
    case 'Identity':
      return source ?? null;
    case 'Reshape':
      return source && operands[1] ? reshaped(source, Array.from(operands[1].values)) : null;
    case 'Transpose':
      return source ? transposed(source, integersOf(node, 'perm') ?? source.shape.map((_, i) => i).reverse()) : null;
    case 'Slice':
      return source ? sliced(source, operands.slice(1)) : null;
    default:
      return null;
  }
}

function reshaped(source: Constant, wanted: readonly number[]): Constant | null {
  const kept = wanted.map((side, axis) => (side === 0 ? (source.shape[axis] ?? 0) : side));
  const rest = kept.filter((side) => side !== -1).reduce((product, side) => product * side, 1);
  const shape = kept.map((side) => (side === -1 ? source.values.length / rest : side));
  const count = shape.reduce((product, side) => product * side, 1);
  return count === source.values.length && shape.every(Number.isInteger) ? { ...source, shape } : null;
}

function transposed(source: Constant, permutation: readonly number[]): Constant | null {
  const isPermutation = source.shape.every((_, axis) => permutation.includes(axis));
  if (!isPermutation || permutation.length !== source.shape.length) return null;
  const strides = stridesOf(source.shape);
  return gathered(
    source,
    permutation.map((axis) => positions(source.shape[axis] as number, strides[axis] as number)),
  );
}

/** ONNX's Slice, version 10 and later: starts, ends, axes and steps as operands. */
function sliced(source: Constant, [starts, ends, axes, steps]: readonly (Constant | null)[]): Constant | null {
  if (!starts || !ends) return null;
  const { shape } = source;
  const told = [starts, ends, axes, steps].flatMap((list) => (list ? [list.values] : []));
  const isSane = told.every(({ length }) => length === starts.values.length) && starts.values.length <= shape.length;
  if (!isSane || !told.every((values) => values.every(Number.isInteger))) return null;
  const strides = stridesOf(shape);
  const lines = shape.map((side, axis) => positions(side, strides[axis] as number));
  for (let i = 0; i < starts.values.length; i++) {
    const named = axes ? (axes.values[i] as number) : i;
    const axis = named < 0 ? named + shape.length : named;
    const line = lines[axis];
    const step = steps ? (steps.values[i] as number) : 1;
    if (!line || step === 0) return null;
    const side = line.length;
    const within = (at: number, low: number, high: number) => Math.min(high, Math.max(low, at < 0 ? at + side : at));
    const picked: number[] = [];
    if (step > 0) {
      const end = within(ends.values[i] as number, 0, side);
      for (let at = within(starts.values[i] as number, 0, side); at < end; at += step) picked.push(line[at] as number);
    } else {
      const end = within(ends.values[i] as number, -1, side - 1);
      for (let at = within(starts.values[i] as number, 0, side - 1); at > end; at += step)
        picked.push(line[at] as number);
    }
    lines[axis] = picked;
  }
  return gathered(source, lines);
}

function stridesOf(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, side) => product * side, 1));
}

function positions(side: number, stride: number): number[] {
  return Array.from({ length: side }, (_, i) => i * stride);
}

/** The elements at all sums of one position from each line, the last line fastest. */
function gathered({ root, values }: Constant, lines: readonly (readonly number[])[]): Constant {
  const at = lines.reduce<number[]>((sums, line) => sums.flatMap((sum) => line.map((step) => sum + step)), [0]);
  return { root, shape: lines.map(({ length }) => length), values: Float32Array.from(at, (i) => values[i] as number) };
}
