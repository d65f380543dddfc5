import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { float32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { NumericalError, PrivacyError, ReleaseError, ShapeError } from '../errors.ts';
import type { Architecture } from '../models/architecture.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { initialParameters } from '../models/initialise.ts';
import { type Parameters, sigmoid } from '../models/layers.ts';
import { portableModel } from '../models/portable-model.ts';
import { decoderPart, type Vae, vaeOf } from '../models/vae.ts';
import * as gate from './gate.ts';
import { inspectDecoder } from './inspect.ts';
import { NO_PRIVACY } from './privacy-statement.ts';
import { probeDecoder } from './probe.ts';
import type { Release, ReleasedDecoder } from './release.ts';

const SHAPE = { channels: 1, height: 16, width: 16 };
const KEY = seedKey('gate');
const MODELS: readonly (readonly [string, Architecture])[] = [
  ['dense', { kind: 'mlp', hidden: [48, 24], latent: 2 }],
  ['convolutional', { kind: 'conv', channels: [8, 12], latent: 4 }],
];

function request(architecture: Architecture) {
  const vae = vaeOf(architecture, SHAPE);
  const parameters = initialParameters(vae.parameters, childKey(KEY, architecture.kind));
  return { silo: 'b', round: 3, vae, parameters, shape: SHAPE, privacy: NO_PRIVACY };
}

/** Seals the decoder of a model. */
function sealVae({ vae, ...rest }: ReturnType<typeof request>): Release {
  const { parameters, shape } = rest;
  const decoder = { onnx: exportDecoder(vae, parameters, shape), specs: decoderPart(vae.parameters), classes: null };
  return gate.seal({ ...rest, decoder });
}

/** How many pieces of `values` (whole, and every 64 bytes) occur anywhere in `haystack`. */
function piecesFound(haystack: Uint8Array, values: Float32Array): { found: number; of: number } {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const pieces = [bytes];
  for (let at = 0; at + PIECE_BYTES <= bytes.length; at += PIECE_BYTES)
    pieces.push(bytes.subarray(at, at + PIECE_BYTES));
  const file = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength);
  return { found: pieces.filter((piece) => file.includes(piece)).length, of: pieces.length };
}

const PIECE_BYTES = 64;

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

describe.each(MODELS)('the release of a %s model', (_, architecture) => {
  const sealed = request(architecture);
  const release = sealVae(sealed);

  test('holds no piece of any encoder weight', () => {
    const encoder = Object.entries(sealed.parameters).filter(([name]) => !name.startsWith('decoder.'));
    expect(encoder.length).toBeGreaterThanOrEqual(8);
    const found = encoder.flatMap(([name, values]) =>
      piecesFound(release.decoder.onnx, values).found === 0 ? [] : [name],
    );
    expect(found).toEqual([]);
  });

  test('holds every piece of every decoder weight, so the search above can find something', () => {
    for (const values of Object.values(decoderPart(sealed.parameters))) {
      const { found, of } = piecesFound(release.decoder.onnx, values);
      expect(found).toBe(of);
    }
  });

  test('is as large as the decoder, give or take the graph', () => {
    const count = Object.values(decoderPart(sealed.parameters)).reduce((sum, values) => sum + values.length, 0);
    expect(release.decoder.sizeBytes - 4 * count).toBeGreaterThan(0);
    expect(release.decoder.sizeBytes - 4 * count).toBeLessThan(5_000);
  });

  test('says who made it, when, and what was done for privacy, and nothing of the examples', () => {
    const { decoder, ...rest } = release;
    expect(rest).toEqual({ kind: 'decoder', silo: 'b', round: 3, privacy: NO_PRIVACY });
    const { onnx, sha256, ...described } = decoder;
    expect(described).toEqual({ sizeBytes: onnx.length, latent: architecture.latent, shape: SHAPE, classes: null });
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('passes the inspection and the trial draw of its receiver', async () => {
    const { onnx, sha256, sizeBytes, latent } = release.decoder;
    const contract = inspectDecoder(onnx, { shape: SHAPE });
    expect(contract).toEqual({ sha256, sizeBytes, latent, shape: SHAPE, batch: null, classes: null });
    await probeDecoder(engine, onnx, contract, { key: childKey(KEY, 'probe') });
  });

  test('is the same when sealed again, whatever the encoder has become', () => {
    const encoderGone = { ...sealed, parameters: decoderPart(sealed.parameters) };
    expect(sealVae(encoderGone).decoder.sha256).toBe(release.decoder.sha256);
  });
});

describe('the gate stays shut', () => {
  const sound = request(MODELS[0]![1]);
  const bias = sound.parameters['decoder.1.bias'] as Float32Array;

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('for a decoder weight of %d', (value) => {
    const parameters = { ...sound.parameters, 'decoder.1.bias': bias.with(3, value) };
    expect(() => sealVae({ ...sound, parameters })).toThrow(NumericalError);
    expect(() => sealVae({ ...sound, parameters })).toThrow(/'decoder\.1\.bias'/);
  });

  test('for a decoder that is incomplete or of another size', () => {
    const { 'decoder.1.bias': _, ...incomplete } = sound.parameters;
    expect(() => sealVae({ ...sound, parameters: incomplete })).toThrow(ShapeError);
    expect(() => sealVae({ ...sound, shape: { ...SHAPE, width: 17 } })).toThrow(ShapeError);
  });

  test('for a model whose decoder brings an array of its own', () => {
    const leak = () => np.array(new Float32Array(sound.vae.pixels).fill(0.5));
    const vae: Vae = { ...sound.vae, decode: (parameters, z) => sound.vae.decode(parameters, z).add(leak()) };
    expect(() => sealVae({ ...sound, vae })).toThrow(PrivacyError);
  });

  test('for a file whose weights are not those that are to be sealed, whatever their names', () => {
    const { vae, parameters, shape } = sound;
    const specs = decoderPart(vae.parameters);
    const other = { ...parameters, 'decoder.1.bias': bias.with(3, 0.25) };
    const decoder = { onnx: exportDecoder(vae, other, shape), specs, classes: null };
    expect(() => gate.seal({ ...sound, decoder })).toThrow(PrivacyError);
    expect(gate.seal({ ...sound, parameters: other, decoder }).kind).toBe('decoder');
    const { 'decoder.1.bias': _, ...others } = specs;
    expect(() => gate.seal({ ...sound, parameters: other, decoder: { ...decoder, specs: others } })).toThrow(
      PrivacyError,
    );
  });

  test('for weights that are not called a decoder’s, told to belong to it', () => {
    const specs = { 'encoder.weight': { shape: [2, 256], dtype: 'float32', fanIn: 2 } } as const;
    const parameters = { 'encoder.weight': new Float32Array(512).fill(0.5) };
    const onnx = portableModel({
      label: 'leak',
      f: ({ z, ...rest }: Parameters) => {
        const images = sigmoid(np.matmul(z as np.Array, rest['encoder.weight'] as np.Array));
        return { x: images.reshape([images.shape[0] as number, 1, 16, 16]) };
      },
      inputs: (n) => ({ z: float32(n, 2) }),
      specs,
      parameters,
      description: '',
    });
    const decoder = { onnx, specs, classes: null };
    expect(() => gate.seal({ ...sound, parameters, decoder })).toThrow(PrivacyError);
  });

  test('for offers that the file cannot keep', () => {
    const decoder = {
      onnx: exportDecoder(sound.vae, sound.parameters, SHAPE),
      specs: decoderPart(sound.vae.parameters),
    };
    const offering = (...offered: number[]) =>
      gate.seal({ ...sound, decoder: { ...decoder, classes: { count: 10, offered } } });
    expect(offering(7).decoder.classes).toEqual({ count: 10, offered: [7] });
    expect(() => offering(3, 7)).toThrow(ReleaseError);
    expect(() => offering()).toThrow(ReleaseError);
    expect(() => offering(10)).toThrow(ReleaseError);
  });

  test('but an encoder weight that is not finite is not its business', () => {
    const parameters = { ...sound.parameters, 'encoder.0.bias': new Float32Array(48).fill(Number.NaN) };
    expect(() => sealVae({ ...sound, parameters })).not.toThrow();
  });
});

describe('only the gate makes releases', () => {
  const decoder: ReleasedDecoder = {
    onnx: new Uint8Array(),
    sha256: '',
    sizeBytes: 0,
    latent: 2,
    shape: SHAPE,
    classes: null,
  };

  test('by type: an object with all the right fields is no Release', () => {
    // @ts-expect-error: the brand is missing, and no other file can name it
    const forged: Release = { kind: 'decoder', silo: 'b', round: 3, decoder, privacy: NO_PRIVACY };
    expect(forged.kind).toBe('decoder'); // the compiler is what refuses
  });

  test('by its exports: the gate has one door, and what passed it may get its statement', () => {
    expect(Object.keys(gate)).toEqual(['seal', 'withStatement']);
  });

  test('by the sources: nobody else asserts that something is a Release', () => {
    const root = join(import.meta.dirname, '..');
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /(?<!\.test)\.ts$/.test(file),
    );
    const asserting = files.filter((file) =>
      /\bas (unknown as )?(readonly )?Release\b/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(asserting.map((file) => file.replaceAll('\\', '/'))).toEqual(['exchange/gate.ts']);
  });
});
