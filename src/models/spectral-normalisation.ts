// A decoder whose Lipschitz constant cannot pass a bound: every layer's operator norm is kept within its share of it.
//
// |x(z) - x(z')| <= L |z - z'| in Euclidean norms, with L = 1/4 times the product of the layers' norms: ReLU does not
// stretch, the sigmoid's slope is at most 1/4, and biases do not matter (Szegedy et al. 2014, arXiv 1312.6199, section 4.3).
// That bounds the map from codes to images. It promises nothing about the privacy of training images.

import { type Matrix, normUpperBound, powerStep, startDirection } from './spectral-norm.ts';
import type { Vae } from './vae.ts';

/** Largest slope of the sigmoid behind the last layer. */
export const SIGMOID_SLOPE = 1 / 4;

/** A layer of the decoder as a matrix with a factor. */
export interface BoundedLayer {
  /** Name of the parameter. */
  readonly weight: string;
  /** The layer's operator norm is at most `factor` times the spectral norm of the matrix. */
  readonly factor: number;
  /** The parameter's values as a matrix: they themselves, or a copy in another order. */
  matrix(values: Float32Array): Matrix;
}

/** Parameters by name. */
type Arrays = Readonly<Record<string, Float32Array>>;

/** What `spectralProjection` gives: see `Projection` in training/regulariser.ts, whose form it has. */
export interface SpectralProjection {
  readonly memory: Readonly<Record<string, number>>;
  begin(memory: Arrays): void;
  step(parameters: Arrays, memory: Arrays): void;
  finish(parameters: Arrays): Arrays;
}

/**
 * The decoder's layers from code to image in order, `decoder.0` first. What a class adds (`decoder.class`) is none of them: at a
 * fixed class it is a bias.
 */
export function boundedLayers({ parameters }: Pick<Vae, 'parameters'>): readonly BoundedLayer[] {
  return Object.entries(parameters).flatMap(([weight, { shape }]) =>
    /^decoder\.\d+\.weight$/.test(weight) ? [layerOf(weight, shape)] : [],
  );
}

/**
 * How often im2col copies an element at most along all spatial axes, square-rooted: its operator norm. A convolution is a
 * matrix product behind im2col, a transposed one the adjoint of that, and zeros at the border only leave copies out, so
 * either has at most this times the spectral norm of the kernel as a matrix (Tsuzuku et al. 2018, arXiv 1802.04034).
 * The exact norm by FFT (Sedghi et al. 2019, arXiv 1805.10408) is that of circular padding, and no bound for zeros at the
 * border; sharper valid bounds are in Araujo et al. 2021 (arXiv 2006.08391) and Singla and Feizi 2021 (arXiv 1911.10258).
 */
export function overlapFactor(
  axes: readonly { readonly taps: number; readonly stride: number; readonly dilation: number }[],
) {
  // Taps k and k' put the same element into windows of the grid only where stride divides dilation (k - k').
  const copies = axes.map(({ taps, stride, dilation }) => Math.ceil(taps / (stride / divisor(stride, dilation))));
  return Math.sqrt(copies.reduce((product, count) => product * count, 1));
}

/** Norm that each of `layers` layers may have so that the decoder as a whole has Lipschitz constant `bound` at most. */
export function normPerLayer(bound: number, layers: number): number {
  return (bound / SIGMOID_SLOPE) ** (1 / layers);
}

/**
 * Divides each weight W by max(1, norm / s), where s is the layers' equal share of `bound`. While training, the norm is
 * followed from below by one step of power iteration per training step (Miyato et al. 2018, arXiv 1802.05957); at the end
 * it is bounded from above, so that what `finish` returns is within the bound for certain.
 */
export function spectralProjection(vae: Pick<Vae, 'parameters'>, bound: number): SpectralProjection {
  const layers = boundedLayers(vae);
  const share = normPerLayer(bound, layers.length);
  const sizeOf = ({ shape }: { readonly shape: readonly number[] }) =>
    shape.reduce((product, side) => product * side, 1);
  const memory = Object.fromEntries(
    layers.map(({ weight, matrix }) => {
      const spec = vae.parameters[weight] as Vae['parameters'][string];
      return [`direction/${weight}`, matrix(new Float32Array(sizeOf(spec))).columns];
    }),
  );
  return {
    memory,
    begin(directions) {
      for (const { weight } of layers) startDirection(directions[`direction/${weight}`] as Float32Array);
    },
    step(parameters, directions) {
      for (const { weight, factor, matrix } of layers) {
        const values = parameters[weight] as Float32Array;
        const norm = factor * powerStep(matrix(values), directions[`direction/${weight}`] as Float32Array);
        if (norm > share) scale(values, share / norm);
      }
    },
    finish(parameters) {
      const bounded = layers.map((layer) => [
        layer.weight,
        within(layer, parameters[layer.weight] as Float32Array, share),
      ]);
      return { ...parameters, ...(Object.fromEntries(bounded) as Arrays) };
    },
  };
}

// --- internal ---

/** Stride of models/layers.ts's convolutions. */
const STRIDE = 2;

function layerOf(weight: string, shape: readonly number[]): BoundedLayer {
  const [outputs, inputs, ...kernel] = shape as [number, number, ...number[]];
  if (kernel.length === 0) {
    return { weight, factor: 1, matrix: (values) => ({ values, rows: outputs, columns: inputs }) };
  }
  // A transposed convolution with kernel [O, I, ...K] is the adjoint of a convolution whose outputs are its inputs I.
  const taps = kernel.reduce((product, side) => product * side, 1);
  const factor = overlapFactor(kernel.map((side) => ({ taps: side, stride: STRIDE, dilation: 1 })));
  const matrix = (values: Float32Array): Matrix => {
    const turned = new Float32Array(values.length); // [I, O K]
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        const from = (o * inputs + i) * taps;
        turned.set(values.subarray(from, from + taps), (i * outputs + o) * taps);
      }
    }
    return { values: turned, rows: inputs, columns: outputs * taps };
  };
  return { weight, factor, matrix };
}

/** A copy that is within `share` for certain; rounding after a division may take a second one. */
function within({ factor, matrix }: BoundedLayer, values: Float32Array, share: number): Float32Array {
  const copy = values.slice();
  for (let margin = 1e-7; ; margin *= 2) {
    const norm = factor * normUpperBound(matrix(copy));
    if (norm <= share) return copy;
    scale(copy, (share / norm) * (1 - margin));
  }
}

function scale(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * factor;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
