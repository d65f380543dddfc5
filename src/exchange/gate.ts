// The gate of a silo: the only place where a release is made, and the last that can refuse to make one.

import { type ModelProto, type TensorProto, TensorProto_DataType } from 'onnx-buf';
import { checkFits } from '../engine/array-spec.ts';
import { type ErrorFacts, NumericalError, PrivacyError } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { ParameterSpecs } from '../models/layers.ts';
import { decoderPart } from '../models/vae.ts';
import { inspectDecoder } from './inspect.ts';
import { CERTIFICATE_TOLERANCE, lipschitzCertificate } from './lipschitz-certificate.ts';
import { requireOffers } from './offered-classes.ts';
import { parseDecoder } from './parse-decoder.ts';
import { lipschitzClaimOf, withCertificate } from './privacy-statement.ts';
import type { PrivacyStatement } from './privacy-statement-schema.ts';
import type { OfferedClasses, Release } from './release.ts';

export interface SealRequest {
  readonly silo: string;
  readonly round: number;
  readonly decoder: DecoderFile;
  /** All parameters of the model; what is not the decoder's stays here. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  readonly shape: ImageShape;
  readonly privacy: PrivacyStatement;
}

/** A decoder as it was written, whatever generator it is of. */
export interface DecoderFile {
  readonly onnx: Uint8Array;
  /** The parameters that belong into it, every name beginning with `decoder.`. */
  readonly specs: ParameterSpecs;
  /** What it offers; null where its images have no labels. */
  readonly classes: OfferedClasses | null;
}

/**
 * Seals the decoder of a silo for one round. Equal requests give equal bytes, so sealing again after an interruption is
 * harmless. A statement that tells of spectral normalisation gets the certificate of the sealed file. Throws NumericalError
 * where a decoder weight is not finite, ShapeError where one is missing or ill-sized, ReleaseError where its receiver would
 * refuse the file, and PrivacyError where the file holds anything but these weights, or does not keep the Lipschitz bound that
 * is told of it.
 */
export function seal({ silo, round, decoder, parameters, shape, privacy }: SealRequest): Release {
  const { onnx, specs, classes } = decoder;
  checkFinite(parameters, { silo, round });
  for (const [name, spec] of Object.entries(specs)) checkFits(parameters[name], { ...spec, name });
  checkNothingElse(parseDecoder(onnx), specs, parameters);
  const contract = inspectDecoder(onnx, { shape, classes: classes?.count ?? null });
  if (classes !== null) requireOffers(contract, classes);
  const { sha256, sizeBytes, latent } = contract;
  const release: Omit<Release, keyof Release & symbol> = {
    kind: 'decoder',
    silo,
    round,
    decoder: { onnx, sha256, sizeBytes, latent, shape, classes },
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
 * Reads back what was written: every constant is a parameter of the decoder in its own shape, with its own values, or one of a
 * few literals, and nothing hides in attributes, metadata or texts.
 */
function checkNothingElse(model: ModelProto, specs: ParameterSpecs, parameters: SealRequest['parameters']): void {
  const own = decoderPart(specs);
  let literals = 0;
  for (const tensor of model.graph?.initializer ?? []) {
    const { name, dims } = tensor;
    const shape = dims.map(Number);
    const count = shape.reduce((product, side) => product * side, 1);
    if (own[name]?.shape.join() === shape.join() && holds(tensor, parameters[name] as Float32Array)) continue;
    literals += count;
    if (
      Object.hasOwn(specs, name) ||
      Object.hasOwn(parameters, name) ||
      count > MAX_LITERALS ||
      literals > MAX_ALL_LITERALS
    ) {
      throw stranger(`'${name}' with ${count} values`, { name, count });
    }
  }
  const constants = model.graph?.node.filter(({ opType }) => opType === 'Constant').length ?? 0;
  if (constants > 0) throw stranger(`${constants} Constant nodes`, { constants });
  const texts = [model.metadataProps, model.graph?.metadataProps ?? [], model.graph?.docString ?? ''];
  if (texts.some(({ length }) => length > 0)) throw stranger('metadata or texts', {});
}

/** Whether a constant has these values, in the one form that our own files have. */
function holds({ dataType, rawData, floatData }: TensorProto, values: Float32Array): boolean {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return dataType === TensorProto_DataType.FLOAT && floatData.length === 0 && bytes.equals(rawData);
}

function stranger(what: string, facts: ErrorFacts): PrivacyError {
  return new PrivacyError(
    `The exported decoder holds ${what}, which are no weights of the decoder. Nothing left the silo. This is a bug: please ` +
      'report it.',
    facts,
  );
}
