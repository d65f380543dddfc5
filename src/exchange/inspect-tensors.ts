// Constants of a decoder from outside: their types, shapes and data agree, and are where they say.

import { TensorProto_DataLocation, TensorProto_DataType, type TensorProto } from 'onnx-buf';
import { refuse } from './refusal.ts';

/** Throws ReleaseError unless `tensor` is a plain constant held in the file. `where` names it in messages. */
export function inspectTensor(tensor: TensorProto, where: string): void {
  if (tensor.dataLocation !== TensorProto_DataLocation.DEFAULT || tensor.externalData.length > 0) {
    refuse('external-data', `${where} has its data outside of the file.`, { tensor: where });
  }
  const type = TYPES.get(tensor.dataType);
  if (!type) {
    refuse('tensor-type', `${where} has element type ${tensor.dataType}.`, {
      tensor: where,
      dataType: tensor.dataType,
    });
  }
  const count = elementCount(tensor.dims, where);
  const stored = [
    tensor.rawData.length / type.elementBytes,
    ...NUMBER_LISTS.map((list) => (list === type.list ? tensor[list].length : tensor[list].length === 0 ? 0 : NaN)),
    tensor.stringData.length === 0 && tensor.segment === undefined ? 0 : NaN,
  ];
  // Data stands in one place only, and fills the shape.
  const filled = stored.filter((length) => length !== 0);
  if (filled.length > 1 || (filled[0] ?? 0) !== count) {
    refuse('tensor-data', `${where} [${tensor.dims.join(', ')}] needs ${count} values, stored in one way.`, {
      tensor: where,
      expected: count,
    });
  }
}

// --- internal ---

const NUMBER_LISTS = ['floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'] as const;

/** Allowed element types: their size, and the list that may hold their values instead of raw bytes. */
const TYPES: ReadonlyMap<number, { readonly elementBytes: number; readonly list: (typeof NUMBER_LISTS)[number] }> =
  new Map([
    [TensorProto_DataType.FLOAT, { elementBytes: 4, list: 'floatData' }],
    [TensorProto_DataType.INT32, { elementBytes: 4, list: 'int32Data' }],
    [TensorProto_DataType.INT64, { elementBytes: 8, list: 'int64Data' }],
  ]);

const MAX_RANK = 8;
const MAX_ELEMENTS = 2 ** 26;

function elementCount(dims: readonly bigint[], where: string): number {
  const sides = dims.map(Number);
  const count = sides.reduce((product, side) => product * side, 1);
  const sane = sides.every((side) => side >= 0 && side <= MAX_ELEMENTS);
  if (sides.length > MAX_RANK || !sane || count > MAX_ELEMENTS) {
    refuse(
      'tensor-size',
      `${where} has shape [${dims.slice(0, MAX_RANK + 1).join(', ')}]; at most ${MAX_RANK} sides and ` +
        `${MAX_ELEMENTS} elements are accepted.`,
      { tensor: where },
    );
  }
  return count;
}
