// One contract, every way to reach a silo: what a round may rely on, whatever stands behind the port.

import { existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  decoderHash,
  readUpload,
  smallSilo,
  smallVae,
  SMALL_MODEL,
  SMALL_TRAINING,
  temporaryFolder,
} from '../../test/small-silos.ts';
import { openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { AbortedError, NumericalError, SpecError, StateError } from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { createSiloRunner } from '../silo/silo.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import { localPort } from './local-port.ts';
import type { SiloDiary, SiloProgress } from './silo-diary.ts';
import type { SiloPort } from './silo-port.ts';
import { openSiloThreads } from './thread-port.ts';

interface Way {
  port(config: SiloConfig, diary?: SiloDiary): SiloPort;
  close(): Promise<void>;
}

async function locally(): Promise<Way> {
  const engine = await openEngine({ executor: 'onnxruntime' });
  const runner = createSiloRunner(engine);
  return { port: (config, diary) => localPort(runner, config, diary), close: () => engine.close() };
}

const WAYS: readonly (readonly [string, () => Promise<Way>])[] = [
  ['in this thread', locally],
  ['in threads', async () => openSiloThreads({ engine: { executor: 'onnxruntime', threads: 1 } }, 2)],
];

const ROOT = temporaryFolder();
const own = (round: number): Task => ({ kind: 'train-own', run: 'contract', round });
const folder = () => mkdtempSync(join(ROOT, 'case-'));
const stateOf = (config: SiloConfig) => join(config.stateDir, 'state.safetensors');

/** What a silo that nobody disturbed gives away in rounds 1 and 2. */
let undisturbed: readonly string[] = [];
beforeAll(async () => {
  const way = await locally();
  const port = way.port(smallSilo('north', folder()));
  undisturbed = [decoderHash(await port.play(own(1))), decoderHash(await port.play(own(2)))];
  await way.close();
});

describe.each(WAYS)('a silo %s', (_, open) => {
  let way: Way;
  beforeAll(async () => {
    way = await open();
  });
  afterAll(() => way.close());

  test('has its name, trains, and gives away the same decoders as anywhere', async () => {
    const port = way.port(smallSilo('north', folder()));
    expect(port.name).toBe('north');
    const first = await port.play(own(1));
    expect(first).toMatchObject({ kind: 'decoder', silo: 'north', round: 1, privacy: { mechanism: 'none' } });
    expect([decoderHash(first), decoderHash(await port.play(own(2)))]).toEqual(undisturbed);
  });

  test('answers the same task twice with the same upload, and trains once', async () => {
    const config = smallSilo('north', folder());
    const first = await way.port(config).play(own(1));
    const { mtimeMs, ino } = statSync(stateOf(config));
    const heard: unknown[] = [];
    const diary = { onProgress: (one: unknown) => heard.push(one), onEpoch: (one: unknown) => heard.push(one) };
    const again = await way.port(config, diary as never).play(own(1));
    expect(await readUpload(again)).toEqual(await readUpload(first));
    expect(heard).toEqual([]);
    expect(statSync(stateOf(config))).toMatchObject({ mtimeMs, ino });
  });

  test('tells every epoch and how far it is, never backward, to the last step', async () => {
    const progress: SiloProgress[] = [];
    const epochs: [number, readonly string[]][] = [];
    const diary: SiloDiary = {
      onProgress: (round, one) => round === 1 && progress.push(one),
      onEpoch: (round, epoch, terms) => round === 1 && epochs.push([epoch, Object.keys(terms).sort()]),
    };
    await way.port(smallSilo('north', folder()), diary).play(own(1));
    const terms = ['kl', 'loss', 'reconstruction'];
    expect(epochs).toEqual([1, 2, 3, 4].map((epoch) => [epoch, terms]));
    const steps = progress.map(({ step }) => step);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(progress.at(-1)).toMatchObject({ step: 12, steps: 12, epoch: 4 });
  });

  test('starts from the weights it is given where a task brings them, and then gives all of its own', async () => {
    const vae = vaeOf(SMALL_MODEL, { channels: 1, height: 28, width: 28 });
    const weights = initialParameters(vae.parameters, seedKey('given'));
    const config = smallSilo('north', folder());
    const upload = await way.port(config).play({ kind: 'train-given', run: 'contract', round: 1, weights });
    const elsewhere = await locally();
    const twin = await elsewhere
      .port(smallSilo('north', folder()))
      .play({ kind: 'train-given', run: 'contract', round: 1, weights });
    await elsewhere.close();
    expect(upload).toMatchObject({ kind: 'weights', silo: 'north', round: 1, examples: 24 });
    expect(upload).toEqual(twin);
  });

  test('stops on request with an AbortedError, and the same task then ends as if nothing had happened', async () => {
    const config = smallSilo('north', folder(), { local: { ...SMALL_TRAINING, epochs: 5000 } });
    const abort = new AbortController();
    const stopped = way.port(config, { onEpoch: () => abort.abort() }).play(own(1), { signal: abort.signal });
    await expect(stopped).rejects.toThrow(AbortedError);
    expect(existsSync(stateOf(config))).toBe(false);
    const port = way.port({ ...config, local: SMALL_TRAINING });
    expect(decoderHash(await port.play(own(1), { signal: new AbortController().signal }))).toBe(undisturbed[0]);
    const second = new AbortController();
    const stopping = way.port(
      { ...config, local: SMALL_TRAINING },
      { onEpoch: (_, epoch) => void (epoch === 2 && second.abort()) },
    );
    const rest = stopping.play(own(2), { signal: second.signal });
    const outcome = await rest.then(decoderHash, (error: unknown) => error);
    // Between its last step and the answer there is nothing left to stop: both ends are sound.
    if (outcome !== undisturbed[1]) expect(outcome).toBeInstanceOf(AbortedError);
    expect(decoderHash(await port.play(own(2)))).toBe(undisturbed[1]);
  });

  test('does not begin where the signal has fired already', async () => {
    const config = smallSilo('north', folder());
    await expect(way.port(config).play(own(1), { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
    expect(existsSync(stateOf(config))).toBe(false);
    expect(decoderHash(await way.port(config).play(own(1)))).toBe(undisturbed[0]);
  });

  test('fails with the error of its own class, message and facts', async () => {
    const config = smallSilo('north', folder());
    const port = way.port(config);
    await port.play(own(1));
    await port.play(own(2));
    const bytes = readFileSync(stateOf(config));
    const late: unknown = await port.play(own(1)).catch((error: unknown) => error);
    expect(late).toBeInstanceOf(StateError);
    expect(late).toMatchObject({ code: 'STATE', facts: { round: 1, storedRound: 2, file: stateOf(config) } });
    expect(readFileSync(stateOf(config)).equals(bytes)).toBe(true);

    const hasty = { ...SMALL_TRAINING, optimizer: { kind: 'sgd', learningRate: 10, momentum: 0.9 } } as const;
    const wild: unknown = await way
      .port(
        smallSilo('wild', folder(), {
          local: hasty,
          model: { kind: 'vae', architecture: SMALL_MODEL, loss: { reconstruction: 'mse', klWeight: 1e6 } },
        }),
      )
      .play(own(1))
      .catch((error: unknown) => error);
    expect(wild).toBeInstanceOf(NumericalError);
    expect((wild as NumericalError).facts).toMatchObject({ key: expect.stringMatching(/^run\/wild\/.*\/epoch-\d$/) });

    const odd = smallSilo('odd', folder(), { model: smallVae({ kind: 'conv', channels: [2, 2, 2], latent: 2 }) });
    await expect(way.port(odd).play(own(1))).rejects.toThrow(SpecError);
    expect(decoderHash(await way.port(smallSilo('north', folder())).play(own(1)))).toBe(undisturbed[0]);
  });

  test('does not mind others at work at the same time, be they as many as they like', async () => {
    const names = ['north', 'east', 'south', 'west', 'middle'];
    const ports = names.map((name) => way.port(smallSilo(name, folder())));
    const together = await Promise.all(ports.map(async (port) => decoderHash(await port.play(own(1)))));
    const alone: string[] = [];
    for (const name of names) alone.push(decoderHash(await way.port(smallSilo(name, folder())).play(own(1))));
    expect(together).toEqual(alone);
    expect(new Set(together).size).toBe(names.length);
  });
});
