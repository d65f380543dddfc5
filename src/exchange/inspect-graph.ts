// The graph of a decoder from outside: known operators, plain attributes, every tensor named once and defined before use.

import { AttributeProto_AttributeType, type AttributeProto, type GraphProto, type NodeProto } from 'onnx-buf';
import { ALLOWED_OPERATORS, type Operands } from './allowed-operators.ts';
import { inspectTensor } from './inspect-tensors.ts';
import { refuse, shown } from './refusal.ts';

/** Limit of operators in one decoder. */
export const MAX_NODES = 2048;

/** Throws ReleaseError unless the graph computes its output from its input by allowed operators alone. */
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

  const fromLatent = new Set(input.map(({ name }) => name));
  for (const { opType, input: read, output: written } of nodes) {
    const unknown = read.find((name) => name !== '' && !defined.has(name)); // '' stands for an operand left out
    if (unknown !== undefined) {
      refuse('not-closed', `${shown(opType)} reads ${shown(unknown)}, which nothing before it defines.`, {
        tensor: shown(unknown),
      });
    }
    const depends = read.some((name) => fromLatent.has(name));
    for (const name of written) {
      define(name);
      if (depends) fromLatent.add(name);
    }
  }
  for (const { name } of output) {
    if (!defined.has(name)) refuse('not-closed', `Nothing defines the output ${shown(name)}.`, { tensor: shown(name) });
    if (!fromLatent.has(name)) refuse('ignores-latent', `${shown(name)} is computed from constants.`);
  }
}

// --- internal ---

/** Strides, paddings, axes and sizes of images are far smaller. */
const MAX_ATTRIBUTE = 65_536;

/** Their integers may be positions past any end, as exporters write them for "up to the end". */
const UNBOUNDED_INTEGERS = new Set(['Constant', 'Slice', 'Shape']);

const PLAIN_TYPES: ReadonlySet<number> = new Set([
  AttributeProto_AttributeType.FLOAT,
  AttributeProto_AttributeType.INT,
  AttributeProto_AttributeType.STRING,
  AttributeProto_AttributeType.TENSOR,
  AttributeProto_AttributeType.FLOATS,
  AttributeProto_AttributeType.INTS,
]);

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

function inspectOperands(node: NodeProto, { least, most }: Operands, position: number): void {
  const { input, output, opType } = node;
  const needed = most === Infinity ? Infinity : least; // the operands behind may be left out, written as ''
  const gap = input.findIndex((name, i) => name === '' && i < needed);
  if (input.length < least || input.length > most || gap !== -1 || output.length !== 1) {
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
  if (attribute.t) inspectTensor(attribute.t, where);
  const integers = [attribute.i, ...attribute.ints].map(Number);
  if (!UNBOUNDED_INTEGERS.has(operator) && integers.some((value) => Math.abs(value) > MAX_ATTRIBUTE)) {
    refuse('attribute', `${where} has a number beyond ${MAX_ATTRIBUTE}.`, facts);
  }
}
