// NumPy's .npz format, written: a zip archive of .npy arrays, stored as numpy.savez does it. No dates, no compression, so the
// same arrays are the same bytes wherever they are written.

import { crc32 } from 'node:zlib';
import { ShapeError } from '../errors.ts';
import { ZIP_BYTES, ZIP_MAGIC } from './zip-format.ts';

/** An array as `numpy.load(file)[name]` gives it back. */
export interface NpzArray {
  readonly name: string;
  /** Sides, outermost first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Uint8Array | Uint16Array;
}

/** The bytes of an archive of these arrays. Throws ShapeError where sides and values disagree, or 4 GiB do not suffice. */
export function npzBytes(arrays: readonly NpzArray[]): Uint8Array {
  return storedZip(arrays.map((array) => ({ name: `${array.name}.npy`, content: npyBytes(array) })));
}

/** The bytes of one array, version 1.0 of the format: its header ends at a multiple of 64 bytes. */
export function npyBytes({ name, shape, values }: NpzArray): Uint8Array {
  if (shape.reduce((product, side) => product * side, 1) !== values.length) {
    throw new ShapeError(`Array ${name} of [${shape.join(', ')}] has ${values.length} values.`, { name });
  }
  const type = values instanceof Uint8Array ? '|u1' : '<u2';
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sides}), }`;
  const headerBytes = Math.ceil((NPY_START.length + 2 + header.length + 1) / ALIGNMENT) * ALIGNMENT;
  const out = new Uint8Array(headerBytes + values.byteLength);
  const view = new DataView(out.buffer);
  const headerLength = headerBytes - NPY_START.length - 2;
  out.set(NPY_START);
  view.setUint16(NPY_START.length, headerLength, true);
  out.set(ASCII.encode(`${header.padEnd(headerLength - 1)}\n`), NPY_START.length + 2);
  if (values instanceof Uint8Array) out.set(values, headerBytes);
  else values.forEach((value, i) => view.setUint16(headerBytes + 2 * i, value, true));
  return out;
}

// --- internal ---

const ASCII = new TextEncoder();
/** Magic, then version 1.0. */
const NPY_START = Uint8Array.of(0x93, ...ASCII.encode('NUMPY'), 1, 0);
const ALIGNMENT = 64;
/** 2.0: stored and deflated members. */
const ZIP_VERSION = 20;
/** 1 January 1980, the first day that zip knows, and what stands where nobody says when. */
const NO_DATE = 0x0021;

interface Member {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Each member behind its header, then the directory, then its end (APPNOTE.TXT of PKWARE, 4.3.7, 4.3.12 and 4.3.16). */
function storedZip(members: readonly Member[]): Uint8Array {
  const sized = members.map(({ name, content }) => ({ name: ASCII.encode(name), content, crc: crc32(content) }));
  const directoryBytes = sized.reduce((sum, { name }) => sum + ZIP_BYTES.entry + name.length, 0);
  const start = sized.reduce((sum, { name, content }) => sum + ZIP_BYTES.local + name.length + content.length, 0);
  const total = start + directoryBytes + ZIP_BYTES.end;
  if (total > 0xfffffffe)
    throw new ShapeError(`A zip archive holds at most 4 GiB; ${total} bytes were given.`, { total });
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  let [at, entry] = [0, start];
  for (const { name, content, crc } of sized) {
    /** What both headers say of the member, from the version it takes to the length of its name. */
    const describe = (from: number) => {
      view.setUint16(from, ZIP_VERSION, true);
      view.setUint16(from + 8, NO_DATE, true);
      view.setUint32(from + 10, crc, true);
      view.setUint32(from + 14, content.length, true);
      view.setUint32(from + 18, content.length, true);
      view.setUint16(from + 22, name.length, true);
    };
    view.setUint32(entry, ZIP_MAGIC.entry, true);
    view.setUint16(entry + 4, ZIP_VERSION, true);
    describe(entry + 6);
    view.setUint32(entry + 42, at, true);
    out.set(name, entry + ZIP_BYTES.entry);
    entry += ZIP_BYTES.entry + name.length;

    view.setUint32(at, ZIP_MAGIC.local, true);
    describe(at + 4);
    out.set(name, at + ZIP_BYTES.local);
    out.set(content, at + ZIP_BYTES.local + name.length);
    at += ZIP_BYTES.local + name.length + content.length;
  }
  view.setUint32(entry, ZIP_MAGIC.end, true);
  view.setUint16(entry + 8, sized.length, true);
  view.setUint16(entry + 10, sized.length, true);
  view.setUint32(entry + 12, directoryBytes, true);
  view.setUint32(entry + 16, start, true);
  return out;
}
