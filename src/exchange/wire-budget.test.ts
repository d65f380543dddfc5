import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { handMadeDecoder } from '../../test/hand-made-decoder.ts';
import { ReleaseError } from '../errors.ts';
import { parseDecoder } from './parse-decoder.ts';
import { checkWireBudget } from './wire-budget.ts';

// Tags of fields that hold bytes: model.graph, graph.node, node.attribute, attribute.g, graph.initializer, tensor.int64_data.
const [GRAPH, NODE, ATTRIBUTE, SUBGRAPH, INITIALIZER, INT64_DATA] = [0x3a, 0x0a, 0x2a, 0x32, 0x2a, 0x3a];

function reasonOf(bytes: Uint8Array): unknown {
  try {
    parseDecoder(bytes);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    return error.facts['reason'];
  }
}

describe('a file of many small parts is refused before it becomes objects', () => {
  test.each([
    ['a million empty operators in two megabytes', within(many([NODE, 0], 1_000_000), GRAPH)],
    ['two million numbers in two megabytes', within(many([0], 2_000_000), INT64_DATA, INITIALIZER, GRAPH)],
    ['two million texts in four megabytes', within(many([0x0a, 0], 2_000_000), NODE, GRAPH)],
    ['graphs in graphs in graphs', within(nested(40), GRAPH)],
  ])('%s', (_, bytes) => {
    expect(reasonOf(bytes)).toBe('too-many-parts');
  });
});

test('a file of a few large parts is read', () => {
  const bytes = handMadeDecoder((_, graph) => {
    graph.docString = 'x'.repeat(5_000_000);
  });
  expect(reasonOf(bytes)).toBe('accepted');
});

test('lists of numbers count the same, packed or one by one', () => {
  const limits = { messages: 10, values: 10, depth: 4 };
  const packed = (count: number) => within(many([1], count), INT64_DATA, INITIALIZER, GRAPH);
  const loose = (count: number) => within(many([0x38, 1], count), INITIALIZER, GRAPH);
  for (const list of [packed, loose]) {
    expect(() => checkWireBudget(list(10), ModelProtoSchema, limits)).not.toThrow();
    expect(() => checkWireBudget(list(11), ModelProtoSchema, limits)).toThrow(ReleaseError);
  }
});

test.each([
  ['a part that ends after the file', [GRAPH, 0x7f, 0x0a]],
  ['a part that ends after the part around it', [GRAPH, 0x02, NODE, 0x05, 0, 0, 0, 0, 0]],
  ['a number where a graph should be', [0x38, 0x01]],
  ['an unfinished number', [0x08, 0xff]],
  ['a number of eleven bytes', [0x08, ...Array<number>(11).fill(0xff)]],
  ['a group, which the format does not use', [0x3b, 0x3c]],
  ['a tag of field zero', [0x00, 0x00]],
])('%s is no ONNX model', (_, bytes) => {
  expect(reasonOf(Uint8Array.from(bytes))).toBe('not-onnx');
});

function many(part: readonly number[], count: number): Uint8Array {
  return Uint8Array.from({ length: part.length * count }, (_, i) => part[i % part.length] as number);
}

/** `bytes` as the content of the first tag's field, that as the content of the second's, and so on outwards. */
function within(bytes: Uint8Array, ...tags: readonly (number | undefined)[]): Uint8Array {
  return tags.reduce<Uint8Array>(
    (inner, tag) => Buffer.concat([Uint8Array.of(tag ?? 0, ...varint(inner.length)), inner]),
    bytes,
  );
}

function nested(depth: number): Uint8Array {
  let graph: Uint8Array = new Uint8Array();
  for (let i = 0; i < depth; i++) graph = within(graph, SUBGRAPH, ATTRIBUTE, NODE);
  return graph;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
