// Convolutions as matrix products: copy the elements that meet next to one another, and multiply once.
//
// Input positions u, kernel taps k and output positions y meet in a fixed pattern, in which two of them determine the
// third. So there are three ways to one product, and which is cheap depends only on how many u, k and y there are:
//
// - gather x by (k, y): strided convolutions and the gradients of their kernels;
// - multiply x by every tap, then gather and sum the products (k, u) of each y: transposed convolutions;
// - gather w by (y, u): gradients of the kernels of transposed convolutions.
//
// Results lie in memory with the images of a batch innermost, [O, H, W, B]: a gather then copies runs of B elements
// whatever the strides, and views carry the order through elementwise nodes. A kernel's gradient finds its gathered
// elements already written by the forward or the data pass, since the graph writes equal nodes once.

import type { DType } from './array-spec.ts';
import {
  type ConvolutionAxis,
  countOf,
  inputsByOutput,
  inputsByTap,
  pairsByOutput,
  type Positions,
  tapsByReversedOutput,
} from './convolution-axis.ts';
import { flip } from './lower-movement.ts';
import type { Scope } from './scope.ts';
import { transposeView, varyingAxes, type View, wholeView } from './view.ts';

/** `x [B, I, ...S]`, `w [O, I, ...K]`, and one entry in `axes` for each axis of S. */
export interface ConvolutionOperands {
  readonly x: View;
  readonly w: View;
  readonly axes: readonly ConvolutionAxis[];
  /** `float32` or `float64`. */
  readonly dtype: DType;
}

/** The convolution [B, O, ...S']. In the gradient of a kernel, I counts the images and B and O are the channels. */
export function convolutionProduct(scope: Scope, operands: ConvolutionOperands): View {
  const sizes = sizesOf(operands);
  const { u, k, y } = sizes;
  const c: Product = { ...operands, scope, sizes };
  if (innermost(c) === 'batch') return k * y <= k * u ? gatheredInputs(c) : gatheredProducts(c);
  return k * y <= u * y ? gatheredInputsByOutput(c) : gatheredTaps(c);
}

// --- internal ---

interface Product extends ConvolutionOperands {
  readonly scope: Scope;
  readonly sizes: Sizes;
}

/** Lengths of the axes, those in space taken together: x [b, i, u], w [o, i, k], result [b, o, y]. */
interface Sizes {
  readonly b: number;
  readonly i: number;
  readonly o: number;
  readonly u: number;
  readonly k: number;
  readonly y: number;
}

function sizesOf({ x, w, axes }: ConvolutionOperands): Sizes {
  const [b, i] = x.shape as [number, number];
  const [o] = w.shape as [number];
  return { b, i, o, u: countOf(axes, 'inputs'), k: countOf(axes, 'taps'), y: countOf(axes, 'outputs') };
}

/** What to copy in runs: whatever lies innermost in the memory of x, else of w, else what must count images. */
function innermost({ x, w, sizes }: Product): 'batch' | 'channels' {
  const last = memoryOrder(x).at(-1);
  if (last === 0 || last === 1) return last === 0 ? 'batch' : 'channels';
  if (memoryOrder(w).at(-1) === 1) return 'channels';
  return sizes.k > sizes.y ? 'channels' : 'batch'; // a kernel as large as an image is a batch of images
}

/** Sums over channels and taps: w [o, i k] times x gathered to [i k, y b]. */
function gatheredInputs({ scope, x, w, axes, dtype, sizes: { b, i, o, u, k, y } }: Product): View {
  const places = { tensor: tensorOf(scope, x, ['second', 'space', 'first'], [i, u, b]), shape: [i, u, b], dtype };
  const gathered = scope.reshape(gather(scope, places, inputsByTap(axes)), [i * k, y * b]);
  const kernel = tensorOf(scope, w, ['first', 'second', 'space'], [o, i * k]);
  const product = scope.graph.node('Gemm', [kernel, gathered]);
  return batchLast({ scope, axes, dtype }, product, [o, b]);
}

/** Sums over taps and images: x gathered to [b y, k i] times w [o, k i]. */
function gatheredInputsByOutput({ scope, x, w, axes, dtype, sizes: { b, i, o, u, k, y } }: Product): View {
  const places = { tensor: tensorOf(scope, x, ['first', 'space', 'second'], [b, u, i]), shape: [b, u, i], dtype };
  const gathered = scope.reshape(gather(scope, places, inputsByOutput(axes)), [b * y, k * i]);
  const kernel = tensorOf(scope, w, ['first', 'space', 'second'], [o, k * i]);
  const product = scope.graph.node('Gemm', [gathered, kernel], { transB: 1 }); // [b y, o]
  return transposeView(batchLast({ scope, axes, dtype }, product, [b, o]), [1, 0, ...axes.map((_, n) => 2 + n)]);
}

/**
 * Sums over inputs and images: w gathered to [o y, u i] times x [b, u i]. The last y comes first, which makes the
 * gathered elements those of the strided convolution that is the gradient of this one.
 */
function gatheredTaps({ scope, x, w, axes, dtype, sizes: { b, i, o, u, k, y } }: Product): View {
  const places = { tensor: tensorOf(scope, w, ['first', 'space', 'second'], [o, k, i]), shape: [o, k, i], dtype };
  const gathered = scope.reshape(gather(scope, places, tapsByReversedOutput(axes)), [o * y, u * i]);
  const input = tensorOf(scope, x, ['first', 'space', 'second'], [b, u * i]);
  const product = scope.graph.node('Gemm', [gathered, input], { transB: 1 }); // [o y, b]
  const reversed = scope.reshape(product, [o, ...axes.map((axis) => axis.outputs), b]);
  const spaceAt = axes.map((_, n) => 1 + n);
  return batchLast({ scope, axes, dtype }, flip(scope, reversed, spaceAt), [o, b]);
}

/** Products of every tap and every input, w [o k, i] times x [i, u b]; then, for each y, the sum of those it wants. */
function gatheredProducts({ scope, x, w, axes, dtype, sizes: { b, i, o, u, k, y } }: Product): View {
  const pairs = pairsByOutput(axes);
  const terms = pairs.reduce((most, own) => Math.max(most, own.length), 1);
  const isRagged = pairs.some((own) => own.length < terms);
  const images = tensorOf(scope, x, ['second', 'space', 'first'], [i, u, b]);
  const input = isRagged ? withZeros(scope, images, dtype) : images; // so that every tap has a product that is zero
  const width = isRagged ? u + 1 : u;
  const kernel = tensorOf(scope, w, ['first', 'space', 'second'], [o * k, i]);
  const products = scope.graph.node('Gemm', [kernel, scope.reshape(input, [i, width * b])]); // [o k, width b]
  const positions = Array.from({ length: terms }, (_, term) =>
    pairs.map((own) => (own[term] ? own[term].k * width + own[term].u : u)),
  ).flat();
  const places = { tensor: scope.reshape(products, [o, k * width, b]), shape: [o, k * width, b], dtype };
  const gathered = scope.reshape(gather(scope, places, positions), [o, terms, y * b]);
  const sum = scope.graph.node('ReduceSum', [gathered, scope.graph.constant([1], 'int64')], { keepdims: 0 });
  return batchLast({ scope, axes, dtype }, sum, [o, b]);
}

/** Tensor [A, places, R] whose middle axis is gathered. */
interface Places {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** [A, places, R] to [A, positions, R]; zeros where a position is null. */
function gather(scope: Scope, { tensor, shape, dtype }: Places, positions: Positions): string {
  const source = positions.includes(null) ? withZeros(scope, tensor, dtype) : tensor;
  const places = positions.map((position) => position ?? (shape[1] as number));
  const indices = scope.graph.constant(places, { shape: [places.length], dtype: 'int32' });
  return scope.graph.node('Gather', [source, indices], { axis: 1 });
}

/** One more place after the last, all zeros: [A, places, R] to [A, places + 1, R]. */
function withZeros(scope: Scope, tensor: string, dtype: DType): string {
  const zero = scope.graph.constant([0], { shape: [], dtype });
  return scope.graph.node('Pad', [tensor, scope.graph.constant([0, 0, 0, 0, 1, 0], 'int64'), zero]);
}

/** Axes of x [b, i, ...] and w [o, i, ...]. */
type Axis = 'first' | 'second' | 'space';

/** A view [first, second, ...space] written out with its axes in another order, as a tensor of `shape`. */
function tensorOf(scope: Scope, view: View, order: readonly Axis[], shape: readonly number[]): string {
  const space = view.shape.slice(2).map((_, n) => 2 + n);
  const permutation = order.flatMap((axis) => (axis === 'space' ? space : [axis === 'first' ? 0 : 1]));
  // Axes of length one in the base would turn a plain matrix transpose into a general, slow one: leave them out first.
  const varying = memoryOrder(view);
  const compact = scope.fromOrder(scope.inOrder(view, varying), view.shape, varying, view.dtype);
  return scope.reshape(scope.materialise(transposeView(compact, permutation)), shape);
}

/** Varying axes in the order in which they lie in memory. */
function memoryOrder(view: View): number[] {
  return varyingAxes(view).sort((p, q) => (view.axes[p] as number) - (view.axes[q] as number));
}

/** A tensor of [o, ...S', b], flat or not, as a view of [b, o, ...S']. */
function batchLast(
  { scope, axes, dtype }: Pick<Product, 'scope' | 'axes' | 'dtype'>,
  tensor: string,
  [o, b]: readonly [number, number],
): View {
  const shape = [o, ...axes.map((axis) => axis.outputs), b];
  const view = wholeView(scope.base(scope.reshape(tensor, shape), shape), dtype);
  return transposeView(view, [shape.length - 1, 0, ...axes.map((_, n) => 1 + n)]);
}
