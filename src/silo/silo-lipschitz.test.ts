import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SMALL_PRIVACY, decoderHash, smallSilo, SMALL_TRAINING, temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { localLipschitz } from '../evaluation/local-lipschitz.ts';
import type { Release } from '../exchange/release.ts';
import type { Task } from '../exchange/task.ts';
import { verifyClaims } from '../exchange/verify-claims.ts';
import type { LipschitzFields } from '../privacy/lipschitz-options.ts';
import { createSiloRunner, type SiloRunner } from './silo.ts';
import type { SiloConfig } from './silo-config.ts';

const ROOT = temporaryFolder();
const own: Task = { kind: 'train-own', run: 'silo', round: 1 };
const NONE = { lipschitzWeight: null, lipschitzBound: null };
const FORMS: readonly LipschitzFields[] = [
  { ...NONE, lipschitzForm: 'paper-penalty', lipschitzWeight: 1 },
  { ...NONE, lipschitzForm: 'spectral-normalisation', lipschitzBound: 0.5 },
];
const PRIVATE = { ...SMALL_PRIVACY, delta: 1e-3, noise: 'seeded' } as const;

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

async function released(privacy: SiloConfig['privacy'], change: Partial<SiloConfig> = {}): Promise<Release> {
  const config = smallSilo('north', mkdtempSync(join(ROOT, 'case-')), { ...change, privacy });
  return (await runner.play(config, own)) as Release;
}

describe.each(FORMS)('a silo under $lipschitzForm', (fields) => {
  test('releases another decoder than without, and never claims a guarantee', async () => {
    const { lipschitzForm } = fields;
    const release = await released({ ...fields, mechanism: 'lipschitz', lipschitzForm: lipschitzForm! });
    expect(decoderHash(release)).not.toBe(decoderHash(await released({ mechanism: 'none' })));
    expect(release.privacy).toMatchObject({
      guarantee: 'none',
      epsilon: 'Infinity',
      lipschitz: { form: lipschitzForm },
    });
    expect(verifyClaims(release.decoder.onnx, release.privacy) !== null).toBe(
      lipschitzForm === 'spectral-normalisation',
    );
  });

  test('may train privately as well, and says both', async () => {
    const release = await released({ ...PRIVATE, ...fields });
    expect(decoderHash(release)).not.toBe(decoderHash(await released(PRIVATE)));
    expect(release.privacy).toMatchObject({ mechanism: 'dp-sgd', lipschitz: { form: fields.lipschitzForm } });
    expect(verifyClaims(release.decoder.onnx, release.privacy) !== null).toBe(
      fields.lipschitzForm === 'spectral-normalisation',
    );
  });
});

test('a weight of zero is no control at all: the same decoder', async () => {
  const zero = {
    mechanism: 'lipschitz',
    lipschitzForm: 'paper-penalty',
    lipschitzWeight: 0,
    lipschitzBound: null,
  } as const;
  expect(decoderHash(await released(zero))).toBe(decoderHash(await released({ mechanism: 'none' })));
});

describe('the slope that is measured in the end', () => {
  const local = { ...SMALL_TRAINING, epochs: 15, optimizer: { ...SMALL_TRAINING.optimizer, learningRate: 1e-2 } };

  async function slopeUnder(privacy: SiloConfig['privacy']): Promise<number> {
    const { decoder } = await released(privacy, { local });
    const { onnx, latent, shape } = decoder;
    return (await localLipschitz({ engine, onnx, latent, shape, key: seedKey('slope'), draws: 32 })).largest;
  }

  test.each([
    ['paper-penalty', 0.1, 1],
    ['jacobian-spectral', 10, 100],
    ['jacobian-frobenius', 5, 30],
  ] as const)('falls with the weight of %s', async (lipschitzForm, low, high) => {
    const lipschitzBound = lipschitzForm === 'paper-penalty' ? null : 0.2;
    const fields = { mechanism: 'lipschitz', lipschitzForm, lipschitzBound } as const;
    const [none, little, much] = [
      await slopeUnder({ mechanism: 'none' }),
      await slopeUnder({ ...fields, lipschitzWeight: low }),
      await slopeUnder({ ...fields, lipschitzWeight: high }),
    ];
    expect(little).toBeLessThan(none);
    expect(much).toBeLessThan(little);
  });

  test('is below the bound of spectral normalisation, and falls with it', async () => {
    const normalised = {
      mechanism: 'lipschitz',
      lipschitzForm: 'spectral-normalisation',
      lipschitzWeight: null,
    } as const;
    const [loose, tight] = [
      await slopeUnder({ ...normalised, lipschitzBound: 1 }),
      await slopeUnder({ ...normalised, lipschitzBound: 0.2 }),
    ];
    expect(loose).toBeLessThan(1);
    expect(tight).toBeLessThan(0.2);
    expect(tight).toBeLessThan(loose);
  });
});
