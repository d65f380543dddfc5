import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decoderHash, smallSilo, temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
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
const PRIVATE = {
  mechanism: 'dp-sgd',
  epsilon: 8,
  delta: 1e-3,
  mode: 'full',
  clipping: 'auto-s',
  clipNorm: 1,
  quantile: 0.5,
  records: null,
  noise: 'seeded',
  averaging: null,
  normaliseLoss: false,
  physicalBatch: null,
} as const;

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

async function released(privacy: SiloConfig['privacy']): Promise<Release> {
  return (await runner.play(smallSilo('north', mkdtempSync(join(ROOT, 'case-')), { privacy }), own)) as Release;
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
