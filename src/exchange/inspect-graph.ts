// The graph of a decoder from outside: known operators, plain attributes, every tensor named once and defined before use.

import {
  AttributeProto_AttributeType,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  TensorProto_DataType,
} from 'onnx-buf';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';
import { ALLOWED_OPERATORS, type Operands } from './allowed-operators.ts';
import { inspectTensor } from './inspect-tensors.ts';
import { refuse, shown } from './refusal.ts';

/** Limit of operators in one decoder. */
export const MAX_NODES = 2048;

/** Throws ReleaseError unless the graph computes its output from all of its inputs by allowed operators alone. */
export function inspectGraph(graph: GraphProto): void {
  const { node: nodes, initializer, input, output } = graph;
  if (nodes.length === 0 || nodes.length > MAX_NODES) {
    refuse('node-count', `It has ${nodes.length} operators; between 1 and ${MAX_NODES} are accepted.`, {
      nodes: nodes.length,
    });
  }
  nodes.forEach(inspectNode);
  for (const tensor of initializer) inspectTensor(tensor, shown(tensor.name));

  const defined = new Set<string>();
  const define = (name: string) => {
    if (name === '' || defined.has(name))
      refuse('name', `${shown(name)} names no tensor, or two.`, { tensor: shown(name) });
    defined.add(name);
  };
  for (const { name } of [...input, ...initializer]) define(name);

  const dependants = input.map(({ name }) => ({ from: name, names: new Set([name]) }));
  for (const { opType, input: read, output: written } of nodes) {
    const unknown = read.find((name) => name !== '' && !defined.has(name)); // '' stands for an operand left out
    if (unknown !== undefined) {
      refuse('not-closed', `${shown(opType)} reads ${shown(unknown)}, which nothing before it defines.`, {
        tensor: shown(unknown),
      });
    }
    const reading = dependants.filter(({ names }) => read.some((name) => names.has(name)));
    for (const name of written) {
      define(name);
      for (const { names } of reading) names.add(name);
    }
  }
  for (const { name } of output) {
    if (!defined.has(name)) refuse('not-closed', `Nothing defines the output ${shown(name)}.`, { tensor: shown(name) });
    const ignored = dependants.find(({ names }) => !names.has(name))?.from;
    if (ignored === undefined) continue;
    const what = `${shown(name)} is computed without ${shown(ignored)}.`;
    if (ignored !== DECODER_CLASS) refuse('ignores-latent', what);
    refuse('ignores-class', `${what} Leave out the input, and offer the one class that the images are of.`);
  }
}

// --- internal ---

/** Of one operator that takes a list: far more than any decoder puts together. */
const MAX_OPERANDS = 256;

/** Runtimes divide by them: a process was seen to end of a `group` of 0. */
const POSITIVE_ATTRIBUTES: ReadonlySet<string> = new Set([
  'group',
  'strides',
  'dilations',
  'kernel_shape',
  'blocksize',
]);

/** What a decoder may cast to: numbers and truth values. Texts take memory that no shape tells of. */
const CAST_TYPES: ReadonlySet<bigint> = new Set(
  [
    TensorProto_DataType.FLOAT,
    TensorProto_DataType.DOUBLE,
    TensorProto_DataType.FLOAT16,
    TensorProto_DataType.INT32,
    TensorProto_DataType.INT64,
    TensorProto_DataType.BOOL,
  ].map(BigInt),
);

/** Strides, paddings, axes and sizes of images are far smaller. */
const MAX_ATTRIBUTE = 65_536;

/** Their integers may be positions past any end, as exporters write them for "up to the end". */
const UNBOUNDED_INTEGERS = new Set(['Constant', 'Slice', 'Shape']);

/** Where an attribute has its value, by its type. */
const VALUES: readonly (readonly [type: number, isFilled: (attribute: AttributeProto) => boolean])[] = [
  [AttributeProto_AttributeType.FLOAT, ({ f }) => f !== 0],
  [AttributeProto_AttributeType.INT, ({ i }) => i !== 0n],
  [AttributeProto_AttributeType.STRING, ({ s }) => s.length > 0],
  [AttributeProto_AttributeType.TENSOR, ({ t }) => t !== undefined],
  [AttributeProto_AttributeType.FLOATS, ({ floats }) => floats.length > 0],
  [AttributeProto_AttributeType.INTS, ({ ints }) => ints.length > 0],
  [AttributeProto_AttributeType.STRINGS, ({ strings }) => strings.length > 0],
];

const PLAIN_TYPES: ReadonlySet<number> = new Set(
  VALUES.map(([type]) => type).filter((type) => type !== AttributeProto_AttributeType.STRINGS),
);

function inspectNode(node: NodeProto, position: number): void {
  const { opType, domain } = node;
  const facts = { operator: shown(opType), node: position };
  if (domain !== '' && domain !== 'ai.onnx') {
    refuse('domain', `Operator ${position} is ${shown(opType)} of ${shown(domain)}.`, {
      ...facts,
      domain: shown(domain),
    });
  }
  for (const attribute of node.attribute) inspectAttribute(attribute, opType, position);
  inspectAttributeNames(node, position);
  const operands = ALLOWED_OPERATORS.get(opType);
  if (!operands) {
    const allowed = [...ALLOWED_OPERATORS.keys()].join(', ');
    return refuse('operator', `Operator ${position} is ${shown(opType)}; allowed are ${allowed}.`, facts);
  }
  inspectOperands(node, operands, position);
  if (node.overload !== '' || node.deviceConfigurations.length > 0) {
    refuse('not-plain', `Operator ${position}, ${shown(opType)}, has an overload or a placement.`, facts);
  }
}

/** Readers differ in which of two they take: none may have to choose. A Constant is what its only attribute says. */
function inspectAttributeNames({ attribute, opType }: NodeProto, position: number): void {
  const names = attribute.map(({ name }) => name);
  const seen = new Set<string>();
  const repeated = names.find((name) => seen.has(name) || !seen.add(name));
  if (repeated === undefined && (opType !== 'Constant' || names.length === 1)) return;
  const found = repeated === undefined ? `${names.length} attributes` : `${shown(repeated)} twice`;
  refuse(
    'attribute',
    `Operator ${position}, ${shown(opType)}, has ${found}; expected was one of each name, and of a Constant one.`,
    {
      operator: shown(opType),
      node: position,
    },
  );
}

function inspectOperands(node: NodeProto, { least, most }: Operands, position: number): void {
  const { input, output, opType } = node;
  const needed = most === Infinity ? Infinity : least; // the operands behind may be left out, written as ''
  const gap = input.findIndex((name, i) => name === '' && i < needed);
  if (input.length < least || input.length > Math.min(most, MAX_OPERANDS) || gap !== -1 || output.length !== 1) {
    const counts = `${input.length} operands and ${output.length} results`;
    const wanted = `${least === most ? least : `${least} to ${most}`} and 1`;
    const missing = gap === -1 ? '' : `, operand ${gap} left out`;
    refuse('operands', `Operator ${position}, ${shown(opType)}, has ${counts}${missing}; expected were ${wanted}.`, {
      operator: shown(opType),
      node: position,
    });
  }
}

function inspectAttribute(attribute: AttributeProto, operator: string, position: number): void {
  const where = `The attribute ${shown(attribute.name)} of operator ${position}, ${shown(operator)},`;
  const facts = { operator: shown(operator), node: position, attribute: shown(attribute.name) };
  if (attribute.g || attribute.graphs.length > 0) refuse('subgraph', `${where} is a graph.`, facts);
  const special = attribute.tp || attribute.typeProtos.length > 0 || attribute.refAttrName !== '';
  const sparse = attribute.sparseTensor || attribute.sparseTensors.length > 0;
  if (special || sparse || attribute.tensors.length > 0 || !PLAIN_TYPES.has(attribute.type)) {
    refuse('attribute', `${where} is no number, text, list of them or constant.`, facts);
  }
  if (VALUES.some(([type, isFilled]) => type !== attribute.type && isFilled(attribute))) {
    refuse('attribute', `${where} has values of another type than it says.`, facts);
  }
  if (operator === 'Cast' && attribute.name === 'to' && !CAST_TYPES.has(attribute.i)) {
    refuse('attribute', `${where} asks for element type ${attribute.i}.`, facts);
  }
  const integers = [attribute.i, ...attribute.ints].map(Number);
  const isList = attribute.type === AttributeProto_AttributeType.INTS;
  if (
    POSITIVE_ATTRIBUTES.has(attribute.name) &&
    (isList ? attribute.ints : [attribute.i]).some((value) => value < 1n)
  ) {
    refuse('attribute', `${where} has a number below 1.`, facts);
  }
  if (attribute.t) inspectTensor(attribute.t, where);
  if (!UNBOUNDED_INTEGERS.has(operator) && integers.some((value) => Math.abs(value) > MAX_ATTRIBUTE)) {
    refuse('attribute', `${where} has a number beyond ${MAX_ATTRIBUTE}.`, facts);
  }
}
