import { create } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  type NodeProto,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  type TensorProto,
  TrainingInfoProtoSchema,
} from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import {
  floats,
  handMadeDecoder,
  HAND_MADE_SHAPE,
  integer,
  integers,
  node,
  port,
} from '../../test/hand-made-decoder.ts';
import { ReleaseError } from '../errors.ts';
import { ALLOWED_OPERATORS } from './allowed-operators.ts';
import { MAX_NODES } from './inspect-graph.ts';
import { inspectDecoder } from './inspect.ts';
import { REASONS, type RefusalReason } from './refusal.ts';

type Change = (model: ModelProto, graph: GraphProto) => void;
type Case = readonly [reason: RefusalReason, what: string, bytes: Uint8Array];

/** The refusal of `bytes`, or what inspection returned. */
function inspect(bytes: Uint8Array, maxBytes?: number) {
  try {
    return inspectDecoder(bytes, { shape: HAND_MADE_SHAPE, ...(maxBytes === undefined ? {} : { maxBytes }) });
  } catch (error) {
    return error as ReleaseError;
  }
}

function first(graph: GraphProto): NodeProto {
  return graph.node[0] as NodeProto;
}

function weights(graph: GraphProto): TensorProto {
  return graph.initializer[0] as TensorProto;
}

const changed = (reason: RefusalReason, what: string, change: Change): Case => [reason, what, handMadeDecoder(change)];
const raw = (reason: RefusalReason, what: string, ...bytes: number[]): Case => [reason, what, Uint8Array.from(bytes)];
const withAttribute = (attribute: Parameters<typeof node>[3]): Change => {
  return (_, graph) => graph.node.splice(0, 1, node('MatMul', ['z', 'w'], ['logits'], attribute));
};

const BODY = create(GraphProtoSchema, { name: 'body' });

const CASES: readonly Case[] = [
  raw('size', 'an empty file'),
  raw('unknown-field', 'a picture', 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
  changed('not-onnx', 'no graph', (model) => {
    delete model.graph;
  }),
  raw('unknown-field', 'a field of the future', 0x98, 0x06, 0x01),
  changed('version', 'an operator set of 2018', (model) => {
    model.opsetImport[0]!.version = 8n;
  }),
  changed('version', 'a format of 2018', (model) => {
    model.irVersion = 3n;
  }),
  changed('domain', 'an operator of an own domain', (_, graph) => {
    first(graph).domain = 'com.example';
  }),
  changed('domain', 'a second operator set', (model) => {
    model.opsetImport.push({ ...model.opsetImport[0]!, domain: 'com.microsoft', version: 1n });
  }),
  changed('domain', 'no operator set', (model) => {
    model.opsetImport.length = 0;
  }),
  changed('not-plain', 'a function', (model) => {
    model.functions.push(create(FunctionProtoSchema, { name: 'f' }));
  }),
  changed('not-plain', 'a training step', (model) => {
    model.trainingInfo.push(create(TrainingInfoProtoSchema));
  }),
  changed('not-plain', 'a sparse tensor', (_, graph) => {
    graph.sparseInitializer.push(create(SparseTensorProtoSchema, { dims: [1n] }));
  }),
  changed('not-plain', 'an overload', (_, graph) => {
    first(graph).overload = 'other';
  }),
  changed('external-data', 'a weight in another file', (_, graph) => {
    weights(graph).dataLocation = TensorProto_DataLocation.EXTERNAL;
  }),
  changed('external-data', 'the path of another file', (_, graph) => {
    const path = create(StringStringEntryProtoSchema, { key: 'location', value: '../../etc/passwd' });
    weights(graph).externalData.push(path);
  }),
  changed('subgraph', 'a loop', withAttribute([{ name: 'body', type: AttributeProto_AttributeType.GRAPH, g: BODY }])),
  changed(
    'subgraph',
    'a graph that claims to be a number',
    withAttribute([{ name: 'body', type: AttributeProto_AttributeType.INT, graphs: [BODY] }]),
  ),
  ...['If', 'Loop', 'Scan', 'RandomNormal', 'Einsum', 'matmul', ''].map((operator) =>
    changed('operator', `the operator '${operator}'`, (_, graph) => {
      first(graph).opType = operator;
    }),
  ),
  changed('operands', 'an operand left out that is needed', (_, graph) => {
    first(graph).input[1] = '';
  }),
  changed('operands', 'a gap in a list of operands', (_, graph) => {
    graph.node.splice(1, 1, node('Min', ['logits', ''], ['pixels'])); // ends ONNX Runtime 1.30 with a segmentation fault
  }),
  changed('operands', 'too few operands', (_, graph) => {
    first(graph).input.length = 1;
  }),
  changed('operands', 'too many operands', (_, graph) => {
    first(graph).input.push('w');
  }),
  changed('operands', 'a second result', (_, graph) => {
    first(graph).output.push('more');
  }),
  changed('operands', 'no result', (_, graph) => {
    graph.node[2]!.output.length = 0;
  }),
  changed('attribute', 'an absurd number', withAttribute([integer('group', 2 ** 40)])),
  changed(
    'attribute',
    'a reference to an attribute of a function',
    withAttribute([{ name: 'a', type: AttributeProto_AttributeType.INT, refAttrName: 'b' }]),
  ),
  changed('attribute', 'an attribute of no type', withAttribute([{ name: 'a' }])),
  changed('attribute', 'two attributes of one name', withAttribute([integer('a', 1), integer('a', 2)])),
  changed(
    'attribute',
    'a number that says it is another kind of number',
    withAttribute([{ ...integer('a', 1), f: 2 }]),
  ),
  // ONNX Runtime 1.30 takes the first of them, and other readers the one that is called `value`.
  changed('attribute', 'a constant with two values', (_, graph) => {
    graph.initializer.shift();
    const seen = floats('', [2, 4], new Float32Array(8));
    const taken = { name: 'value_floats', type: AttributeProto_AttributeType.FLOATS, floats: Array<number>(8).fill(9) };
    graph.node.unshift(
      node('Constant', [], ['w'], [taken, { name: 'value', type: AttributeProto_AttributeType.TENSOR, t: seen }]),
    );
  }),
  changed('attribute', 'a constant without a value', (_, graph) => {
    graph.initializer.shift();
    graph.node.unshift(node('Constant', [], ['w']));
  }),
  changed('node-count', 'no operator', (_, graph) => {
    graph.node.length = 0;
  }),
  changed('node-count', 'too many operators', (_, graph) => {
    for (let i = 0; i < MAX_NODES; i++) graph.node.push(node('Neg', ['x'], [`y${i}`]));
  }),
  changed('tensor-type', 'a constant of texts', (_, graph) => {
    weights(graph).dataType = TensorProto_DataType.STRING;
  }),
  changed('tensor-type', 'a constant of no type', (_, graph) => {
    weights(graph).dataType = 0;
  }),
  changed('tensor-size', 'a negative side', (_, graph) => {
    weights(graph).dims = [-2n, -4n];
  }),
  changed('tensor-size', 'a side past all memory', (_, graph) => {
    weights(graph).dims = [2n ** 62n, 4n];
  }),
  changed('tensor-size', 'a product of sides past all memory', (_, graph) => {
    weights(graph).dims = [2n ** 20n, 2n ** 20n];
  }),
  changed('tensor-size', 'nine sides', (_, graph) => {
    weights(graph).dims = Array<bigint>(9).fill(1n);
  }),
  changed(
    'tensor-size',
    'an absurd constant in an attribute',
    withAttribute([
      {
        name: 'value',
        type: AttributeProto_AttributeType.TENSOR,
        t: { ...floats('', [], Float32Array.of(0)), dims: [-1n] },
      },
    ]),
  ),
  changed('tensor-data', 'fewer values than the shape needs', (_, graph) => {
    weights(graph).rawData = weights(graph).rawData.slice(4);
  }),
  changed('tensor-data', 'half a value', (_, graph) => {
    weights(graph).rawData = weights(graph).rawData.slice(2);
  }),
  changed('tensor-data', 'values in two places', (_, graph) => {
    weights(graph).floatData = Array<number>(8).fill(0);
  }),
  changed('tensor-data', 'values of another type', (_, graph) => {
    weights(graph).rawData = new Uint8Array();
    weights(graph).doubleData = Array<number>(8).fill(0);
  }),
  changed('name', 'two constants of one name', (_, graph) => {
    graph.initializer.push(integers('w', [1]));
  }),
  changed('name', 'a constant that is also the input', (_, graph) => {
    graph.initializer.push(floats('z', [1, 2], Float32Array.of(0, 0)));
  }),
  changed('name', 'a result that is written twice', (_, graph) => {
    graph.node.push(node('Neg', ['logits'], ['pixels']));
  }),
  changed('name', 'a constant without a name', (_, graph) => {
    graph.initializer.push(integers('', [1]));
  }),
  changed('not-closed', 'an operand that nothing defines', (_, graph) => {
    first(graph).input[1] = 'elsewhere';
  }),
  changed('not-closed', 'an operand that is defined later', (_, graph) => {
    graph.node.reverse();
  }),
  changed('not-closed', 'an output that nothing defines', (_, graph) => {
    graph.node.pop();
  }),
  changed('input', 'no input', (_, graph) => {
    graph.input.length = 0;
  }),
  changed('input', 'a second input', (_, graph) => {
    graph.input.push(port('y', ['n', 10]));
  }),
  changed('input', 'an input of another name', (_, graph) => {
    graph.input = [port('latent', ['n', 2])];
  }),
  changed('input', 'an input of another type', (_, graph) => {
    graph.input = [port('z', ['n', 2], TensorProto_DataType.DOUBLE)];
  }),
  changed('input', 'an open latent size', (_, graph) => {
    graph.input = [port('z', ['n', 'L'])];
  }),
  changed('input', 'an absurd latent size', (_, graph) => {
    graph.input = [port('z', ['n', 2 ** 40])];
  }),
  changed('input', 'an absurd fixed n', (_, graph) => {
    graph.input = [port('z', [2 ** 40, 2])];
  }),
  changed('input', 'a third side', (_, graph) => {
    graph.input = [port('z', ['n', 2, 1])];
  }),
  changed('input', 'an input without a shape', (_, graph) => {
    delete graph.input[0]!.type;
  }),
  changed('output', 'no output', (_, graph) => {
    graph.output.length = 0;
  }),
  changed('output', 'a second output', (_, graph) => {
    graph.output.push(port('logits', ['n', 4]));
  }),
  changed('output', 'images of another size', (_, graph) => {
    graph.output = [port('x', ['n', 1, 2, 3])];
  }),
  changed('output', 'flat images', (_, graph) => {
    graph.output = [port('x', ['n', 4])];
  }),
  changed('output', 'a fixed n where that of the input is free', (_, graph) => {
    graph.output = [port('x', [5, 1, 2, 2])];
  }),
  changed('ignores-latent', 'an image that is stored in the file', (_, graph) => {
    graph.initializer.push(floats('image', [1, 4], Float32Array.of(0, 0, 1, 1)));
    first(graph).input[0] = 'image';
    weights(graph).dims = [4n, 2n];
  }),
];

/** Tested in wire-budget.test.ts, in labelled-decoders.test.ts, and in probe.test.ts: what only a trial draw can find. */
const ELSEWHERE = [
  'class-input',
  'ignores-class',
  'shape-from-data',
  'shape-size',
  'not-as-declared',
  'offers',
  'too-many-parts',
  'does-not-load',
  'does-not-run',
  'non-finite',
  'out-of-range',
  'constant',
];

describe('a decoder is refused', () => {
  test.each(CASES)('as %s: %s', (reason, _, bytes) => {
    const refusal = inspect(bytes);
    expect(refusal).toBeInstanceOf(ReleaseError);
    expect(refusal).toMatchObject({ code: 'RELEASE', facts: { reason } });
  });

  test('as size, before it is read', () => {
    expect(inspect(handMadeDecoder(), 100)).toMatchObject({ facts: { reason: 'size', maxBytes: 100 } });
  });

  test('for every reason, in a test here or elsewhere', () => {
    const tested = new Set(CASES.map(([reason]) => reason));
    expect([...tested, ...ELSEWHERE].sort()).toEqual(Object.keys(REASONS).sort());
  });

  test('with names from outside cut short and escaped', () => {
    const name = `\u001b[2J"${'a'.repeat(100_000)}`;
    const refusal = inspect(
      handMadeDecoder((_, graph) => {
        first(graph).opType = name;
      }),
    ) as ReleaseError;
    expect(refusal.message.length).toBeLessThan(2_000);
    expect(refusal.message).not.toContain('\u001b');
    expect(String(refusal.facts['operator']).length).toBeLessThan(100);
  });
});

describe('a decoder is accepted', () => {
  test('as it should be, and described', () => {
    const bytes = handMadeDecoder();
    expect(inspect(bytes)).toEqual({
      latent: 2,
      batch: null,
      classes: null,
      shape: HAND_MADE_SHAPE,
      sizeBytes: bytes.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
  });

  test.each<readonly [string, Change]>([
    [
      'an operator set of the future',
      (model) => {
        model.opsetImport[0]!.version = 99n; // whether the runtime knows it, shows when it is opened
      },
    ],
    [
      'the standard set by its full name',
      (model) => {
        model.opsetImport[0]!.domain = 'ai.onnx';
      },
    ],
    [
      'sides of x left open',
      (_, graph) => {
        graph.output = [port('x', ['n', 'a', 'b', 'c'])];
      },
    ],
    [
      'notes of its exporter',
      (model, graph) => {
        model.producerName = 'another exporter';
        graph.docString = 'made elsewhere';
        graph.valueInfo.push(port('logits', ['n', 4]));
      },
    ],
    [
      'an operand left out',
      (_, graph) => {
        graph.node.splice(1, 1, node('Clip', ['logits', '', ''], ['pixels']));
      },
    ],
    [
      'an empty constant',
      (_, graph) => {
        graph.initializer.push(integers('none', []));
      },
    ],
  ])('with %s', (_, change) => {
    expect(inspect(handMadeDecoder(change))).toMatchObject({ latent: 2, batch: null });
  });

  test('with a fixed n', () => {
    const bytes = handMadeDecoder((_, graph) => {
      graph.input = [port('z', [5, 2])];
      graph.output = [port('x', [5, 1, 2, 2])];
    });
    expect(inspect(bytes)).toMatchObject({ batch: 5 });
  });
});

test('no allowed operator branches, loops, draws random numbers or calls code from elsewhere', () => {
  const dangerous = /^(If|Loop|Scan|SequenceMap|Random|Multinomial|Bernoulli|Optional|String|Sequence|Py|Custom)/;
  expect([...ALLOWED_OPERATORS.keys()].filter((operator) => dangerous.test(operator))).toEqual([]);
});
