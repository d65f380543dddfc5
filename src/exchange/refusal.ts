// Why a decoder can be refused on arrival, and the one way to refuse it.

import { type ErrorFacts, ReleaseError } from '../errors.ts';

/** Stable short codes, as `facts.reason` of a ReleaseError. */
export type RefusalReason = keyof typeof REASONS;

/** What each reason means: completes "refused, because of ...". */
export const REASONS = {
  size: 'a size out of bounds',
  'not-onnx': 'bytes that are no ONNX model',
  'unknown-field': 'parts that the ONNX format, as known here, does not have',
  'too-many-parts': 'more parts, or deeper nested ones, than a decoder needs',
  version: 'a version that is not supported',
  domain: 'operators outside of the standard set',
  'not-plain': 'functions, training steps, sparse tensors, quantisation or placements',
  'external-data': 'tensors stored outside of the file',
  subgraph: 'control flow: graphs inside of operators',
  operator: 'an operator that decoders may not use',
  operands: 'an operator with operands or results that are missing or too many',
  attribute: 'an attribute of an unknown kind, of an absurd size, or that can be read in two ways',
  'node-count': 'more operators than allowed',
  'tensor-type': 'a constant of another element type than float32, int32 or int64',
  'tensor-size': 'a constant with an absurd shape',
  'tensor-data': 'a constant whose data does not fit its shape',
  name: 'a tensor without a name, or two with the same',
  'not-closed': 'a tensor that is read before anything defines it',
  input: 'another input than one float32 z [n, L]',
  'class-input': 'an input for classes that is not expected, or not one float32 class [n, C] of the right size',
  output: 'another output than one float32 x of the image shape',
  'shape-from-data': 'a shape that depends on the numbers drawn',
  'shape-size': 'a shape with an absurd side',
  'ignores-latent': 'an output that does not depend on z',
  'ignores-class': 'an input for classes that the output does not depend on',
  'not-as-declared': 'another file than its header tells of',
  offers: 'offered classes that its file cannot give',
  'does-not-load': 'a model that the runtime cannot open',
  'does-not-run': 'a model that fails to draw images of its declared shape',
  'non-finite': 'a pixel that is not a number',
  'out-of-range': 'a pixel outside of [0, 1]',
  constant: 'images that are all the same',
} as const;

/** Throws the ReleaseError of `reason`. `detail`: a sentence on what was expected and what came. */
export function refuse(reason: RefusalReason, detail: string, facts: ErrorFacts = {}, cause?: unknown): never {
  throw new ReleaseError(
    `Decoder refused, because of ${REASONS[reason]}. ${detail} Export it again as one ONNX file of standard operators: ` +
      'z [n, L], or z and class [n, C] -> x [n, channels, height, width], pixels in [0, 1].',
    { reason, ...facts },
    cause === undefined ? undefined : { cause },
  );
}

/** A name from outside, fit for a message and its facts: quoted, escaped, of bounded length. */
export function shown(name: string): string {
  return JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}...` : name);
}

// --- internal ---

const MAX_SHOWN = 64;
