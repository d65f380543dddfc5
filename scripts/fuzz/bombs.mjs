// Small graphs that ask for much: an operator with giant parameters, put on the way from z to the image or beside it.

import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { FLOATS, INTEGERS, realNumbers, wholeNumbers } from './values.mjs';

/** @typedef {import('./random.mjs').Random} Random */
/** @typedef {import('onnx-buf').GraphProto} GraphProto */

const SIZES = [3n, 64n, 1000n, 2n ** 14n, 2n ** 20n, 2n ** 28n, 2n ** 31n, 2n ** 40n, 2n ** 62n, -1n, 0n];

/**
 * What a bomb makes of tensor `source`: nodes and constants, the last node's result being `target`.
 * @type {readonly ((random: Random, names: { source: string, target: string, id: string }) => [object[], object[]])[]}
 */
const BOMBS = [
  (random, { source, target, id }) => {
    const sides = Array.from({ length: 1 + random.below(4) }, () => random.pick(SIZES));
    return [[node('Expand', [source, `${id}s`], target)], [wholeNumbers(`${id}s`, sides)]];
  },
  (random, { source, target, id }) => {
    const repeats = Array.from({ length: 1 + random.below(4) }, () => random.pick(SIZES));
    return [[node('Tile', [source, `${id}s`], target)], [wholeNumbers(`${id}s`, repeats)]];
  },
  (random, { source, target, id }) => {
    const pads = Array.from({ length: 2 * (1 + random.below(4)) }, () =>
      random.pick(random.chance(0.5) ? SIZES : INTEGERS),
    );
    return [[node('Pad', [source, `${id}s`], target)], [wholeNumbers(`${id}s`, pads)]];
  },
  (random, { source, target, id }) => {
    const scales = Array.from({ length: 1 + random.below(4) }, () => random.pick([...FLOATS, 2, 1000, 1e-3]));
    const mode = text('mode', random.pick(['nearest', 'linear', 'cubic', 'other']));
    return [[node('Resize', [source, '', `${id}s`], target, [mode])], [realNumbers(`${id}s`, scales)]];
  },
  (random, { source, target, id }) => {
    const sizes = Array.from({ length: 1 + random.below(4) }, () => random.pick(SIZES));
    return [[node('Resize', [source, '', '', `${id}s`], target)], [wholeNumbers(`${id}s`, sizes)]];
  },
  (random, { source, target, id }) => {
    const sides = Array.from({ length: 1 + random.below(4) }, () => random.pick(SIZES));
    const nodes = [node('ConstantOfShape', [`${id}s`], `${id}c`), node('Add', [source, `${id}c`], target)];
    return [nodes, [wholeNumbers(`${id}s`, sides)]];
  },
  (random, { source, target, id }) => {
    const count = 1 + random.below(28); // doubled so often
    const nodes = Array.from({ length: count }, (_, i) => {
      const from = i === 0 ? source : `${id}d${i}`;
      return node('Concat', [from, from], i === count - 1 ? target : `${id}d${i + 1}`, [
        whole('axis', random.below(3)),
      ]);
    });
    return [nodes, []];
  },
  (random, { source, target, id }) => {
    const side = random.pick([64n, 1024n, 4096n, 2n ** 15n]);
    const count = random.pick([1, 4, 40, 400]);
    const nodes = [node('ReduceMean', [source, `${id}a`], `${id}r`), node('Reshape', [`${id}r`, `${id}o`], `${id}p`)];
    nodes.push(node('Expand', [`${id}p`, `${id}s`], `${id}m0`));
    for (let i = 0; i < count; i++) nodes.push(node('MatMul', [`${id}m${i}`, `${id}m0`], `${id}m${i + 1}`));
    nodes.push(node('ReduceMean', [`${id}m${count}`], `${id}e`), node('Add', [source, `${id}e`], target));
    const constants = [wholeNumbers(`${id}s`, [side, side]), wholeNumbers(`${id}o`, [-1n, 1n])];
    return [nodes, [...constants, wholeNumbers(`${id}a`, [0n])]];
  },
  (random, { source, target, id }) => {
    const cut = () => [random.pick(INTEGERS)];
    const names = ['s', 'e', 'a', 't'].map((name) => `${id}${name}`);
    const step = random.chance(0.3) ? realNumbers(`${id}t`, [random.pick(FLOATS)]) : wholeNumbers(`${id}t`, cut());
    const told = [...names.slice(0, 3).map((name) => wholeNumbers(name, name.endsWith('a') ? [1n] : cut())), step];
    return [[node('Slice', [source, ...names], target)], told];
  },
  (random, { source, target, id }) => {
    const places = Array.from({ length: random.pick([1, 3, 1000]) }, () => random.pick(INTEGERS));
    return [
      [node('Gather', [source, `${id}s`], target, [whole('axis', random.below(3))])],
      [wholeNumbers(`${id}s`, places)],
    ];
  },
  (random, { source, target, id }) => {
    const attributes = ['strides', 'pads', 'dilations', 'kernel_shape', 'output_padding', 'output_shape']
      .filter(() => random.chance(0.5))
      .map((name) =>
        wholes(
          name,
          Array.from({ length: random.pick([1, 2, 4]) }, () => random.pick([1n, 2n, 3n, 500n, 65_536n, 0n, -1n])),
        ),
      );
    attributes.push(whole('group', random.pick([1, 1, 2, 0, 65_536])));
    const kernel = realNumbers(`${id}k`, Array(16).fill(0.1));
    kernel.dims = [1n, 1n, 4n, 4n];
    const operator = random.pick(['Conv', 'ConvTranspose']);
    const nodes = [
      node('Reshape', [source, `${id}s`], `${id}i`),
      node(operator, [`${id}i`, `${id}k`], target, attributes),
    ];
    return [nodes, [wholeNumbers(`${id}s`, [-1n, 1n, random.pick([1n, 2n, 8n]), random.pick([1n, 2n])]), kernel]];
  },
  (random, { source, target, id }) => {
    const value = random.chance(0.5)
      ? wholes('value_ints', [random.pick(INTEGERS), random.pick(INTEGERS)])
      : text('value_string', 'a');
    const nodes = [
      node('Constant', [], `${id}c`, [value]),
      node(random.pick(['Expand', 'Reshape', 'Tile', 'Pow', 'Unsqueeze']), [source, `${id}c`], target),
    ];
    return [nodes, []];
  },
];

/**
 * Puts a bomb behind some node: its readers read what the bomb makes of it, or a copy times zero plus the original.
 * @param {Random} random
 * @param {GraphProto} graph
 */
export function plantBomb(random, graph) {
  if (graph.node.length === 0) return;
  const at = random.below(graph.node.length);
  const source = graph.node[at]?.output[0] ?? 'z';
  const id = `bomb${random.below(1e6)}-`;
  const target = `${id}out`;
  const [nodes, constants] = random.pick(BOMBS)(random, { source, target, id });
  let seen = target;
  if (random.chance(0.5)) {
    constants.push(realNumbers(`${id}zero`, [0]));
    nodes.push(node('ReduceMean', [target], `${id}mean`), node('Mul', [`${id}mean`, `${id}zero`], `${id}nothing`));
    nodes.push(
      node('Reshape', [`${id}nothing`, `${id}one`], `${id}flat`),
      node('Add', [source, `${id}flat`], `${id}sum`),
    );
    constants.push(wholeNumbers(`${id}one`, [1n]));
    seen = `${id}sum`;
  }
  for (const reader of graph.node.slice(at + 1))
    reader.input = reader.input.map((name) => (name === source ? seen : name));
  graph.node.splice(at + 1, 0, .../** @type {import('onnx-buf').NodeProto[]} */ (nodes));
  graph.initializer.push(.../** @type {import('onnx-buf').TensorProto[]} */ (constants));
}

/** @type {(opType: string, input: string[], output: string, attribute?: any[]) => import('onnx-buf').NodeProto} */
export const node = (opType, input, output, attribute = []) =>
  create(NodeProtoSchema, { opType, input, output: [output], attribute });

/** @type {(name: string, value: number) => import('onnx-buf').AttributeProto} */
export const whole = (name, value) =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });

/** @type {(name: string, values: readonly bigint[]) => import('onnx-buf').AttributeProto} */
export const wholes = (name, values) =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: [...values] });

/** @type {(name: string, value: string) => import('onnx-buf').AttributeProto} */
export const text = (name, value) =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s: new TextEncoder().encode(value) });
