// A bound on a decoder's Lipschitz constant that anyone can compute again from the file alone, whoever made it and however.
//
// The graph must be a chain: each operator stretches differences by a factor at most, and the product of the factors is the
// bound. Sound for any chain of the operators below; a graph of any other form has no certificate here. So has one whose
// images may depend on their place in a batch, or on each other's codes: it is no map from codes to images at all.
//
// A class that is asked for may join the chain: added to it, put beside it, or as the one-hot mask of a product. The bound is
// then between images of one class.

import type { GraphProto, NodeProto } from 'onnx-buf';
import { type ErrorFacts, ReleaseError } from '../errors.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';
import { normUpperBound } from '../models/spectral-norm.ts';
import { overlapFactor, SIGMOID_SLOPE } from '../models/spectral-normalisation.ts';
import { inspectGraph } from './inspect-graph.ts';
import { inspectModel } from './inspect-model.ts';
import {
  type Constant,
  constantsOf,
  type Constants,
  floatOf,
  integerOf,
  integersOf,
  textOf,
} from './onnx-constants.ts';
import { convolvedSide, reshaped, type Sides, rowSizeOf } from './onnx-sides.ts';
import { joined, type Live, type Lost, type Rows, startOf, type Stretch } from './live-tensors.ts';
import { parseDecoder } from './parse-decoder.ts';
import { shown } from './refusal.ts';

/**
 * |x(z) - x(z')| <= bound |z - z'| for all codes, in Euclidean norms over pixels and latent dimensions; of a decoder that takes
 * a class: |x(z, c) - x(z', c)|, for every one-hot c.
 */
export interface LipschitzCertificate {
  readonly bound: number;
  /** Upper bounds of the operator norms of the layers with weights, in order. */
  readonly perLayer: readonly { readonly layer: string; readonly norm: number }[];
}

/** Share by which a claim may lie below what is computed here: rounding of whoever computed it. */
export const CERTIFICATE_TOLERANCE = 1e-6;

/**
 * The certificate of a decoder's file, in float64 with every rounding accounted for (`normUpperBound`). It is about the
 * map in exact arithmetic; what a runtime rounds comes on top. Throws ReleaseError: the refusals of inspection, and
 * `not-certifiable` where the graph is no chain of known operators.
 */
export function lipschitzCertificate(onnx: Uint8Array): LipschitzCertificate {
  const graph = inspectModel(parseDecoder(onnx));
  inspectGraph(graph);
  const perLayer: { layer: string; norm: number }[] = [];
  const reached = follow(graph, perLayer);
  const end = reached.get(DECODER_OUTPUT);
  if (!end) return refuseCertificate('not-certifiable', `Nothing was found that computes '${DECODER_OUTPUT}'.`);
  if ('why' in end) return refuseCertificate('not-certifiable', end.why);
  if (end.of !== 'z') return refuseCertificate('not-certifiable', `'${DECODER_OUTPUT}' is computed without codes.`);
  if (end.parts !== 1) return refuseCertificate('not-certifiable', 'It ends with images in parts.');
  if (end.stage !== 'plain') return refuseCertificate('not-certifiable', 'It ends within a sigmoid.');
  return { bound: end.factor * (1 + ROUNDING * (graph.node.length + 1)), perLayer };
}

/** Throws ReleaseError, `certificate-false`, unless the file keeps what `claimed` says. Returns the certificate of the file. */
export function verifyCertificate(onnx: Uint8Array, claimed: LipschitzCertificate): LipschitzCertificate {
  const found = lipschitzCertificate(onnx);
  if (!(found.bound <= claimed.bound * (1 + CERTIFICATE_TOLERANCE))) {
    refuseCertificate(
      'certificate-false',
      `It claims a Lipschitz constant of at most ${claimed.bound}, but its weights only show ${found.bound}.`,
      { claimed: claimed.bound, found: found.bound },
    );
  }
  if (claimed.perLayer.length !== found.perLayer.length) {
    const [expected, came] = [found.perLayer.length, claimed.perLayer.length];
    refuseCertificate(
      'certificate-false',
      `It has ${expected} layers with weights, but norms are claimed of ${came}.`,
      {
        expected,
        came,
      },
    );
  }
  for (const [i, { layer, norm }] of found.perLayer.entries()) {
    const claim = claimed.perLayer[i] as LipschitzCertificate['perLayer'][number];
    if (norm <= claim.norm * (1 + CERTIFICATE_TOLERANCE)) continue;
    refuseCertificate(
      'certificate-false',
      `Layer ${i}, ${shown(layer)}, is claimed to have norm ${claim.norm}, but its weights only show ${norm}.`,
      { layer: shown(layer), claimed: claim.norm, found: norm },
    );
  }
  return found;
}

/** Why a certificate is refused, as `facts.reason` of the ReleaseError. */
export type CertificateRefusal = (typeof CERTIFICATE_REFUSALS)[number];

/** All of them. */
export const CERTIFICATE_REFUSALS = ['not-certifiable', 'certificate-missing', 'certificate-false'] as const;

/** Throws the ReleaseError of a certificate. `detail`: a sentence on what was expected and what came. */
export function refuseCertificate(reason: CertificateRefusal, detail: string, facts: ErrorFacts = {}): never {
  throw new ReleaseError(
    `Decoder refused, because its Lipschitz certificate does not hold. ${detail} Seal it again with the certificate of the ` +
      'file that is sent, or claim none.',
    { reason, detail, ...facts },
  );
}

// --- internal ---

/** Of one product in float64. */
const ROUNDING = 2 ** -52;

type Reached = ReadonlyMap<string, Live | Lost>;

type Layers = { layer: string; norm: number }[];

function follow(graph: GraphProto, layers: Layers): Reached {
  const constants = constantsOf(graph);
  const norm = rememberedNorms();
  const reached = new Map<string, Live | Lost>([
    [DECODER_INPUT, startOf(graph, DECODER_INPUT)],
    [DECODER_CLASS, startOf(graph, DECODER_CLASS)],
  ]);
  for (const node of graph.node) {
    // The shape that Reshape is told may come from anywhere: it moves no numbers.
    const operands = node.opType === 'Reshape' ? node.input.slice(0, 1) : node.input;
    const moving = operands.flatMap((name, at) => {
      const one = reached.get(name);
      return one ? [{ one, at }] : [];
    });
    const [only] = moving;
    if (!only) continue;
    const output = node.output[0] as string;
    const lost = moving.find(({ one }) => 'why' in one)?.one;
    if (lost) {
      reached.set(output, lost);
      continue;
    }
    const lives = moving.map(({ one }) => one as Live);
    const live = lives.find((one) => one.of === 'z') ?? (lives[0] as Live);
    const stretch =
      moving.length === 1
        ? stretchOf(node, { live, at: only.at, constants, norm })
        : joined(node, lives, operands.length);
    if (!stretch) {
      reached.set(output, { why: `The operator ${shown(node.opType)} has no bound in this place.` });
      continue;
    }
    const weight = WITH_WEIGHTS.has(node.opType) && live.of === 'z' ? constants(node.input[1] as string) : null;
    if (weight) layers.push({ layer: weight.root, norm: stretch.factor });
    reached.set(output, {
      of: live.of,
      factor: live.factor * stretch.factor,
      sides: stretch.sides,
      stage: stretch.stage ?? 'plain',
      rows: stretch.rows ?? null,
      parts: stretch.parts ?? live.parts,
    });
  }
  return reached;
}

const WITH_WEIGHTS: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose']);

interface Place {
  readonly live: Live;
  /** Which operand is the live one. */
  readonly at: number;
  readonly constants: Constants;
  readonly norm: Norms;
}

/** Null where no bound is known. */
function stretchOf(node: NodeProto, place: Place): Stretch | null {
  const { live, at, constants } = place;
  const { sides } = live;
  if (live.stage !== 'plain') return sigmoidTail(node, place);
  const same = (factor: number): Stretch => ({ factor, sides });
  const others = node.input.flatMap((name, i) => (i === at || name === '' ? [] : [constants(name)]));
  switch (node.opType) {
    case 'Neg':
    case 'Identity':
    case 'Relu':
    case 'Tanh':
      return same(1);
    case 'LeakyRelu':
      return same(Math.max(1, Math.abs(floatOf(node, 'alpha', 0.01))));
    case 'Sigmoid':
      return same(SIGMOID_SLOPE);
    case 'Clip':
      return at === 0 ? same(1) : null;
    case 'Exp':
      return { ...same(1), stage: 'exp' };
    case 'Add':
    case 'Sub':
    case 'Max':
    case 'Min':
      return others.every((other) => other !== null && keepsSides(sides, other)) ? same(1) : null;
    case 'Mul':
    case 'Div': {
      const [other] = others;
      if (!other || !keepsSides(sides, other) || (node.opType === 'Div' && at !== 0)) return null;
      const sizes = Array.from(other.values, (value) => Math.abs(node.opType === 'Mul' ? value : 1 / value));
      return sizes.every(Number.isFinite) ? same(sizes.reduce((most, size) => Math.max(most, size), 0)) : null;
    }
    case 'Reshape': {
      const wanted = constants(node.input[1] as string);
      const isPlain = wanted !== null && integerOf(node, 'allowzero', 0) === 0;
      const folded = isPlain ? reshaped(live, Array.from(wanted.values)) : null;
      return folded && { factor: 1, ...folded, rows: folded.parts === live.parts ? live.rows : null };
    }
    case 'Flatten':
      return integerOf(node, 'axis', 1) === 1
        ? { factor: 1, sides: [sides[0] ?? null, rowSizeOf(sides)], rows: live.rows }
        : null;
    case 'Transpose': {
      const order = integersOf(node, 'perm') ?? sides.map((_, axis) => axis).reverse();
      if (order[0] !== 0 || order.length !== sides.length) return null; // images change places with pixels
      return { factor: 1, sides: order.map((axis) => sides[axis] ?? null) };
    }
    case 'Gemm':
    case 'MatMul':
      return denseStretch(node, place);
    case 'Conv':
    case 'ConvTranspose':
      return convolutionStretch(node, place);
    default:
      return null;
  }
}

/** After exp(u): only 1 + exp(u), then its reciprocal, whose slope in u is at most 1/4. */
function sigmoidTail(node: NodeProto, { live, at, constants }: Place): Stretch | null {
  if (live.stage === 'exp' && node.opType === 'Add') {
    const one = constants(node.input[1 - at] as string);
    return one?.values.length === 1 && one.values[0] === 1 && keepsSides(live.sides, one)
      ? { factor: 1, sides: live.sides, stage: 'exp-plus-one' }
      : null;
  }
  return live.stage === 'exp-plus-one' && node.opType === 'Reciprocal'
    ? { factor: SIGMOID_SLOPE, sides: live.sides }
    : null;
}

/**
 * Whether combining with a constant repeats no element of the live tensor, whose sides stay what they are, and does the same
 * to each image.
 */
function keepsSides(sides: Sides, { shape }: Constant): boolean {
  if (shape.length > sides.length) return false;
  const aligned = sides.slice(sides.length - shape.length);
  const isForEachImage = shape.length < sides.length || shape[0] === 1;
  return shape.every((side, axis) => side === 1 || side === aligned[axis]) && (isForEachImage || shape.length === 0);
}

/** x W, for each row of x by itself. */
function denseStretch(node: NodeProto, { live, at, constants, norm }: Place): Stretch | null {
  const weight = constants(node.input[1] as string);
  if (at !== 0 || !weight || weight.shape.length !== 2 || live.sides.length < 2) return null;
  if (node.opType === 'MatMul') {
    return {
      factor: norm(weight, blocksOf(live, weight.shape[0] as number)),
      sides: [...live.sides.slice(0, -1), weight.shape[1] as number],
      rows: chosenRows(live, weight),
    };
  }
  if (integerOf(node, 'transA', 0) !== 0) return null;
  const bias = node.input[2] ? constants(node.input[2]) : undefined;
  const isPlain = integerOf(node, 'transB', 0) === 0;
  const columns = weight.shape[isPlain ? 1 : 0] as number;
  const blocks = isPlain ? blocksOf(live, weight.shape[0] as number) : 1;
  const sides = [live.sides[0] ?? null, columns];
  if (bias === null || (bias && !keepsSides(sides, bias))) return null;
  const scale = floatOf(node, 'alpha', 1);
  const rows = isPlain && !bias && scale === 1 ? chosenRows(live, weight) : null;
  return { factor: Math.abs(scale) * norm(weight, blocks), sides, rows };
}

/** A class times a weight is one again, or zero, where each class is sent to one place at most. */
function chosenRows({ rows }: Live, { values, shape }: Constant): Rows | null {
  const columns = shape[1] as number;
  const isAlone = (at: number) => values.subarray(at - (at % columns), at).every((before) => before === 0);
  const chooses = values.every((value, at) => value === 0 || (value === 1 && isAlone(at)));
  return rows?.kind === 'one-hot' && chooses ? rows : null;
}

/** How many blocks a weight [inputs, outputs] has of which a row meets one alone: 1 unless the class left one. */
function blocksOf({ rows, sides }: Live, inputs: number): number {
  const isMasked = rows?.kind === 'masked' && sides.length === 2 && sides[1] === inputs;
  return isMasked && inputs % rows.blocks === 0 ? rows.blocks : 1;
}

/** The kernel as a matrix behind (or before) im2col; see `overlapFactor`. Padding and cropping only leave elements out. */
function convolutionStretch(node: NodeProto, { live, at, constants, norm }: Place): Stretch | null {
  const kernel = constants(node.input[1] as string);
  const bias = node.input[2] ? constants(node.input[2]) : undefined;
  if (at !== 0 || !kernel || kernel.shape.length < 3 || bias === null || integerOf(node, 'group', 1) !== 1) return null;
  const [rows, other, ...taps] = kernel.shape as [number, number, ...number[]]; // [O, I, ...K], or [I, O, ...K] transposed
  const strides = integersOf(node, 'strides') ?? taps.map(() => 1);
  const dilations = integersOf(node, 'dilations') ?? taps.map(() => 1);
  const isSane = [...strides, ...dilations].every((step) => step >= 1);
  if (!isSane || strides.length !== taps.length || dilations.length !== taps.length) return null;
  const overlap = overlapFactor(
    taps.map((count, axis) => ({ taps: count, stride: strides[axis] as number, dilation: dilations[axis] as number })),
  );
  const outputs = node.opType === 'Conv' ? rows : other;
  const pads = integersOf(node, 'pads') ?? taps.flatMap(() => [0, 0]);
  const added = integersOf(node, 'output_padding') ?? taps.map(() => 0);
  const isTold = textOf(node, 'auto_pad', 'NOTSET') === 'NOTSET' && integersOf(node, 'output_shape') === null;
  const spatial = taps.map((count, axis) => {
    if (!isTold) return null;
    const [stride, dilation] = [strides[axis] as number, dilations[axis] as number];
    const padding = (pads[axis] ?? 0) + (pads[axis + taps.length] ?? 0);
    const grown = { span: dilation * (count - 1) + 1, stride, padding, added: added[axis] ?? 0 };
    return convolvedSide(live.sides[axis + 2] ?? null, { ...grown, isTransposed: node.opType === 'ConvTranspose' });
  });
  return { factor: overlap * norm(kernel), sides: [live.sides[0] ?? null, outputs, ...spatial] };
}

/** Norms of constants as matrices [first side, rest]: of the whole, or the largest one of so many equal blocks of its rows. */
type Norms = (constant: Constant, blocks?: number) => number;

/** Each is computed once: the same weight may be read many times. */
function rememberedNorms(): Norms {
  const known = new Map<Constant, Map<number, number>>();
  return (constant, blocks = 1) => {
    const { shape, values } = constant;
    const finite = values instanceof Float32Array && values.length > 0 && values.every(Number.isFinite);
    if (!finite) return refuseCertificate('not-certifiable', `The weight ${shown(constant.root)} is not finite.`);
    const norms = known.get(constant) ?? new Map<number, number>();
    known.set(constant, norms);
    const rows = (shape[0] as number) / blocks;
    const size = values.length / blocks;
    const blockNorm = (block: number) =>
      normUpperBound({ values: values.subarray(block * size, (block + 1) * size), rows, columns: size / rows });
    const norm =
      norms.get(blocks) ??
      Array.from({ length: blocks }, (_, block) => blockNorm(block)).reduce((most, one) => Math.max(most, one));
    norms.set(blocks, norm);
    return norm;
  };
}
