// What a decoder's file says of itself, for the person who made it: its contract, its operators, its size, its certificate.

import { TensorProto_DataType } from 'onnx-buf';
import { ReleaseError } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { type DecoderContract, inspectDecoder } from './inspect.ts';
import { inspectModel } from './inspect-model.ts';
import { declaredShape } from './inspect-ports.ts';
import { type LipschitzCertificate, lipschitzCertificate } from './lipschitz-certificate.ts';
import { parseDecoder } from './parse-decoder.ts';

export interface DecoderDescription {
  readonly contract: DecoderContract;
  /** Version of ONNX's operator set. */
  readonly opset: number;
  /** Operators by name, the most frequent first. */
  readonly operators: readonly { readonly operator: string; readonly count: number }[];
  /** Floating-point numbers in the file: weights, and the few constants of the graph. */
  readonly parameters: number;
  readonly certificate: LipschitzCertificate | null;
  /** Why there is no certificate; null where there is one. */
  readonly whyNone: string | null;
}

/** The image shape that a decoder's file declares, or null where it leaves a side open. Throws ReleaseError for no ONNX model. */
export function shapeInFile(onnx: Uint8Array): ImageShape | null {
  return declaredShape(inspectModel(parseDecoder(onnx)));
}

/** Inspects a file and describes it. Executes nothing of it. Throws ReleaseError where it would be refused on arrival. */
export function describeDecoder(onnx: Uint8Array, shape: ImageShape): DecoderDescription {
  const contract = inspectDecoder(onnx, { shape, classes: 'any' });
  const model = parseDecoder(onnx);
  const { node, initializer } = inspectModel(model);
  const counts = new Map<string, number>();
  for (const { opType } of node) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  const constants = [...initializer, ...node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => (t ? [t] : [])))];
  return {
    contract,
    opset: Number(model.opsetImport[0]?.version ?? 0n),
    operators: [...counts]
      .map(([operator, count]) => ({ operator, count }))
      .sort((a, b) => b.count - a.count || (a.operator < b.operator ? -1 : 1)),
    parameters: constants
      .filter(({ dataType }) => dataType === TensorProto_DataType.FLOAT)
      .reduce((sum, { dims }) => sum + dims.map(Number).reduce((product, side) => product * side, 1), 0),
    ...certificateOf(onnx),
  };
}

/** The Lipschitz certificate of a file that passed inspection, or why it has none. */
export function certificateOf(onnx: Uint8Array): Pick<DecoderDescription, 'certificate' | 'whyNone'> {
  try {
    return { certificate: lipschitzCertificate(onnx), whyNone: null };
  } catch (error) {
    if (!(error instanceof ReleaseError) || error.facts['reason'] !== 'not-certifiable') throw error;
    return { certificate: null, whyNone: String(error.facts['detail']) };
  }
}
