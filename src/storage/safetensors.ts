// Named arrays in one file: own reader and writer of the safetensors format (github.com/huggingface/safetensors).
// The reader takes bytes from anywhere: every count and offset is checked before it is used.

import { StateError } from '../errors.ts';

/** One array, row by row. `shape` [] is a single number; a dimension may be 0. */
export type Tensor = {
  [D in keyof ArrayOf]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: ArrayOf[D] };
}[keyof ArrayOf];

/** Element types that can be stored, by their names in the format. */
export type TensorType = keyof ArrayOf;

/** What a safetensors file holds. Metadata are free texts by name. */
export interface TensorFile {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bounds that a file is checked against before anything is allocated for it. */
export interface TensorLimits {
  /** JSON header; the default is 1 MiB. */
  readonly maxHeaderBytes?: number;
  /** All arrays together; the default is 1 GiB. */
  readonly maxDataBytes?: number;
  /** The default is 10,000. */
  readonly maxTensors?: number;
}

/**
 * The file's bytes. They depend on names and values only, never on the order of insertion: the widest element types
 * come first, then by name, as in the reference implementation. Throws StateError for a shape that does not fit.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const sorted = Object.entries(tensors).sort(
    ([nameA, a], [nameB, b]) => ORDER.indexOf(a.dtype) - ORDER.indexOf(b.dtype) || compareUtf8(nameA, nameB),
  );
  const entries: [string, unknown][] = [];
  const metadataNames = Object.keys(metadata).sort(compareUtf8);
  if (metadataNames.length > 0) {
    entries.push([METADATA, Object.fromEntries(metadataNames.map((name) => [name, metadata[name]]))]);
  }
  let dataBytes = 0;
  for (const [name, tensor] of sorted) {
    checkWritable(name, tensor);
    const end = dataBytes + tensor.data.byteLength;
    entries.push([name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [dataBytes, end] }]);
    dataBytes = end;
  }
  const json = new TextEncoder().encode(headerJson(entries));
  const headerBytes = Math.ceil(json.length / 8) * 8; // so that the arrays start at a multiple of 8
  const out = new Uint8Array(LENGTH_BYTES + headerBytes + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(headerBytes), true);
  out.fill(SPACE, LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  out.set(json, LENGTH_BYTES);
  let at = LENGTH_BYTES + headerBytes;
  for (const [, { data }] of sorted) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

/**
 * Reads a file's bytes; the arrays are copies. Throws StateError unless the header is within the limits and well formed
 * and the arrays cover the rest of the file exactly: no gap, no overlap, nothing beyond the end.
 */
export function decodeSafetensors(bytes: Uint8Array, limits: TensorLimits = {}): TensorFile {
  const { maxHeaderBytes = 2 ** 20, maxDataBytes = 2 ** 30, maxTensors = 10_000 } = limits;
  check(bytes.length >= LENGTH_BYTES, `It has ${bytes.length} bytes, too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true)); // rounding above 2^53 cannot pass the next line
  check(
    headerBytes <= maxHeaderBytes,
    `It claims a header of ${headerBytes} bytes; at most ${maxHeaderBytes} are read`,
  );
  check(
    headerBytes <= bytes.length - LENGTH_BYTES,
    `It is cut off: a header of ${headerBytes} bytes in ${bytes.length} bytes`,
  );
  const data = bytes.subarray(LENGTH_BYTES + headerBytes);
  check(data.length <= maxDataBytes, `It holds ${data.length} bytes of arrays; at most ${maxDataBytes} are read`);

  const header = parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + headerBytes));
  const names = Object.keys(header).filter((name) => name !== METADATA);
  check(names.length <= maxTensors, `It holds ${names.length} arrays; at most ${maxTensors} are read`);
  const places = names.map((name) => parsePlace(name, header[name])).sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of places) {
    check(begin === covered, `Array "${name}" begins at byte ${begin}, expected ${covered}: a gap or an overlap`, {
      name,
    });
    check(end <= data.length, `Array "${name}" ends at byte ${end} of ${data.length}: the file is cut off`, { name });
    covered = end;
  }
  check(covered === data.length, `${data.length - covered} bytes after the last array belong to nothing`);
  return {
    tensors: Object.fromEntries(places.map((place) => [place.name, readTensor(place, data)])),
    metadata: parseMetadata(Object.hasOwn(header, METADATA) ? header[METADATA] : {}),
  };
}

// --- internal ---

interface ArrayOf {
  readonly I64: BigInt64Array;
  readonly F64: Float64Array;
  readonly F32: Float32Array;
  readonly U32: Uint32Array;
  readonly I32: Int32Array;
  readonly U8: Uint8Array;
}

const ARRAYS = {
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  U8: Uint8Array,
} as const;
const ORDER: readonly TensorType[] = ['I64', 'F64', 'F32', 'U32', 'I32', 'U8']; // in the file
const METADATA = '__metadata__';
const LENGTH_BYTES = 8;
const SPACE = 0x20;

interface Place {
  readonly name: string;
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function checkWritable(name: string, { dtype, shape, data }: Tensor): void {
  if (name === METADATA)
    throw new StateError(`No array may be called ${METADATA}: that name is the format's own.`, { name });
  if (!(data instanceof ARRAYS[dtype]) || elementCount(shape) !== data.length) {
    throw new StateError(
      `Array "${name}" is ${data.constructor.name} of ${data.length} elements; ${dtype} of shape [${shape.join(', ')}] was announced.`,
      { name },
    );
  }
}

function parseHeader(json: Uint8Array): Record<string, unknown> {
  check(json[0] === 0x7b, 'Its header does not begin with {');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (cause) {
    throw new StateError(`${WHAT} Its header is not valid JSON.`, {}, { cause });
  }
  check(isRecord(header), 'Its header is not an object');
  return header;
}

function parsePlace(name: string, entry: unknown): Place {
  const where = `Array "${name.slice(0, 80)}"`;
  const facts = { name };
  check(isRecord(entry), `${where} is described by no object`, facts);
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  check(Object.keys(rest).length === 0, `${where} has unknown fields`, facts);
  const type = typeof dtype === 'string' ? `"${dtype.slice(0, 40)}"` : 'no text';
  check(isTensorType(dtype), `${where} is of type ${type}; known are ${ORDER.join(', ')}`, facts);
  check(isCounts(shape) && shape.length <= 8, `${where} has no valid shape`, facts);
  check(isCounts(offsets) && offsets.length === 2, `${where} has no valid offsets`, facts);
  const [begin, end] = offsets as [number, number];
  const count = elementCount(shape);
  const needed = count === null ? Number.NaN : count * ARRAYS[dtype].BYTES_PER_ELEMENT;
  check(end - begin === needed, `${where} takes ${end - begin} bytes, its shape needs ${needed}`, facts);
  return { name, dtype, shape, begin, end };
}

function readTensor({ dtype, shape, begin, end }: Place, data: Uint8Array): Tensor {
  const { buffer } = new Uint8Array(data.subarray(begin, end)); // a copy, so aligned; slice() of a Buffer is none
  // The two halves belong together by construction, which the union cannot see.
  return { dtype, shape, data: new ARRAYS[dtype](buffer) } as Tensor;
}

function parseMetadata(metadata: unknown): Record<string, string> {
  check(isRecord(metadata), 'Its metadata is no object');
  const entries = Object.entries(metadata);
  check(
    entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'),
    'Its metadata is not all text',
  );
  return Object.fromEntries(entries as [string, string][]);
}

/** Written piece by piece: an object literal would move names like "7" to the front. */
function headerJson(entries: readonly (readonly [string, unknown])[]): string {
  return `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
}

/** Elements of a shape, or null where that is no safe number. */
function elementCount(shape: readonly number[]): number | null {
  const count = shape.reduce((product, size) => product * size, 1);
  return isCounts(shape) && Number.isSafeInteger(count * 8) ? count : null;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function isTensorType(value: unknown): value is TensorType {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const WHAT = 'These bytes are no usable safetensors file.';

function check(condition: boolean, problem: string, facts: Readonly<Record<string, string>> = {}): asserts condition {
  if (!condition) throw new StateError(`${WHAT} ${problem}.`, facts);
}
