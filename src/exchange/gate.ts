// The gate of a silo: the only place where a release is made, and the last that can refuse to make one.

import type { ModelProto } from 'onnx-buf';
import { type ErrorFacts, NumericalError, PrivacyError } from '../errors.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { decoderPart, type Vae } from '../models/vae.ts';
import { inspectDecoder } from './inspect.ts';
import { CERTIFICATE_TOLERANCE, lipschitzCertificate } from './lipschitz-certificate.ts';
import { parseDecoder } from './parse-decoder.ts';
import { lipschitzClaimOf, type PrivacyStatement, withCertificate } from './privacy-statement.ts';
import type { Release } from './release.ts';

export interface SealRequest {
  readonly silo: string;
  readonly round: number;
  readonly vae: Vae;
  /** All parameters of the model; what is not the decoder's stays here. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  readonly shape: ImageShape;
  readonly privacy: PrivacyStatement;
}

/**
 * Seals the decoder of a silo for one round. Equal requests give equal bytes, so sealing again after an interruption is
 * harmless. A statement that tells of spectral normalisation gets the certificate of the sealed file. Throws NumericalError
 * where a decoder weight is not finite, ShapeError where the parameters do not fit the model, and PrivacyError where the
 * file would hold anything but the decoder, or does not keep the Lipschitz bound that is told of it.
 */
export function seal({ silo, round, vae, parameters, shape, privacy }: SealRequest): Release {
  checkFinite(parameters, { silo, round });
  const onnx = exportDecoder(vae, parameters, shape);
  checkNothingElse(parseDecoder(onnx), vae);
  const { sha256, sizeBytes, latent } = inspectDecoder(onnx, { shape });
  const release: Omit<Release, keyof Release & symbol> = {
    kind: 'decoder',
    silo,
    round,
    decoder: { onnx, sha256, sizeBytes, latent, shape },
    privacy: certified(privacy, onnx),
  };
  return release as Release;
}

/**
 * The release with what is claimed of it, which a ledger says only once it has the release's hash. A statement that tells of
 * spectral normalisation gets the certificate of the file. Throws PrivacyError where the file does not keep its bound.
 */
export function withStatement(release: Release, privacy: PrivacyStatement): Release {
  return { ...release, privacy: certified(privacy, release.decoder.onnx) };
}

// --- internal ---

/** Shapes and literals of a graph are this small; anything larger must be a weight of the decoder. */
const MAX_LITERALS = 16;

/** All of them together: axes, shapes and numbers of a graph with a dozen layers. */
const MAX_ALL_LITERALS = 512;

/** The statement as the file bears it out. */
function certified(privacy: PrivacyStatement, onnx: Uint8Array): PrivacyStatement {
  const claim = lipschitzClaimOf(privacy);
  if (claim?.form !== 'spectral-normalisation') return privacy;
  const certificate = lipschitzCertificate(onnx);
  const wanted = claim.bound as number;
  if (certificate.bound <= wanted * (1 + CERTIFICATE_TOLERANCE)) return withCertificate(privacy, certificate);
  throw new PrivacyError(
    `The decoder was to have a Lipschitz constant of at most ${wanted}, but its weights show ${certificate.bound}. Nothing ` +
      'left the silo. This is a bug: please report it.',
    { wanted, found: certificate.bound },
  );
}

function checkFinite(
  parameters: Readonly<Record<string, Float32Array>>,
  facts: { readonly silo: string; readonly round: number },
): void {
  for (const [parameter, values] of Object.entries(decoderPart(parameters))) {
    if (values.every(Number.isFinite)) continue;
    throw new NumericalError(
      `Silo '${facts.silo}' has a decoder weight that is not finite ('${parameter}', round ${facts.round}), so nothing ` +
        'was sealed. Replay the round, and lower the learning rate.',
      { ...facts, parameter },
    );
  }
}

/**
 * Reads back what was written: every constant is a parameter of the decoder in its own shape, or one of a few literals,
 * and nothing hides in attributes, metadata or texts.
 */
function checkNothingElse(model: ModelProto, vae: Vae): void {
  const own = decoderPart(vae.parameters);
  let literals = 0;
  for (const { name, dims } of model.graph?.initializer ?? []) {
    const shape = dims.map(Number);
    const count = shape.reduce((product, side) => product * side, 1);
    if (Object.hasOwn(own, name) && own[name]?.shape.join() === shape.join()) continue;
    literals += count;
    if (Object.hasOwn(vae.parameters, name) || count > MAX_LITERALS || literals > MAX_ALL_LITERALS) {
      throw stranger(`'${name}' with ${count} values`, { name, count });
    }
  }
  const constants = model.graph?.node.filter(({ opType }) => opType === 'Constant').length ?? 0;
  if (constants > 0) throw stranger(`${constants} Constant nodes`, { constants });
  const texts = [model.metadataProps, model.graph?.metadataProps ?? [], model.graph?.docString ?? ''];
  if (texts.some(({ length }) => length > 0)) throw stranger('metadata or texts', {});
}

function stranger(what: string, facts: ErrorFacts): PrivacyError {
  return new PrivacyError(
    `The exported decoder holds ${what}, which is no weight of the decoder. Nothing left the silo. This is a bug: please ` +
      'report it.',
    facts,
  );
}
