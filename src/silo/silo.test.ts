import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  SMALL_PRIVACY,
  decoderHash,
  smallSilo,
  smallVae,
  SMALL_MODEL,
  temporaryFolder,
} from '../../test/small-silos.ts';
import { drawDigits } from '../data/drawn-digits.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import type { Release } from '../exchange/release.ts';
import { NumericalError, PrivacyError, StateError } from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import type { WeightsUpdate } from '../exchange/weights-update.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import type { DpSgdOptions } from '../privacy/dp-plan.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import { NO_AUGMENTATION } from '../training/augmentation.ts';
import { loadState, saveState, type StoredState } from '../training/state-file.ts';
import { createSiloRunner, type SiloRunner } from './silo.ts';
import type { SiloConfig } from './silo-config.ts';

const ROOT = temporaryFolder();
const GREY = { channels: 1, height: 28, width: 28 };
const VAE = vaeOf(SMALL_MODEL, GREY);
const folder = () => mkdtempSync(join(ROOT, 'case-'));
const own = (round: number): Task => ({ kind: 'train-own', run: 'silo', round });
const given = (round: number, weights: WeightsUpdate['weights']): Task => ({
  kind: 'train-given',
  run: 'silo',
  round,
  weights,
});
const stateOf = (config: SiloConfig) => loadState(join(config.stateDir, 'state.safetensors'));

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

/** The hash of what a fresh silo gives away in round 1. */
async function firstHash(name: string, change: Partial<SiloConfig> = {}): Promise<string> {
  return decoderHash(await runner.play(smallSilo(name, folder(), change), own(1)));
}

describe('what a silo gives away', () => {
  test('is the decoder of its own state, and no weight of the encoder can be found in it', async () => {
    const config = smallSilo('north', folder());
    const release = (await runner.play(config, own(1))) as Release;
    const parameters = (await stateOf(config))?.parameters ?? {};
    expect(Buffer.from(exportDecoder(VAE, parameters, GREY)).equals(release.decoder.onnx)).toBe(true);
    const bytes = Buffer.from(release.decoder.onnx);
    for (const [name, values] of Object.entries(parameters)) {
      const found = [...values].filter((value) => bytes.includes(Buffer.from(Float32Array.of(value).buffer))).length;
      if (name.startsWith('decoder.')) expect(found, name).toBe(values.length);
      else expect(found / values.length, name).toBeLessThan(0.01); // four bytes may meet by chance
    }
    expect(Object.keys(release).sort()).toEqual(['decoder', 'kind', 'privacy', 'round', 'silo']);
  });

  test('depends on its name, its seed and its images, and on nothing that surrounds it', async () => {
    const north = await firstHash('north');
    expect(await firstHash('north')).toBe(north); // another folder
    const fresh = createSiloRunner(engine);
    expect(decoderHash(await fresh.play(smallSilo('north', folder()), own(1)))).toBe(north); // another runner
    const { images } = smallSilo('north', folder());
    const others = [
      await firstHash('south', { images }), // the same images under another name: other random numbers
      await firstHash('north', { seed: 8 }),
      await firstHash('north', { images: smallSilo('south', folder()).images }),
      await firstHash('north', { model: smallVae({ ...SMALL_MODEL, latent: 3 }) }),
    ];
    expect(new Set([north, ...others]).size).toBe(5);
  });
});

describe('the state of a silo', () => {
  test('goes on from round to round, on its own disk', async () => {
    const config = smallSilo('north', folder());
    await runner.play(config, own(1));
    const moved = smallSilo('north', folder());
    cpSync(config.stateDir, moved.stateDir, { recursive: true });
    const second = decoderHash(await runner.play(config, own(2)));
    expect(await stateOf(config)).toMatchObject({ round: 2, finished: true });
    expect(decoderHash(await runner.play(moved, own(2)))).toBe(second); // its past is all in the folder
    await expect(runner.play(smallSilo('north', folder()), own(2))).rejects.toThrow(StateError); // no past, no future
  });

  test('is what a task brings where the task brings weights, whatever the silo had before', async () => {
    const weights = initialParameters(VAE.parameters, seedKey('given'));
    const config = smallSilo('north', folder());
    const first = (await runner.play(config, given(1, weights))) as WeightsUpdate;
    const second = (await runner.play(config, given(2, weights))) as WeightsUpdate;
    const other = (await runner.play(smallSilo('north', folder()), given(2, weights))) as WeightsUpdate;
    expect(first.weights).not.toEqual(second.weights); // other random numbers in another round
    expect(second).toEqual(other); // of round 1 nothing is left
    expect(second.examples).toBe(24);
    expect(Object.keys(second.weights).sort()).toEqual(Object.keys(VAE.parameters).sort());
  });

  test('of one round is not touched by a task that brings other weights for the same round', async () => {
    const config = smallSilo('north', folder());
    const first = await runner.play(config, given(1, initialParameters(VAE.parameters, seedKey('one'))));
    const again = await runner.play(config, given(1, initialParameters(VAE.parameters, seedKey('two'))));
    expect(again).toEqual(first);
  });
});

describe('one runner', () => {
  test('plays silos of different architectures and latent sizes', async () => {
    const architectures = [
      { kind: 'mlp', hidden: [8], latent: 2 },
      { kind: 'mlp', hidden: [6, 5], latent: 7 },
      { kind: 'conv', channels: [2, 3], latent: 4 },
    ] as const;
    for (const [i, architecture] of architectures.entries()) {
      const config = smallSilo(`silo-${i}`, folder(), { model: smallVae(architecture) });
      const release = (await runner.play(config, own(1))) as Release;
      expect(release.decoder).toMatchObject({ latent: architecture.latent, shape: GREY });
    }
  });

  test('goes on with its work after a task that failed, and the error is that of its task', async () => {
    const odd = smallSilo('odd', folder(), { model: smallVae({ kind: 'conv', channels: [2, 2, 2], latent: 2 }) });
    const plays = [
      runner.play(odd, own(1)).then(decoderHash, (error: Error) => error.name),
      runner.play(smallSilo('north', folder()), own(1)).then(decoderHash, (error: Error) => error.name),
    ];
    expect(await Promise.all(plays)).toEqual(['SpecError', await firstHash('north')]);
  });
});

describe('a private silo', () => {
  const privacy: DpSgdOptions = { ...SMALL_PRIVACY, epsilon: 20, physicalBatch: 24 };
  const privateSilo = (change: Partial<DpSgdOptions> = {}) =>
    smallSilo('north', folder(), { privacy: { ...privacy, ...change } });
  const chargesOf = async ({ ledgerDir }: SiloConfig) => (await readLedger(ledgerDir)).entries;
  const hasLedger = ({ ledgerDir }: SiloConfig) => existsSync(join(ledgerDir, 'ledger.jsonl'));

  test('pays for each round before its first step, and seals what leaves: a decoder or weights', async () => {
    const config = privateSilo();
    const story: string[] = [];
    const first = (await runner.play(config, own(1), {
      onSpent: ({ epsilon }) => story.push(`spent ${epsilon > 0}`),
      onStep: ({ step }) => story.push(`step ${step}`),
    })) as Release;
    expect(story.slice(0, 2)).toEqual(['spent true', 'step 1']);
    const second = (await runner.play(config, own(2))) as Release;
    const charges = await chargesOf(config);
    expect(charges.map(({ round, sealed }) => [round, sealed?.sha256])).toEqual([
      [1, first.decoder.sha256],
      [2, second.decoder.sha256],
    ]);
    const spent = epsilonOf({ type: 'composed', events: charges.map(({ event }) => event) }, 1e-5).epsilon;
    expect(second.privacy).toMatchObject({ guarantee: 'epsilon-delta', epsilon: spent, steps: 24 });
    expect(spent).toBeLessThanOrEqual(20);
    expect(first.privacy).toMatchObject({ steps: 12 });
    const other = privateSilo();
    const weights = initialParameters(VAE.parameters, seedKey('given'));
    const update = (await runner.play(other, given(1, weights))) as WeightsUpdate;
    expect(update.privacy).toMatchObject({ guarantee: 'epsilon-delta', steps: 12 });
    expect(await chargesOf(other)).toMatchObject([
      { purpose: 'train-given', sealed: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ]);
  });

  test('draws secure noise from nowhere that a seed leads to, and seeded noise from the seed alone', async () => {
    const hashes = async (noise: DpSgdOptions['noise']) => [
      decoderHash(await runner.play(privateSilo({ noise }), own(1))),
      decoderHash(await runner.play(privateSilo({ noise }), own(1))),
    ];
    const [secure, secureAgain] = await hashes('secure');
    const [seeded, seededAgain] = await hashes('seeded');
    expect(secureAgain).not.toBe(secure);
    expect(seededAgain).toBe(seeded);
  });

  test('claims what its ledger says when the release is sealed, also where sealing adds a charge', async () => {
    const config = privateSilo();
    const first = (await runner.play(config, own(1))) as Release;
    const stored = (await stateOf(config)) as StoredState;
    const parameters = { ...stored.parameters, 'decoder.1.bias': new Float32Array(784) };
    await saveState(join(config.stateDir, 'state.safetensors'), { ...stored, parameters });
    const other = (await runner.play(config, own(1))) as Release;
    expect(other.decoder.sha256).not.toBe(first.decoder.sha256);
    const charges = await chargesOf(config);
    expect(charges.map(({ sealed }) => sealed?.sha256)).toEqual([first.decoder.sha256, other.decoder.sha256]);
    const spent = epsilonOf({ type: 'composed', events: charges.map(({ event }) => event) }, 1e-5).epsilon;
    expect(other.privacy).toMatchObject({ epsilon: spent });
  });

  test('trains nothing over budget', async () => {
    const config = privateSilo();
    await setBudget(config.ledgerDir, { epsilon: 0.1, delta: 1e-5 }, () => new Date(0));
    const told: string[] = [];
    const hooks = { onSpent: () => told.push('spent'), onStep: () => told.push('step') };
    await expect(runner.play(config, own(1), hooks)).rejects.toThrow(PrivacyError);
    expect([told, await stateOf(config), hasLedger(config)]).toEqual([[], null, false]);
  });

  test('pays for nothing that is refused for another reason', async () => {
    const { images } = smallSilo('north', ROOT);
    const small = { ...initialParameters(VAE.parameters, seedKey('given')), 'decoder.1.bias': new Float32Array(3) };
    const odd = { kind: 'conv', channels: [2, 2, 2], latent: 2 } as const;
    for (const [config, task, error] of [
      [privateSilo(), own(2), 'StateError'],
      [privateSilo(), own(0), 'StateError'],
      [privateSilo({ epsilon: 1e-4 }), own(1), 'PrivacyError'], // so much noise that float32 cannot carry it
      [privateSilo(), given(1, small), 'ShapeError'],
      [smallSilo('north', folder(), { images, privacy, model: smallVae(odd) }), own(1), 'SpecError'],
    ] as const) {
      await expect(runner.play(config, task)).rejects.toMatchObject({ name: error });
      expect(hasLedger(config)).toBe(false);
    }
  });

  test('pays for no closed form that nobody would take, and for no mixed records', async () => {
    const gaussian = { mechanism: 'gaussian', epsilon: 8, delta: 1e-5, clipNorm: null, noise: 'secure' } as const;
    const huge: SiloConfig['model'] = {
      kind: 'linear-gaussian',
      options: { components: 64, frequencies: 28, rank: 784 },
      classes: { count: 10, offered: [0, 1] },
    };
    const mixing: SiloConfig['model'] = {
      kind: 'classifier',
      architecture: { kind: 'mlp', hidden: [], features: 2 },
      classes: 10,
      augmentation: { ...NO_AUGMENTATION, mixup: 0.2 },
      averaging: null,
    };
    for (const [model, mechanism, error] of [
      [huge, gaussian, { code: 'SPEC', facts: { path: 'generator' } }],
      [mixing, SMALL_PRIVACY, { code: 'PRIVACY', message: expect.stringContaining('mixup') as string }],
    ] as const) {
      const config = smallSilo('north', folder(), { model, privacy: mechanism });
      await expect(runner.play(config, own(1))).rejects.toMatchObject(error);
      expect(hasLedger(config)).toBe(false);
    }
  });

  test('pays again for a round whose training failed, but not for one that was stopped', async () => {
    const config = privateSilo();
    const stop = new AbortController();
    await expect(
      runner.play(config, own(1), { signal: stop.signal, onStep: () => stop.abort() }),
    ).rejects.toMatchObject({
      name: 'AbortedError',
    });
    const fail = () => {
      throw new NumericalError('as a loss that is infinite would be');
    };
    await expect(runner.play(config, own(1), { onStep: fail })).rejects.toThrow(NumericalError);
    expect(await chargesOf(config)).toMatchObject([{ isFailed: true }]);
    const release = (await runner.play(config, own(1))) as Release;
    const [failed, paid] = await chargesOf(config);
    expect([failed?.sealed, paid?.sealed?.sha256]).toEqual([null, release.decoder.sha256]);
    expect(release.privacy).toMatchObject({ steps: 12 });
  });

  test('that missed rounds across machines goes on from its own last one, and pays for what it does alone', async () => {
    const config: SiloConfig = { ...privateSilo(), plannedRounds: 4, gaps: 'allowed' };
    const fail = () => {
      throw new NumericalError('as a loss that is infinite would be');
    };
    await expect(runner.play(config, own(1), { onStep: fail })).rejects.toThrow(NumericalError);
    const second = (await runner.play(config, own(2))) as Release;
    await setBudget(config.ledgerDir, { epsilon: 0.1, delta: 1e-5 }, () => new Date(0));
    await expect(runner.play(config, own(3))).rejects.toThrow(PrivacyError);
    await setBudget(config.ledgerDir, { epsilon: 20, delta: 1e-5 }, () => new Date(0));
    const fourth = (await runner.play(config, own(4))) as Release;
    const charges = await chargesOf(config);
    expect(charges.map(({ round, isFailed, sealed }) => [round, isFailed, sealed?.sha256])).toEqual([
      [1, true, undefined],
      [2, false, second.decoder.sha256],
      [4, false, fourth.decoder.sha256],
    ]);
    const spent = epsilonOf({ type: 'composed', events: charges.map(({ event }) => event) }, 1e-5).epsilon;
    expect(fourth.privacy).toMatchObject({ epsilon: spent, steps: 36 }); // those of the round that failed, too
    expect(spent).toBeLessThan(20);
    rmSync(join(config.ledgerDir, 'ledger.jsonl'));
    await expect(runner.play(config, own(5))).rejects.toThrow(/knows nothing of round 4/);
  });

  test('that begins in a later round pays there for all that a beginning looks at', async () => {
    const gaussian = { mechanism: 'gaussian', epsilon: 8, delta: 1e-5, clipNorm: null, noise: 'secure' } as const;
    const options = { components: 1, frequencies: 4, rank: 2 };
    const model = { kind: 'linear-gaussian', options, classes: { count: 2, offered: [0, 1] } } as const;
    const images = drawDigits({ key: seedKey('late'), count: 400, classes: [0, 1] });
    const config = smallSilo('north', folder(), {
      model,
      images,
      privacy: gaussian,
      plannedRounds: 3,
      gaps: 'allowed',
    });
    const second = await runner.play(config, own(2));
    const third = await runner.play(config, own(3));
    expect(decoderHash(third)).toBe(decoderHash(second));
    expect(third.privacy).toEqual(second.privacy);
    const charges = await chargesOf(config);
    expect(charges.map(({ round, event }) => [round, event.type])).toEqual([
      [2, 'composed'],
      [3, 'noOp'],
    ]);
    expect((await runner.play(config, own(3))).privacy).toEqual(second.privacy);
    expect(await chargesOf(config)).toHaveLength(2);
  });

  test('stops where its ledger was lost', async () => {
    const config = privateSilo();
    await runner.play(config, own(1));
    rmSync(join(config.ledgerDir, 'ledger.jsonl'));
    for (const round of [1, 2])
      await expect(runner.play(config, own(round))).rejects.toThrow(/knows nothing of round 1/);
  });
});
