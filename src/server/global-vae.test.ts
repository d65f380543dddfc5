import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SMALL_LOSS, SMALL_MODEL, SMALL_TRAINING, temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { AbortedError, StateError } from '../errors.ts';
import { vaeOf } from '../models/vae.ts';
import { loadState } from '../training/state-file.ts';
import { createGlobalVae } from './global-vae.ts';

const ROOT = temporaryFolder();
const KEY = seedKey('global-vae');
const VAE = vaeOf(SMALL_MODEL, { channels: 1, height: 4, width: 4 });

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

const fileOf = (folder: string) => join(folder, 'global', 'state.safetensors');
const globalVae = (folder: string) =>
  createGlobalVae({ engine, vae: VAE, loss: SMALL_LOSS, training: SMALL_TRAINING, file: fileOf(folder), key: KEY });
const images = (round: number) => async () =>
  Float32Array.from(uniforms(childKey(KEY, 'images', round), 20 * VAE.pixels));

describe('the global model', () => {
  test('goes on from its own last weights, round after round, and keeps them on disk', async () => {
    const folder = mkdtempSync(join(ROOT, 'case-'));
    const global = await globalVae(folder);
    const first = await global.learn(1, images(1));
    const second = await global.learn(2, images(2));
    expect(await loadState(fileOf(folder))).toMatchObject({ round: 2, finished: true, parameters: second });

    expect(first).not.toEqual(second);
    const skipping = (await globalVae(mkdtempSync(join(ROOT, 'case-')))).learn(2, images(2));
    await expect(skipping).rejects.toThrow(StateError); // a lost state is not made up
  });

  test('draws no images for a round that is complete', async () => {
    const folder = mkdtempSync(join(ROOT, 'case-'));
    const first = await (await globalVae(folder)).learn(1, images(1));
    const again = await (await globalVae(folder)).learn(1, () => expect.fail('drawn in vain'));
    expect(again).toEqual(first);
  });

  test('that was stopped in the middle of a round ends it to the same bytes', async () => {
    const [whole, stopped] = [mkdtempSync(join(ROOT, 'case-')), mkdtempSync(join(ROOT, 'case-'))] as const;
    const global = await globalVae(whole);
    await global.learn(1, images(1));
    await global.learn(2, images(2));
    const other = await globalVae(stopped);
    await other.learn(1, images(1));
    const abort = new AbortController();
    const hooks = { signal: abort.signal, onStep: ({ step }: { step: number }) => void (step === 7 && abort.abort()) };
    await expect(other.learn(2, images(2), hooks)).rejects.toThrow(AbortedError);
    await (await globalVae(stopped)).learn(2, images(2));
    expect(readFileSync(fileOf(stopped)).equals(readFileSync(fileOf(whole)))).toBe(true);
  });
});
