import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  decoderHash,
  readUpload,
  smallSilo,
  smallVae,
  SMALL_LOSS,
  SMALL_MODEL,
  SMALL_TRAINING,
  temporaryFolder,
} from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import { vaeOf } from '../models/vae.ts';
import { createGlobalVae } from '../server/global-vae.ts';
import { drawPool, type Pool } from '../server/pool.ts';
import { createSiloRunner, type SiloRunner } from '../silo/silo.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import { alignStrategy } from './align.ts';
import { localPort } from './local-port.ts';
import { playRound } from './round.ts';

const ROOT = temporaryFolder();
const SHAPE = { channels: 1, height: 28, width: 28 };
const KEY = seedKey('align');

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

/** A federation of these silos in a folder of its own. */
async function federation(names: readonly string[], change: Readonly<Record<string, Partial<SiloConfig>>> = {}) {
  const folder = mkdtempSync(join(ROOT, 'case-'));
  const vae = vaeOf(SMALL_MODEL, SHAPE);
  const file = join(folder, 'global.safetensors');
  const pools: Pool[] = [];
  const open = async () => {
    const { learn } = await createGlobalVae({
      engine,
      vae,
      loss: SMALL_LOSS,
      training: SMALL_TRAINING,
      file,
      key: KEY,
    });
    return alignStrategy({
      run: 'align',
      learn,
      async draw(round, releases, hooks) {
        const key = childKey(KEY, `round-${round}`, 'pool');
        const signal = hooks?.signal;
        const pool = await drawPool({ engine, releases, images: 8, imagesPer: 'silo', shape: SHAPE, key, signal });
        pools.push(pool);
        return pool.images;
      },
    });
  };
  const configs = names.map((name) => smallSilo(name, folder, change[name]));
  const silos = configs.map((config) => localPort(runner, config));
  const play = async (round: number, signal?: AbortSignal) => {
    const { uploads, global } = await playRound({
      round,
      strategy: await open(),
      silos,
      atOnce: 2,
      emit: () => {},
      signal,
    });
    return { uploads: await Promise.all(uploads.map(readUpload)), global };
  };
  return { configs, file, pools, play };
}

describe('ALIGN-FL', () => {
  test('never overwrites a silo: what it gives in round 2 does not depend on who else takes part', async () => {
    const one = await federation(['north', 'east']);
    const two = await federation(['west', 'north', 'south']);
    await one.play(1);
    await two.play(1);
    const [first, second] = [await one.play(2), await two.play(2)];
    expect(decoderHash(first.uploads[0] as never)).toBe(decoderHash(second.uploads[1] as never));
    const stateOf = (config: SiloConfig | undefined) => readFileSync(join(config?.stateDir ?? '', 'state.safetensors'));
    expect(stateOf(one.configs[0]).equals(stateOf(two.configs[1]))).toBe(true);
    expect(first.global).not.toEqual(second.global);
  });

  test('joins silos of different architectures and latent sizes in one pool, which the server learns from', async () => {
    const architectures = {
      small: { model: smallVae({ kind: 'mlp', hidden: [4], latent: 1 }) },
      deep: { model: smallVae({ kind: 'mlp', hidden: [9, 6], latent: 5 }) },
      conv: { model: smallVae({ kind: 'conv', channels: [2, 2], latent: 3 }) },
    } as const;
    const { play, pools } = await federation(['small', 'deep', 'conv'], architectures);
    const { uploads, global } = await play(1);
    expect(uploads.map((upload) => upload.kind === 'decoder' && upload.decoder.latent)).toEqual([1, 5, 3]);
    expect(pools[0]?.shares.map(({ silo, count }) => [silo, count])).toEqual([
      ['small', 8],
      ['deep', 8],
      ['conv', 8],
    ]);
    expect(Object.values(global!).every((values) => values.every(Number.isFinite))).toBe(true);
  });

  test('draws another pool in every round', async () => {
    const { play, pools } = await federation(['north']);
    await play(1);
    await play(2);
    expect(pools).toHaveLength(2);
    expect(pools[0]?.images).not.toEqual(pools[1]?.images);
  });

  test('a round that is played again, complete or not, ends with the same decoders and the same global model', async () => {
    const undisturbed = await federation(['north', 'east']);
    await undisturbed.play(1);
    const wanted = await undisturbed.play(2);

    const other = await federation(['north', 'east']);
    await other.play(1);
    const abort = new AbortController();
    const stopped = playStopped(other, abort);
    await expect(stopped).rejects.toThrow(AbortedError);
    expect(await other.play(2)).toEqual(wanted);
    const poolsDrawn = other.pools.length;
    expect(await other.play(2)).toEqual(wanted);
    expect(other.pools).toHaveLength(poolsDrawn); // all was on disk
    expect(existsSync(other.file)).toBe(true);
    expect(readFileSync(other.file).equals(readFileSync(undisturbed.file))).toBe(true);
  });
});

/** Plays round 2 and stops it when the first silo has answered. */
async function playStopped({ play, configs }: Awaited<ReturnType<typeof federation>>, abort: AbortController) {
  const [first] = configs;
  await runner.play(first as SiloConfig, { kind: 'train-own', run: 'align', round: 2 });
  abort.abort();
  return play(2, abort.signal);
}
