// Convolutions as ONNX's own Conv and ConvTranspose, batch axis leading: for model files, whose batch may be any length.

import { flip, slice } from './lower-movement.ts';
import type { Scope } from './scope.ts';

/** What jax-js's `conv` carries besides its operands, one entry per spatial axis. */
export interface ConvolutionParameters {
  readonly strides: readonly number[];
  /** Zeros before and after; negative where elements are cut off. */
  readonly padding: readonly (readonly [number, number])[];
  readonly lhsDilation: readonly number[];
  readonly rhsDilation: readonly number[];
}

/** Tensors `x [B, I, ...S]` and `w [O, I, ...K]`. */
export interface ConvolutionTensors extends ConvolutionParameters {
  readonly x: string;
  readonly w: string;
  readonly xShape: readonly number[];
  readonly wShape: readonly number[];
}

/** Writes the convolution; the result is a tensor [B, O, ...S']. */
export function convolutionOperator(scope: Scope, c: ConvolutionTensors): string {
  if (c.lhsDilation.every(isOne)) return plain(scope, cropped(scope, c));
  if (c.strides.every(isOne) && isTransposable(c)) return transposed(scope, c);
  return plain(scope, cropped(scope, dilated(scope, c)));
}

// --- internal ---

function isOne(n: number): boolean {
  return n === 1;
}

function plain(scope: Scope, c: ConvolutionTensors): string {
  return scope.graph.node('Conv', [c.x, c.w], {
    strides: c.strides,
    dilations: c.rhsDilation,
    pads: [...c.padding.map(([before]) => before), ...c.padding.map(([, after]) => after)],
    group: 1,
  });
}

/**
 * Correlating a dilated input with w is the transpose of a strided convolution: ConvTranspose with the flipped kernel,
 * pads (k - 1) * d - p, and the rest as output padding.
 */
function transposed(scope: Scope, c: ConvolutionTensors): string {
  const places = c.lhsDilation.map((_, i) => 2 + i);
  const kernel = scope.graph.node('Transpose', [flip(scope, c.w, places)], { perm: [1, 0, ...places] });
  const pads = transposedPads(c);
  return scope.graph.node('ConvTranspose', [c.x, kernel], {
    strides: c.lhsDilation,
    dilations: c.rhsDilation,
    pads: [...pads.map(([before]) => before), ...pads.map(([, after]) => Math.max(after, 0))],
    output_padding: pads.map(([, after]) => Math.max(-after, 0)),
    group: 1,
  });
}

/** ConvTranspose has no negative pads in front, and its output padding must stay below the stride. */
function isTransposable(c: ConvolutionTensors): boolean {
  return transposedPads(c).every(([before, after], i) => before >= 0 && -after < (c.lhsDilation[i] as number));
}

function transposedPads(c: ConvolutionTensors) {
  return c.padding.map(([before, after], i) => {
    const reach = ((c.wShape[2 + i] as number) - 1) * (c.rhsDilation[i] as number);
    return [reach - before, reach - after] as const;
  });
}

/** Writes zeros between the input's elements: the general, slower way to dilate it. */
function dilated(scope: Scope, c: ConvolutionTensors): ConvolutionTensors {
  const [batch, channels, ...sides] = c.xShape as [number, number, ...number[]];
  const apart = scope.reshape(c.x, [batch, channels, ...sides.flatMap((side) => [side, 1])]);
  const after = [0, 0, ...c.lhsDilation.flatMap((d) => [0, d - 1])];
  const pads = scope.graph.constant([...after.map(() => 0), ...after], 'int64');
  const spread = scope.graph.node('Pad', [apart, pads]);
  const wide = sides.map((side, i) => side * (c.lhsDilation[i] as number));
  const joined = scope.reshape(spread, [batch, channels, ...wide]);
  const exact = sides.map((side, i) => (side - 1) * (c.lhsDilation[i] as number) + 1);
  const ranges = [batch, channels, ...exact].map((side) => [0, side] as const);
  return {
    ...c,
    x: slice(scope, joined, [batch, channels, ...wide], ranges),
    xShape: [batch, channels, ...exact],
    lhsDilation: sides.map(() => 1),
  };
}

/** Negative padding cuts elements off, which ONNX's Conv does not do. */
function cropped(scope: Scope, c: ConvolutionTensors): ConvolutionTensors {
  const ranges = c.xShape.map((side, axis) => {
    const [before, after] = c.padding[axis - 2] ?? [0, 0];
    return [Math.max(-before, 0), side - Math.max(-after, 0)] as const;
  });
  return {
    ...c,
    x: slice(scope, c.x, c.xShape, ranges),
    xShape: ranges.map(([start, end]) => end - start),
    padding: c.padding.map(([before, after]) => [Math.max(before, 0), Math.max(after, 0)] as const),
  };
}
