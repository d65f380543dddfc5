// The operators a decoder may use: enough for dense and convolutional generators, as we and PyTorch write them.
//
// None of them branches, loops, draws random numbers, reads files or runs code of its own.

/** Standard ONNX operators that decoders may use. */
export const ALLOWED_OPERATORS: ReadonlySet<string> = new Set([
  // matrix products and convolutions
  ...['Gemm', 'MatMul', 'Conv', 'ConvTranspose'],
  // arithmetic
  ...['Add', 'Sub', 'Mul', 'Div', 'Neg', 'Reciprocal', 'Pow', 'Sqrt', 'Exp', 'Erf', 'Max', 'Min', 'Clip'],
  // activations
  ...['Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Gelu', 'Softplus', 'Sigmoid', 'HardSigmoid', 'Tanh'],
  // normalisation
  ...['BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'ReduceMean'],
  // movement
  ...['Reshape', 'Flatten', 'Transpose', 'Unsqueeze', 'Squeeze', 'Concat', 'Slice', 'Pad', 'Expand'],
  ...['Resize', 'DepthToSpace'],
  // constants, and the shape arithmetic that PyTorch writes for `view(n, ...)`
  ...['Constant', 'Identity', 'Cast', 'Shape', 'Gather'],
]);
