// What one layer adds to the gradient of each example, without ever forming that gradient: its squared norm, and the sum
// over the batch of scaled gradients. Book-keeping (Bu et al. 2022, arXiv 2210.00038) on what one backward pass leaves.
//
// Notation of every layer here: A_i is the layer's input for example i, G_i the gradient of that example's own loss with
// respect to the layer's output.

import { grad, numpy as np } from '@jax-js/jax';
import { convolution, dense, type LayerKind, transposedConvolution } from '../models/layers.ts';
import { patches } from './patches.ts';

/** A layer after the backward pass. */
export interface LayerTrace {
  readonly layer: string;
  readonly kind: LayerKind;
  /** A [B, ...] */
  readonly input: np.Array;
  /** G [B, ...] */
  readonly signal: np.Array;
}

/**
 * Squared L2 norm [B] of each example's gradient with respect to weight and bias: never less than it is, as far as float32
 * can tell, and infinite for inputs beyond all measure, beside which a signal could vanish. Keeps the trace alive.
 * Dense: |A_i|^2 |G_i|^2 + |G_i|^2 (Goodfellow 2015, arXiv 1510.01799). Convolutions: the gradient of the weight is a
 * product over T positions, and its norm comes from the product itself or from Gram matrices, whichever is smaller
 * ("mixed ghost clipping", Bu et al. 2022, arXiv 2205.10683).
 */
export function squaredNorms(trace: LayerTrace): { readonly weight: np.Array; readonly bias: np.Array } {
  const { kind, input, signal } = trace;
  const batch = input.shape[0] as number;
  if (kind === 'dense') {
    const bias = np.square(signal.ref).sum(1); // [B]
    return { weight: measurable(np.square(input.ref).sum(1)).mul(bias.ref), bias };
  }
  const bias = np.square(positions(signal.ref).sum(2)).sum(1); // [B]
  // Either way the weight's gradient is X_i Y_i^T, with X and Y seen at the same T positions: [B, p, T] and [B, d, T].
  const [x, y] =
    kind === 'convolution' ? [positions(signal.ref), patches(input.ref)] : [positions(input.ref), patches(signal.ref)]; // the output is seen through the windows of its input
  const [, p, t] = x.shape as [number, number, number];
  const d = y.shape[1] as number;
  // |X|^2 |Y|^2 bounds the square. Where terms cancel, a square in float32 may be too small by a share of that bound.
  const bound = measurable(squares(input.ref)).mul(squares(signal.ref));
  const allowance = bound.mul(CANCELLATION);
  if (2 * t * t > p * d) {
    const explicit = np.matmul(x, y.transpose([0, 2, 1])); // [B, p, d]
    return {
      weight: np
        .square(explicit.reshape([batch, p * d]))
        .sum(1)
        .add(allowance),
      bias,
    };
  }
  const gram = (m: np.Array) => np.matmul(m.ref.transpose([0, 2, 1]), m); // [B, T, T]
  const square = gram(x)
    .mul(gram(y))
    .reshape([batch, t * t])
    .sum(1); // [B]
  return { weight: np.maximum(square, 0).add(allowance), bias };
}

/**
 * Sum over the batch of `factors [B]` times each example's gradient, shaped like the layer's weight and bias. Consumes
 * the trace. A layer is linear in its weight, so this is the gradient of <layer(A), factor G> with respect to it.
 */
export function scaledSum(
  trace: LayerTrace,
  factors: np.Array,
  shapes: { readonly weight: readonly number[]; readonly bias: readonly number[] },
): { readonly weight: np.Array; readonly bias: np.Array } {
  const { layer, kind, input, signal } = trace;
  const batch = input.shape[0] as number;
  const scaled = signal.mul(factors.reshape([batch, ...signal.shape.slice(1).map(() => 1)]));
  const names = { weight: `${layer}.weight`, bias: `${layer}.bias` };
  const product = (parameters: { weight: np.Array; bias: np.Array }) => {
    const record = { [names.weight]: parameters.weight, [names.bias]: parameters.bias };
    return LAYERS[kind](record, layer, input.ref).mul(scaled.ref).sum();
  };
  const zero = { weight: np.zeros([...shapes.weight]), bias: np.zeros([...shapes.bias]) };
  return grad(product)(zero);
}

// --- internal ---

/** Share of |input|^2 |signal|^2 by which the norm of a convolution may come out too small. */
const CANCELLATION = 2 ** -20;

/** Squared norms [B] of inputs, infinite beyond 1e20: the square of a signal beside them may be too small for float32. */
function measurable(squaredNorms: np.Array): np.Array {
  return np.where(np.greater(squaredNorms.ref, 1e20), Number.POSITIVE_INFINITY, squaredNorms);
}

/** Squared norm [B] of every example. */
function squares(x: np.Array): np.Array {
  const [batch, ...rest] = x.shape as [number, ...number[]];
  return np.square(x.reshape([batch, rest.reduce((a, b) => a * b, 1)])).sum(1);
}

const LAYERS = { dense, convolution, transposedConvolution } as const;

/** `[B, C, H, W] -> [B, C, H W]` */
function positions(x: np.Array): np.Array {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return x.reshape([batch, channels, height * width]);
}
