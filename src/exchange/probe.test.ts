import type { GraphProto, ModelProto } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { floats, HAND_MADE_SHAPE, handMadeDecoder, integers, node, port } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { DeviceError, ReleaseError } from '../errors.ts';
import { inspectDecoder } from './inspect.ts';
import { probeDecoder } from './probe.ts';
import type { RefusalReason } from './refusal.ts';

const KEY = seedKey('probe');

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

async function probe(bytes: Uint8Array): Promise<void> {
  await probeDecoder(engine, bytes, inspectDecoder(bytes, { shape: HAND_MADE_SHAPE }), { key: KEY });
}

type Case = readonly [reason: RefusalReason, what: string, change: (graph: GraphProto, model: ModelProto) => void];

/** Puts an operator with constants in the place of the sigmoid. */
const instead = (operator: string, ...constants: number[]) => {
  return (graph: GraphProto): void => {
    const names = constants.map((_, i) => `constant${i}`);
    constants.forEach((value, i) => graph.initializer.push(floats(`constant${i}`, [], Float32Array.of(value))));
    graph.node[1] = node(operator, ['logits', ...names], ['pixels']);
  };
};

const CASES: readonly Case[] = [
  [
    'does-not-load',
    'operands whose shapes do not fit',
    (graph) => {
      graph.initializer[0] = floats('w', [3, 4], new Float32Array(12));
    },
  ],
  [
    'does-not-load',
    'an operator set that the runtime does not know',
    (_, model) => {
      model.opsetImport[0]!.version = 9_999n;
    },
  ],
  [
    'does-not-run',
    'images of another size than declared',
    (graph) => {
      graph.output = [port('x', ['n', 'a', 'b', 'c'])];
      graph.initializer[1] = integers('shape', [-1, 1, 1, 4]);
    },
  ],
  [
    'does-not-run',
    'a reshape that cannot be',
    (graph) => {
      graph.output = [port('x', ['n', 'a', 'b', 'c'])];
      graph.initializer[1] = integers('shape', [-1, 1, 7, 1]);
    },
  ],
  ['non-finite', 'a division by zero', instead('Div', 0)],
  [
    'non-finite',
    'the root of a negative number',
    (graph) => {
      instead('Clip', -2, -1)(graph);
      graph.node.splice(2, 0, node('Sqrt', ['pixels'], ['roots']));
      graph.node[3]!.input[0] = 'roots';
    },
  ],
  ['out-of-range', 'no squashing at the end', instead('Identity')],
  ['out-of-range', 'images between -1 and 1', instead('Tanh')],
  ['constant', 'one image, whatever z', instead('Clip', 0.5, 0.5)],
];

describe('a trial draw refuses', () => {
  test.each(CASES)('as %s: %s', async (reason, _, change) => {
    const drawn = probe(handMadeDecoder((model, graph) => change(graph, model)));
    await expect(drawn).rejects.toBeInstanceOf(ReleaseError);
    await expect(drawn).rejects.toMatchObject({ code: 'RELEASE', facts: { reason } });
  });
});

describe('a trial draw passes', () => {
  test('a sound decoder', async () => {
    await probe(handMadeDecoder());
  });

  test('sides that were left open, where the images have the right size', async () => {
    await probe(
      handMadeDecoder((_, graph) => {
        graph.output = [port('x', ['n', 'a', 'b', 'c'])];
      }),
    );
  });

  test.each([1, 3, 8, 20])('a decoder that always makes %i images', async (n) => {
    await probe(
      handMadeDecoder((_, graph) => {
        graph.input = [port('z', [n, 2])];
        graph.output = [port('x', [n, 1, 2, 2])];
      }),
    );
  });

  test('pixels that rounding put just outside of [0, 1]', async () => {
    await probe(handMadeDecoder((_, graph) => instead('Clip', -0.0009, 1.0009)(graph)));
  });
});

test('the fallback engine draws, and refuses, as well', async () => {
  const wasm = await openEngine({ executor: 'wasm' });
  const tried = (bytes: Uint8Array) =>
    probeDecoder(wasm, bytes, inspectDecoder(bytes, { shape: HAND_MADE_SHAPE }), {
      key: childKey(KEY, 'wasm'),
    });
  await tried(handMadeDecoder());
  const unsquashed = handMadeDecoder((_, graph) => instead('Identity')(graph));
  await expect(tried(unsquashed)).rejects.toMatchObject({ facts: { reason: 'out-of-range' } });
});

test('errors that are not the decoder’s pass through', async () => {
  const openModel = () => Promise.reject(new DeviceError('This engine runs no files.'));
  const bytes = handMadeDecoder();
  const contract = inspectDecoder(bytes, { shape: HAND_MADE_SHAPE });
  await expect(probeDecoder({ openModel }, bytes, contract, { key: KEY })).rejects.toBeInstanceOf(DeviceError);
});
