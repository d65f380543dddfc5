// `conv`: plain, strided, dilated and transposed convolutions, and the gradients that backward passes make of them.

import type { ArraySpec } from './array-spec.ts';
import type { ConvolutionAxis } from './convolution-axis.ts';
import { convolutionOperator, type ConvolutionParameters } from './convolution-operators.ts';
import { convolutionProduct } from './convolution-products.ts';
import { type Rule, unsupported } from './scope.ts';

/**
 * Lowers `conv(x [B, I, ...S], w [O, I, ...K]) -> [B, O, ...S']`, floating point, any number of spatial axes: as matrix
 * products, or as ONNX's own operators where the batch axis must stay free. Throws LoweringError for other element
 * types and where `vmap` added axes.
 */
export const lowerConvolution: Rule = (scope, equation) => {
  const [x, w] = equation.inputs;
  const [output] = equation.outputs;
  const parameters = equation.parameters as unknown as JaxParameters;
  if (!x || !w || !output) throw unsupported(scope, equation, 'no operand');
  if (parameters.vmapDims > 0) throw unsupported(scope, equation, 'vmapped convolutions');
  const { dtype } = output;
  if (dtype !== 'float32' && dtype !== 'float64') throw unsupported(scope, equation, `element type ${dtype}`);
  const [xView, wView] = [scope.viewAs(x, dtype), scope.viewAs(w, dtype)];
  if (scope.freeLength === null) {
    const axes = axesOf(parameters, { x, w, output });
    scope.bind(output, convolutionProduct(scope, { x: xView, w: wView, axes, dtype }));
    return;
  }
  const tensors = { x: scope.materialise(xView), w: scope.materialise(wView), xShape: x.shape, wShape: w.shape };
  scope.bindTensor(output, convolutionOperator(scope, { ...parameters, ...tensors }));
};

// --- internal ---

interface JaxParameters extends ConvolutionParameters {
  readonly vmapDims: number;
}

function axesOf(
  { strides, padding, lhsDilation, rhsDilation }: ConvolutionParameters,
  { x, w, output }: Readonly<Record<'x' | 'w' | 'output', ArraySpec>>,
): ConvolutionAxis[] {
  return strides.map((stride, i) => ({
    inputs: x.shape[2 + i] as number,
    taps: w.shape[2 + i] as number,
    outputs: output.shape[2 + i] as number,
    inputStep: lhsDilation[i] as number,
    tapStep: rhsDilation[i] as number,
    outputStep: stride,
    before: padding[i]?.[0] as number,
  }));
}
