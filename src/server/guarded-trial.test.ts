import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GraphProto, ModelProto } from 'onnx-buf';
import { afterAll, expect, test } from 'vitest';
import { floats, HAND_MADE_SHAPE, handMadeDecoder, integers, node } from '../../test/hand-made-decoder.ts';
import { seedKey } from '../engine/keys.ts';
import { AbortedError, AlignError, ReleaseError, StateError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { type DecoderTrialsOptions, openDecoderTrials, type TrialHeader } from './guarded-trial.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'align-fl-trials-'));
const OPTIONS: DecoderTrialsOptions = { shape: HAND_MADE_SHAPE, classes: null, key: seedKey('trials') };
const LIMITS = { timeoutMs: 3000, memoryBytes: 2 ** 29 };
const trials = openDecoderTrials({ ...OPTIONS, limits: LIMITS });
const hasty = openDecoderTrials({ ...OPTIONS, limits: { timeoutMs: 200, memoryBytes: 2 ** 31 } });
afterAll(async () => {
  await Promise.all([trials.close(), hasty.close()]);
  rmSync(FOLDER, { recursive: true, force: true });
});

let files = 0;
function written(bytes: Uint8Array, change: Partial<TrialHeader['decoder']> = {}): [string, TrialHeader] {
  const file = join(FOLDER, `${files++}.onnx`);
  writeFileSync(file, bytes);
  const said = {
    sha256: contentHash(bytes),
    sizeBytes: bytes.length,
    latent: 2,
    shape: HAND_MADE_SHAPE,
    classes: null,
  };
  return [
    file,
    {
      silo: 'north',
      round: 3,
      decoder: { ...said, ...change },
      privacy: { mechanism: 'none', guarantee: 'none', epsilon: 'Infinity', delta: null, text: 'None.' },
    },
  ];
}

async function reasonOf(trial: Promise<void>): Promise<unknown> {
  try {
    await trial;
    return 'sound';
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    expect(error.facts).toMatchObject({ silo: 'north', round: 3 });
    expect(error.message.length).toBeLessThan(2500);
    return error.facts['reason'];
  }
}

/** The sound decoder, to whose logits the first number of what `nodes` makes of z is added, times zero. */
function withDetour(nodes: (graph: GraphProto) => void): Uint8Array {
  return handMadeDecoder((_, graph) => {
    const [matMul, ...rest] = graph.node as [GraphProto['node'][number], ...GraphProto['node']];
    graph.node = [];
    nodes(graph);
    graph.initializer.push(floats('zero', [1], Float32Array.of(0)), integers('all', [0]));
    matMul.output = ['plain'];
    graph.node.push(
      matMul,
      node('Mul', ['detour', 'zero'], ['nothing']),
      node('Add', ['plain', 'nothing'], ['logits']),
    );
    graph.node.push(...rest);
  });
}

/** `sides` of ones times the first code of the first image, products of it `times`, and the sum of all. */
const heavy = (side: number, times: number) =>
  withDetour((graph) => {
    graph.initializer.push(integers('big', [side, side]), integers('first', [0]), integers('second', [1]));
    graph.node.push(
      node('ReduceSum', ['z', 'all'], ['codes']),
      node('ReduceSum', ['codes'], ['code']),
      node('Expand', ['code', 'big'], ['m0']),
    );
    for (let i = 0; i < times; i++) graph.node.push(node('MatMul', [`m${i}`, 'm0'], [`m${i + 1}`]));
    graph.node.push(node('ReduceMean', [`m${times}`], ['mean']), node('Clip', ['mean'], ['clipped']));
    graph.node.push(node('Reshape', ['clipped', 'one'], ['detour']));
    graph.initializer.push(integers('one', [1]));
  });

test('sound decoders pass, one after another, in one process', async () => {
  const [file, header] = written(handMadeDecoder());
  await Promise.all([1, 2, 3].map(() => trials.inspect(file, header)));
  expect(trials.peakBytes()).toBeGreaterThan(2 ** 25);
});

test.each<readonly [string, string, (model: ModelProto, graph: GraphProto) => void]>([
  ['operator', 'what inspection finds', (_, graph) => graph.node.unshift(node('Loop', ['z'], ['nothing']))],
  ['does-not-run', 'what the runtime finds', (_, graph) => (graph.initializer[1] = integers('shape', [-1, 1, 3, 5]))],
  ['out-of-range', 'what the images show', (_, graph) => (graph.node[1] = node('Exp', ['logits'], ['pixels']))],
  ['non-finite', 'what the images show', (_, graph) => (graph.node[1] = node('Log', ['logits'], ['pixels']))],
])('a decoder is refused as %s: %s', async (reason, _, change) => {
  expect(await reasonOf(trials.inspect(...written(handMadeDecoder(change))))).toBe(reason);
});

test.each<readonly [string, Partial<TrialHeader['decoder']>]>([
  ['hash', { sha256: contentHash('another') }],
  ['size', { sizeBytes: 7 }],
  ['latent size', { latent: 3 }],
  ['shape', { shape: { channels: 1, height: 4, width: 1 } }],
])('a header that tells of another %s is refused', async (_, change) => {
  expect(await reasonOf(trials.inspect(...written(handMadeDecoder(), change)))).toBe('not-as-declared');
});

test('a decoder that asks for more memory than it may is refused, and the next one tried', async () => {
  expect(await reasonOf(trials.inspect(...written(heavy(2 ** 14, 1))))).toBe('trial-memory');
  expect(await reasonOf(trials.inspect(...written(heavy(2 ** 20, 1))))).toBe('trial-memory');
  expect(await reasonOf(trials.inspect(...written(handMadeDecoder())))).toBe('sound');
});

test('a decoder that takes longer than it may is refused', async () => {
  expect(await reasonOf(hasty.inspect(...written(heavy(2 ** 11, 100))))).toBe('trial-timeout');
});

test('who waits can stop: at work, in turn and before', async () => {
  const slow = openDecoderTrials({ ...OPTIONS, limits: { memoryBytes: 2 ** 31 } });
  const stop = new AbortController();
  const first = slow.inspect(...written(heavy(2 ** 11, 100)), { signal: stop.signal });
  const second = slow.inspect(...written(handMadeDecoder()), { signal: stop.signal });
  const third = slow.inspect(...written(handMadeDecoder()));
  const waiting = Promise.allSettled([first, second, third]);
  stop.abort();
  const aborted = { status: 'rejected', reason: expect.any(AbortedError) as AbortedError };
  expect(await waiting).toMatchObject([aborted, aborted, { status: 'fulfilled' }]);
  const [fourth] = await Promise.allSettled([slow.inspect(...written(handMadeDecoder())), slow.close()]);
  expect(fourth).toMatchObject(aborted);
  await expect(slow.inspect(...written(handMadeDecoder()))).rejects.toBeInstanceOf(AbortedError);
});

test('a file that is not there, and a process that cannot start, are not held against the decoder', async () => {
  const [file, header] = written(handMadeDecoder());
  await expect(trials.inspect(`${file}.gone`, header)).rejects.toBeInstanceOf(StateError);
  const starved = openDecoderTrials({ ...OPTIONS, limits: { memoryBytes: 2 ** 20 } });
  const error = await starved.inspect(file, header).catch((one: unknown) => one);
  await starved.close();
  expect(error).toBeInstanceOf(AlignError);
  expect((error as AlignError).code).toBe('DEVICE');
});
