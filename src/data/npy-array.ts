// The .npy format of NumPy, as far as images and labels need it: arrays of whole numbers in row-major order.

import { DataError, type ErrorFacts } from '../errors.ts';

/** An array of whole numbers as it lies in the file. */
export interface NpyArray {
  /** Sides, outermost first; empty for a single number. */
  readonly shape: readonly number[];
  /** `|u1`, `<i8`, `|b1`: byte order, kind, bytes. */
  readonly type: string;
  /** Row-major. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the header and takes the rest as it is: nothing is copied. `file` names it in messages. Throws DataError for
 * other kinds of numbers than whole ones, column-major order of more than one side, or a length that the header belies.
 */
export function readNpy(bytes: Uint8Array, file: string): NpyArray {
  const magic = String.fromCharCode(...bytes.subarray(1, 6));
  if (bytes[0] !== 0x93 || magic !== 'NUMPY' || bytes.length < 12) {
    throw refused(file, 'a .npy array (\\x93NUMPY)', `${bytes.length} bytes of something else`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isOld = bytes[6] === 1; // later versions have room for longer headers
  const headerBytes = isOld ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = (isOld ? 10 : 12) + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || start > bytes.length) {
    throw refused(file, `a header of at most ${MAX_HEADER_BYTES} bytes`, `one of ${headerBytes}`);
  }
  const { type, isColumnMajor, shape } = readHeader(bytes.subarray(isOld ? 10 : 12, start), file);
  const sizes = /^[<>|=]?([iub])([1248])$/.exec(type);
  if (sizes === null) {
    throw refused(file, 'whole numbers (uint8 pixels, integer labels)', `numbers of type ${type}`, { type });
  }
  if (isColumnMajor && shape.length > 1) {
    throw refused(file, 'row-major order (numpy.ascontiguousarray)', 'column-major order');
  }
  const sizeBytes = shape.reduce((product, side) => product * side, Number(sizes[2]));
  if (sizeBytes !== bytes.length - start) {
    const shapeText = `[${shape.join(', ')}]`;
    throw refused(file, `${sizeBytes} bytes for ${shapeText} of ${type}`, `${bytes.length - start}`, { sizeBytes });
  }
  return { shape, type, bytes: bytes.subarray(start) };
}

/** The numbers of an array, as doubles: exact up to 2 ** 53. */
export function* npyNumbers({ type, bytes }: NpyArray): Generator<number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = !type.startsWith('>');
  const size = Number(type.at(-1));
  const isSigned = type.at(-2) === 'i';
  for (let at = 0; at < bytes.length; at += size) yield numberAt(view, at, { size, isSigned, isLittle });
}

// --- internal ---

const MAX_HEADER_BYTES = 10_000; // numpy's own bound
const MAX_SIDES = 8;

interface NumberType {
  readonly size: number;
  readonly isSigned: boolean;
  readonly isLittle: boolean;
}

function numberAt(view: DataView, at: number, { size, isSigned, isLittle }: NumberType): number {
  switch (size) {
    case 1:
      return isSigned ? view.getInt8(at) : view.getUint8(at);
    case 2:
      return isSigned ? view.getInt16(at, isLittle) : view.getUint16(at, isLittle);
    case 4:
      return isSigned ? view.getInt32(at, isLittle) : view.getUint32(at, isLittle);
    default:
      return Number(isSigned ? view.getBigInt64(at, isLittle) : view.getBigUint64(at, isLittle));
  }
}

/** The header is a Python dictionary: `{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }`. */
function readHeader(bytes: Uint8Array, file: string) {
  const text = new TextDecoder().decode(bytes);
  const type = /'descr': *'([^']{1,16})'/.exec(text)?.[1];
  const order = /'fortran_order': *(True|False)/.exec(text)?.[1];
  const sides = /'shape': *\(([\d, ]*)\)/.exec(text)?.[1];
  const shape = sides?.split(',').flatMap((side) => (side.trim() === '' ? [] : [Number(side)]));
  if (type === undefined || order === undefined || shape === undefined || shape.length > MAX_SIDES) {
    throw refused(file, 'a header with descr, fortran_order and shape', JSON.stringify(text.slice(0, 100)));
  }
  if (!shape.every(Number.isSafeInteger)) throw refused(file, 'whole sides', `(${sides})`);
  return { type, isColumnMajor: order === 'True', shape };
}

function refused(file: string, expected: string, found: string, facts: ErrorFacts = {}): DataError {
  const message = `${file}: expected ${expected}, found ${found}. Convert it with NumPy, and save it again.`;
  return new DataError(message, { file, expected, found, ...facts });
}
