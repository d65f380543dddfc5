// Silos small enough for tests: drawn digits of two classes, a little model, folders of their own.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { drawDigits } from '../src/data/drawn-digits.ts';
import { childKey, seedKey } from '../src/engine/keys.ts';
import type { ReceivedUpload, Upload } from '../src/exchange/upload.ts';
import type { DpSgdOptions } from '../src/privacy/dp-plan.ts';
import type { Architecture } from '../src/models/architecture.ts';
import type { SiloConfig } from '../src/silo/silo-config.ts';
import type { SiloModel } from '../src/silo/silo-model.ts';

/** The default model of `smallSilo`. */
export const SMALL_MODEL = { kind: 'mlp', hidden: [8], latent: 2 } as const;
/** The default loss of `smallSilo`. */
export const SMALL_LOSS = { reconstruction: 'mse', klWeight: 1 } as const;
/** Twelve steps on the 24 images of a small silo. */
export const SMALL_TRAINING = {
  epochs: 4,
  batchSize: 8,
  optimizer: { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
  schedule: { kind: 'constant' },
} as const;

/** DP-SGD with the options of a spec that names epsilon and delta alone. */
export const SMALL_PRIVACY: DpSgdOptions = {
  mechanism: 'dp-sgd',
  epsilon: 8,
  delta: 1e-5,
  mode: 'full',
  clipping: 'auto-s',
  clipNorm: 1,
  quantile: 0.5,
  records: null,
  noise: 'secure',
  averaging: null,
  normaliseLoss: false,
  physicalBatch: null,
};

/** A folder that is deleted when the tests of the file are done. Call it outside of tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'align-fl-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The autoencoder of a small silo. */
export function smallVae(architecture: Architecture = SMALL_MODEL): SiloModel {
  return { kind: 'vae', architecture, loss: SMALL_LOSS };
}

/** A silo with 24 images of two classes, which depend on its name alone; its state lies in `folder`. */
export function smallSilo(name: string, folder: string, change: Partial<SiloConfig> = {}): SiloConfig {
  return {
    name,
    model: smallVae(),
    local: SMALL_TRAINING,
    privacy: { mechanism: 'none' },
    plannedRounds: 2,
    stateDir: join(folder, name),
    ledgerDir: join(folder, name),
    seed: 7,
    images: drawDigits({ key: childKey(seedKey('small-silo'), name), count: 24, classes: [0, 1] }),
    ...change,
  };
}

/** An upload with its decoder's bytes read, to be compared. */
export async function readUpload(upload: ReceivedUpload) {
  if (upload.kind !== 'decoder') return upload;
  const { bytes, ...about } = upload.decoder;
  return { ...upload, decoder: { ...about, onnx: await bytes() } };
}

/** The hash of an uploaded decoder. */
export function decoderHash(upload: Upload | ReceivedUpload): string {
  if (upload.kind !== 'decoder') throw new Error(`expected a decoder, got ${upload.kind}`);
  return upload.decoder.sha256;
}
