// The operators a decoder may use: enough for dense and convolutional generators, as we and PyTorch write them.
//
// None of them branches, loops, draws random numbers, reads files or runs code of its own. How many operands each takes
// is part of the list: runtimes have been seen to crash, instead of complaining, where one is missing.

/** How many operands an operator takes. Those past `least` may be left out; a list of any length has no gaps. */
export interface Operands {
  readonly least: number;
  readonly most: number;
}

/** Standard ONNX operators that decoders may use, each with one result. */
export const ALLOWED_OPERATORS: ReadonlyMap<string, Operands> = new Map([
  // matrix products and convolutions
  ...taking(2, 2, 'MatMul'),
  ...taking(2, 3, 'Gemm', 'Conv', 'ConvTranspose'),
  // arithmetic
  ...taking(1, 1, 'Neg', 'Abs', 'Reciprocal', 'Sqrt', 'Exp', 'Log', 'Erf', 'Sin', 'Cos'),
  ...taking(2, 2, 'Add', 'Sub', 'Mul', 'Div', 'Pow'),
  ...taking(1, 3, 'Clip'),
  ...taking(1, Infinity, 'Max', 'Min'),
  // activations
  ...taking(1, 1, 'Relu', 'LeakyRelu', 'Elu', 'Celu', 'Selu', 'Gelu', 'HardSwish', 'Softplus', 'Softmax'),
  ...taking(1, 1, 'Sigmoid', 'HardSigmoid', 'Tanh'),
  ...taking(2, 2, 'PRelu'),
  // normalisation
  ...taking(5, 5, 'BatchNormalization'),
  ...taking(3, 3, 'InstanceNormalization'),
  ...taking(2, 3, 'LayerNormalization'),
  ...taking(1, 2, 'ReduceMean', 'ReduceSum', 'ReduceL2'),
  // movement; where two numbers differ, older versions have attributes in place of operands
  ...taking(1, 1, 'Flatten', 'Transpose', 'DepthToSpace'),
  ...taking(2, 2, 'Reshape', 'Expand', 'Tile'),
  ...taking(1, 2, 'Squeeze', 'Unsqueeze'),
  ...taking(1, 4, 'Pad', 'Resize'),
  ...taking(1, 5, 'Slice'),
  ...taking(1, Infinity, 'Concat'),
  // constants, and the shape arithmetic that PyTorch writes for `view(n, ...)` and `expand(n, ...)`
  ...taking(0, 0, 'Constant'),
  ...taking(1, 1, 'Identity', 'Cast', 'Shape', 'ConstantOfShape'),
  ...taking(2, 2, 'Gather', 'Equal'),
  ...taking(3, 3, 'Where'),
]);

// --- internal ---

function taking(least: number, most: number, ...operators: readonly string[]): [string, Operands][] {
  return operators.map((operator) => [operator, { least, most }]);
}
