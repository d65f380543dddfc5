// One case of fuzzing: a real decoder with one or a few things changed that a graph is made of.

import { clone, create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { node, plantBomb, text, whole, wholes } from './bombs.mjs';
import { caseSeed, randomFrom } from './random.mjs';
import { RAW_MUTATIONS } from './raw-mutations.mjs';
import { FLOATS, INTEGERS, spoilNumbers, TEXTS } from './values.mjs';

/** @typedef {import('./random.mjs').Random} Random */
/** @typedef {import('./real-decoders.mjs').RealDecoder} RealDecoder */
/** @typedef {import('onnx-buf').ModelProto} ModelProto */
/** @typedef {import('onnx-buf').GraphProto} GraphProto */

/**
 * @typedef {object} DecoderCase
 * @property {Uint8Array} bytes
 * @property {RealDecoder} decoder what it was
 * @property {readonly string[]} changes in order, by name
 */

/**
 * Case `index` of the run with `seed`: always the same for the same decoders. `operators`: those that decoders may use.
 * @param {number} seed
 * @param {number} index
 * @param {readonly RealDecoder[]} decoders
 * @param {readonly string[]} operators
 * @returns {DecoderCase}
 */
export function decoderCase(seed, index, decoders, operators) {
  const random = randomFrom(caseSeed(seed, index));
  const decoder = random.pick(decoders);
  const changes = [];
  let bytes = decoder.bytes;
  const isRaw = random.chance(0.2);
  if (!isRaw) {
    const model = fromBinary(ModelProtoSchema, bytes);
    const times = random.pick([1, 1, 1, 2, 3, 6]);
    for (let i = 0; i < times; i++) {
      const name = random.pick(NAMES);
      changes.push(name);
      if (!model.graph?.node.length) break; // nothing left to change
      try {
        /** @type {Mutation} */ (MUTATIONS[name])(random, model.graph, model, operators);
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'FieldValueInvalidError') throw error;
        changes.push('(copying what an earlier change made is refused by the library)');
      }
    }
    try {
      bytes = toBinary(ModelProtoSchema, model);
    } catch {
      changes.push('(no file can hold it)');
    }
  }
  if (isRaw || random.chance(0.05)) {
    const name = random.pick(Object.keys(RAW_MUTATIONS));
    changes.push(name);
    bytes = /** @type {any} */ (RAW_MUTATIONS)[name](random, bytes, random.pick(decoders).bytes);
  }
  return { bytes, decoder, changes };
}

// --- internal ---

/** @typedef {(random: Random, graph: GraphProto, model: ModelProto, operators: readonly string[]) => void} Mutation */

/** @type {Readonly<Record<string, Mutation>>} */
const MUTATIONS = {
  'swap nodes': (random, { node: nodes }) => {
    const [a, b] = [random.below(nodes.length), random.below(nodes.length)];
    [nodes[a], nodes[b]] = /** @type {any} */ ([nodes[b], nodes[a]]);
  },
  'delete a node': (random, { node: nodes }) => void nodes.splice(random.below(nodes.length), 1),
  'bypass a node': (random, graph) => {
    const [gone] = graph.node.splice(random.below(graph.node.length), 1);
    const [to, from] = [gone?.output[0], gone?.input[0] ?? 'z'];
    for (const one of graph.node) one.input = one.input.map((name) => (name === to ? from : name));
  },
  'duplicate a node': (random, { node: nodes }) => {
    const copy = clone(NodeProtoSchema, random.pick(nodes));
    if (random.chance(0.7)) copy.output = [`copy-${random.below(1e6)}`];
    nodes.splice(random.below(nodes.length + 1), 0, copy);
  },
  'very many nodes': (random, { node: nodes }) => {
    const count = random.pick([100, 1000, 2040, 2049, 20_000]);
    const operator = random.pick(['Identity', 'Neg', 'Sin', 'Constant']);
    const [first] = nodes;
    const from = first?.output[0] ?? 'z';
    const added = Array.from({ length: count }, (_, i) => node(operator, [i === 0 ? from : `m${i}`], `m${i + 1}`));
    nodes.splice(1, 0, ...added);
    if (random.chance(0.7))
      for (const one of nodes.slice(count + 1))
        one.input = one.input.map((name) => (name === from ? `m${count}` : name));
  },
  'another operator': (random, { node: nodes }, _, operators) => {
    random.pick(nodes).opType = random.chance(0.9)
      ? random.pick(operators)
      : random.pick(['If', 'Loop', 'Scan', 'RandomNormal', '', 'Range', 'OneHot', 'NonZero', 'Einsum']);
  },
  'another domain': (random, { node: nodes }) => {
    random.pick(nodes).domain = random.pick(['ai.onnx', 'com.microsoft', 'ai.onnx.ml', 'x'.repeat(100_000)]);
  },
  'a node put in': (random, graph, _, operators) => {
    const at = random.below(graph.node.length);
    const from = graph.node[at]?.output[0] ?? 'z';
    const to = `put-in-${random.below(1e6)}`;
    const names = tensorNames(graph);
    const others = Array.from({ length: random.below(4) }, () => (random.chance(0.1) ? '' : random.pick(names)));
    for (const reader of graph.node.slice(at + 1))
      reader.input = reader.input.map((name) => (name === from ? to : name));
    graph.node.splice(at + 1, 0, node(random.pick(operators), [from, ...others], to, anyAttributes(random)));
  },
  'another operand': (random, graph) => {
    const { input } = random.pick(graph.node);
    if (input.length > 0) input[random.below(input.length)] = random.pick(tensorNames(graph)); // perhaps a circle
  },
  'operands more or fewer': (random, graph) => {
    const one = random.pick(graph.node);
    if (random.chance(0.5))
      one.input.push(...Array(random.pick([1, 2, 300])).fill(random.pick(['', ...tensorNames(graph)])));
    else one.input.splice(random.below(one.input.length + 1), 1);
  },
  'another name': (random, graph) => {
    const one = random.pick(graph.node);
    const name = random.pick([...TEXTS, ...tensorNames(graph)]);
    if (random.chance(0.5)) one.output = [name];
    else (pickOrNone(random, [...graph.initializer, ...graph.input, ...graph.output]) ?? one).name = name;
  },
  'results more or fewer': (random, { node: nodes }) => {
    random.pick(nodes).output = random.pick([[], ['a', 'b'], ['x', ''], ['x']]);
  },
  attributes: (random, { node: nodes }) => {
    const one = random.chance(0.7)
      ? (nodes.find(({ attribute }) => attribute.length > 0) ?? random.pick(nodes))
      : random.pick(nodes);
    if (one.attribute.length === 0 || random.chance(0.2)) one.attribute.push(...anyAttributes(random));
    else changeAttribute(random, random.pick(one.attribute));
    if (random.chance(0.05))
      one.attribute.push(...one.attribute.map((attribute) => clone(AttributeProtoSchema, attribute)));
  },
  'a graph inside': (random, { node: nodes }) => {
    let inner = create(AttributeProtoSchema, { name: 'body', type: 5, g: { name: 'g' } });
    const depth = random.below(40);
    for (let i = 0; i < depth; i++)
      inner = create(AttributeProtoSchema, {
        name: 'body',
        type: 5,
        g: { node: [{ opType: 'If', attribute: [inner] }] },
      });
    random.pick(nodes).attribute.push(inner);
  },
  dims: (random, { initializer }) => {
    const tensor = pickOrNone(random, initializer);
    if (!tensor) return;
    const what = random.below(3);
    if (what === 0) tensor.dims = tensor.dims.toReversed();
    else if (what === 1) tensor.dims = [...tensor.dims, random.pick([1n, 0n, 2n, -1n, 2n ** 40n])];
    else tensor.dims = tensor.dims.map((side) => (random.chance(0.5) ? random.pick(INTEGERS) : side));
    if (random.chance(0.2)) tensor.dims = Array(random.pick([9, 1000])).fill(1n);
  },
  'data type': (random, { initializer }) => {
    const tensor = pickOrNone(random, initializer);
    if (tensor) tensor.dataType = random.pick([0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 17, 23, 1000, -1]);
  },
  'data length': (random, { initializer }) => {
    const tensor = pickOrNone(random, initializer);
    if (!tensor) return;
    const { rawData } = tensor;
    tensor.rawData = random.pick([
      rawData.slice(1),
      rawData.slice(0, -4),
      new Uint8Array(),
      new Uint8Array(rawData.length * 2),
      rawData.slice(0, rawData.length & ~7),
    ]);
  },
  'smaller consistent tensor': (random, { initializer }) => {
    const tensor = pickOrNone(
      random,
      initializer.filter(({ dims, rawData }) => dims.length > 0 && rawData.length > 0),
    );
    if (!tensor) return;
    const side = Number(tensor.dims[0]);
    const kept = random.below(side + 1);
    tensor.rawData = tensor.rawData.slice(0, (tensor.rawData.length / side) * kept);
    tensor.dims = [BigInt(kept), ...tensor.dims.slice(1)];
  },
  numbers: (random, { initializer }) => {
    const tensor = pickOrNone(random, initializer);
    if (tensor) spoilNumbers(random, tensor);
  },
  'whole numbers': (random, { initializer }) => {
    const tensor = pickOrNone(
      random,
      initializer.filter(({ dataType }) => dataType === TensorProto_DataType.INT64),
    );
    if (tensor) spoilNumbers(random, tensor);
  },
  'data elsewhere': (random, { initializer }) => {
    const tensor = pickOrNone(random, initializer);
    if (!tensor) return;
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    tensor.externalData = [create(StringStringEntryProtoSchema, { key: 'location', value: random.pick(TEXTS) })];
    if (random.chance(0.3)) tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  },
  'two constants swapped': (random, { initializer }) => {
    if (initializer.length < 2) return;
    const [a, b] = /** @type {any[]} */ ([random.pick(initializer), random.pick(initializer)]);
    [a.name, b.name] = [b.name, a.name];
  },
  'a port': (random, graph) => {
    const port = random.pick([...graph.input, ...graph.output]);
    const type = port?.type?.value;
    if (type?.case !== 'tensorType') return;
    const dims = type.value.shape?.dim ?? [];
    if (random.chance(0.3)) type.value.elemType = random.below(24);
    else if (random.chance(0.2)) dims.pop();
    else if (dims.length > 0)
      random.pick(dims).value = random.chance(0.3)
        ? { case: 'dimParam', value: random.pick(['n', 'm', '']) }
        : { case: 'dimValue', value: random.pick(INTEGERS) };
  },
  'ports more or fewer': (random, graph) => {
    const list = random.pick([graph.input, graph.output]);
    if (random.chance(0.5)) list.pop();
    else
      list.push(
        ...[...graph.input, ...graph.output].slice(random.below(3), 3).map((port) => clone(ValueInfoProtoSchema, port)),
      );
  },
  'shapes said of tensors within': (random, graph) => {
    for (const name of tensorNames(graph)) {
      if (random.chance(0.5)) continue;
      const dim = Array.from({ length: random.below(5) }, () => ({
        value: random.chance(0.3)
          ? /** @type {const} */ ({ case: 'dimParam', value: 'n' })
          : /** @type {const} */ ({ case: 'dimValue', value: random.pick(INTEGERS) }),
      }));
      graph.valueInfo.push(
        create(ValueInfoProtoSchema, {
          name,
          type: { value: { case: 'tensorType', value: { elemType: random.pick([1, 1, 1, 7, 8]), shape: { dim } } } },
        }),
      );
    }
  },
  versions: (random, _, model) => {
    if (random.chance(0.5)) model.irVersion = random.pick([0n, 3n, 4n, 7n, 9n, 10n, 11n, 14n, 1000n, -1n, 2n ** 62n]);
    else
      model.opsetImport = [
        create(OperatorSetIdProtoSchema, {
          domain: random.pick(['', '', 'ai.onnx', 'x']),
          version: random.pick([1n, 8n, 9n, 11n, 12n, 13n, 15n, 17n, 18n, 20n, 23n, 25n, 99n, -1n, 2n ** 62n]),
        }),
      ];
    if (random.chance(0.1))
      model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }));
  },
  metadata: (random, graph, model) => {
    const entries = Array.from({ length: random.pick([1, 10, 5000]) }, () =>
      create(StringStringEntryProtoSchema, {
        key: random.pick([...TEXTS, 'ort_config']),
        value: random.pick([...TEXTS, '{"session_options":{"inter_op_num_threads":1000000}}']),
      }),
    );
    random.pick([model, graph]).metadataProps.push(...entries);
  },
  'no graph': (random, _, model) => {
    if (random.chance(0.05)) delete model.graph;
    else model.docString = 'x'.repeat(random.pick([1, 100_000]));
  },
  'a bomb': (random, graph) => plantBomb(random, graph),
};

/** Those that more often lead past inspection stand for more. */
const NAMES = [
  ...Object.keys(MUTATIONS),
  ...Array(5).fill('a bomb'),
  ...[
    'a node put in',
    'attributes',
    'numbers',
    'whole numbers',
    'another operator',
    'bypass a node',
    'smaller consistent tensor',
  ],
];

/** @param {GraphProto} graph @returns {string[]} */
function tensorNames({ node: nodes, initializer, input }) {
  return [
    'z',
    ...input.map(({ name }) => name),
    ...initializer.map(({ name }) => name),
    ...nodes.flatMap(({ output }) => output),
  ];
}

/** @template T @param {Random} random @param {readonly T[]} list @returns {T | undefined} */
function pickOrNone(random, list) {
  return list.length === 0 ? undefined : random.pick(list);
}

const ATTRIBUTES = [
  'axis',
  'axes',
  'perm',
  'to',
  'keepdims',
  'transA',
  'transB',
  'alpha',
  'beta',
  'epsilon',
  'strides',
  'pads',
  'dilations',
  'group',
  'kernel_shape',
  'output_padding',
  'output_shape',
  'auto_pad',
  'mode',
  'blocksize',
  'value',
  'value_ints',
  'start',
  'end',
  'noop_with_empty_axes',
  'allowzero',
  'approximate',
  'antialias',
  'cubic_coeff_a',
  'coordinate_transformation_mode',
  'nearest_mode',
  'stash_type',
  'training_mode',
  'momentum',
];
const WORDS = [
  'NOTSET',
  'SAME_UPPER',
  'VALID',
  'linear',
  'cubic',
  'nearest',
  'reflect',
  'edge',
  'wrap',
  'CRD',
  'tanh',
  'align_corners',
  'tf_crop_and_resize',
  'half_pixel',
  '',
];

/** @param {Random} random */
function anyAttributes(random) {
  return Array.from({ length: random.below(4) }, () => {
    const name = random.pick(ATTRIBUTES);
    const kind = random.below(4);
    if (kind === 0) return text(name, random.pick(WORDS));
    if (kind === 1) return create(AttributeProtoSchema, { name, type: 1, f: random.pick(FLOATS) });
    if (kind === 2) return whole(name, random.pick([0, 1, 2, 3, -1, 8, 65_536, 65_537]));
    return wholes(
      name,
      Array.from({ length: random.below(9) }, () => random.pick([0n, 1n, 2n, 3n, -1n, 500n, 65_536n])),
    );
  });
}

/** @param {Random} random @param {import('onnx-buf').AttributeProto} attribute */
function changeAttribute(random, attribute) {
  const { ints } = attribute;
  const what = random.below(10);
  if (what === 0) attribute.name = random.pick(ATTRIBUTES);
  else if (what === 1) attribute.type = random.below(16);
  else if (ints.length > 0) {
    if (random.chance(0.3)) attribute.ints = random.chance(0.5) ? ints.slice(1) : [...ints, ...ints];
    else ints[random.below(ints.length)] = random.pick([...INTEGERS, 0n, 1n, 2n, 3n, 500n, 65_536n]);
  } else if (attribute.t) spoilNumbers(random, attribute.t);
  else if (attribute.s.length > 0) attribute.s = new TextEncoder().encode(random.pick(WORDS));
  else if (attribute.type === 1) attribute.f = random.pick(FLOATS);
  else attribute.i = random.pick([...INTEGERS, 0n, 1n, 2n, 3n, 500n, 65_536n]);
}
