// Layers as pure functions of parameters and input. jax-js moves its arguments: what is read twice is read by `.ref`.

import { lax, numpy as np } from '@jax-js/jax';
import type { ArraySpec } from '../engine/array-spec.ts';

/** Parameters by name, as traced arrays. A layer owns two: `<layer>.weight` and `<layer>.bias`. */
export type Parameters = Readonly<Record<string, np.Array>>;

/** How a layer maps its input, as far as the gradient of one example depends on it. */
export type LayerKind = 'dense' | 'convolution' | 'transposedConvolution';

/** A layer at work. `input` is a reference of its own: whoever listens disposes of it or returns it. */
export interface LayerCall {
  readonly layer: string;
  readonly kind: LayerKind;
  /** [B, ...] */
  readonly input: np.Array;
  /** Without B. */
  readonly outputShape: readonly number[];
}

/** Hears of every layer that a model uses, while it is traced. */
export type Observe = (call: LayerCall) => void;

/** A parameter before it exists: shape, and the number of inputs each output sums over, which sets its first values. */
export interface ParameterSpec extends ArraySpec {
  readonly dtype: 'float32';
  readonly fanIn: number;
}

export type ParameterSpecs = Readonly<Record<string, ParameterSpec>>;

/** Parameters by name as a compiled function takes them, whose argument `parameters` they are. */
export function parameterInputs(values: Readonly<Record<string, Float32Array>>): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`parameters.${name}`, value]));
}

/** Specs of a dense layer: weight [inputs, outputs], bias [outputs]. */
export function denseSpecs(layer: string, inputs: number, outputs: number): ParameterSpecs {
  return specs(layer, [inputs, outputs], [outputs], inputs);
}

/**
 * Specs of a dense layer on one-hot classes. One input is not zero, so its weights start as those of a single input: started as
 * those of C inputs, a class says little beside the code, and decoders draw one class where another was asked for.
 */
export function classSpecs(layer: string, classes: number, outputs: number): ParameterSpecs {
  const { [`${layer}.weight`]: weight, ...bias } = denseSpecs(layer, classes, outputs);
  return { [`${layer}.weight`]: { ...(weight as ParameterSpec), fanIn: 1 }, ...bias };
}

/** `x [B, inputs] -> [B, outputs]` */
export function dense(parameters: Parameters, layer: string, x: np.Array, observe?: Observe): np.Array {
  const weight = read(parameters, `${layer}.weight`);
  observe?.({ layer, kind: 'dense', input: x.ref, outputShape: [weight.shape[1] as number] });
  return np.matmul(x, weight).add(read(parameters, `${layer}.bias`));
}

/** Specs of a 4 x 4 convolution, stride 2, padding 1: weight [outputs, inputs, 4, 4], bias [outputs, 1, 1]. */
export function convolutionSpecs(layer: string, inputs: number, outputs: number): ParameterSpecs {
  return specs(layer, [outputs, inputs, KERNEL, KERNEL], [outputs, 1, 1], inputs * KERNEL * KERNEL);
}

/** Halves height and width: `x [B, inputs, H, W] -> [B, outputs, H/2, W/2]`. */
export function convolution(parameters: Parameters, layer: string, x: np.Array, observe?: Observe): np.Array {
  const weight = read(parameters, `${layer}.weight`);
  const [, , height, width] = x.shape as [number, number, number, number];
  const outputShape = [weight.shape[0] as number, height / 2, width / 2];
  observe?.({ layer, kind: 'convolution', input: x.ref, outputShape });
  return lax.convGeneralDilated(x, weight, [2, 2], PADDING).add(read(parameters, `${layer}.bias`));
}

/** Doubles height and width: `x [B, inputs, H, W] -> [B, outputs, 2H, 2W]`, the transpose of `convolution`. */
export function transposedConvolution(parameters: Parameters, layer: string, x: np.Array, observe?: Observe): np.Array {
  const weight = read(parameters, `${layer}.weight`);
  const [, , height, width] = x.shape as [number, number, number, number];
  const outputShape = [weight.shape[0] as number, 2 * height, 2 * width];
  observe?.({ layer, kind: 'transposedConvolution', input: x.ref, outputShape });
  const spread = lax.convGeneralDilated(x, weight, [1, 1], TRANSPOSED_PADDING, { lhsDilation: [2, 2] });
  return spread.add(read(parameters, `${layer}.bias`));
}

export function relu(x: np.Array): np.Array {
  return np.maximum(x, 0);
}

/**
 * 1 / (1 + exp(-x)), where exp's argument stops at 40: black pixels have logits far below -88, whose exp overflows and
 * turns the gradient into infinity times zero; and the square of anything smaller than exp(-40) would be subnormal.
 */
export function sigmoid(x: np.Array): np.Array {
  return np.reciprocal(np.exp(np.minimum(np.negative(x), 40)).add(1));
}

// --- internal ---

const KERNEL = 4;
const PADDING: [number, number][] = [
  [1, 1],
  [1, 1],
];
const TRANSPOSED_PADDING: [number, number][] = [
  [2, 2],
  [2, 2],
];

function specs(layer: string, weight: number[], bias: number[], fanIn: number): ParameterSpecs {
  return {
    [`${layer}.weight`]: { shape: weight, dtype: 'float32', fanIn },
    [`${layer}.bias`]: { shape: bias, dtype: 'float32', fanIn },
  };
}

/** Another reference to a parameter: the record keeps its own. */
function read(parameters: Parameters, name: string): np.Array {
  return (parameters[name] as np.Array).ref;
}
