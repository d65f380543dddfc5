// Zip archives as NumPy writes them, read with bounds: nothing is inflated that was not asked for, nor beyond the size that
// the directory states, and names are keys to look up, never paths to write to.

import { crc32, inflateRawSync } from 'node:zlib';
import { DataError, type ErrorFacts } from '../errors.ts';
import { ZIP_BYTES, ZIP_MAGIC } from './zip-format.ts';

/** A member of an archive, still packed. */
export interface ZipMember {
  readonly name: string;
  /** Unpacked. */
  readonly sizeBytes: number;
  /** The bytes, checked against size and checksum. Throws DataError where they disagree. */
  read(): Uint8Array;
}

/** Members that an archive may have. */
export const MAX_MEMBERS = 1000;

/**
 * The members of an archive, by name. `file` names it in messages. Throws DataError for what is no zip archive, is cut short
 * or ambiguous, is encrypted or split, needs 64-bit sizes, or packs otherwise than by deflate.
 */
export function zipMembers(bytes: Uint8Array, file: string): ReadonlyMap<string, ZipMember> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOfDirectory(view);
  if (end === null)
    throw refused(file, 'a zip archive', 'no directory at its end: it is another file, or was cut short');
  const count = view.getUint16(end + 10, true);
  const sizeBytes = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (view.getUint32(end + 4, true) !== 0) throw refused(file, 'an archive in one file', 'a part of a split one');
  if (count > MAX_MEMBERS || start + sizeBytes > end) {
    throw refused(file, `a directory of at most ${MAX_MEMBERS} members before its end`, `${count} at byte ${start}`);
  }
  const members = new Map<string, ZipMember>();
  let at = start;
  for (let i = 0; i < count; i++) {
    const entry = readEntry(view, at, end, file);
    if (members.has(entry.name)) throw refused(file, 'each name once', `two members called ${shown(entry.name)}`);
    const { name, sizeBytes: size } = entry;
    members.set(name, { name, sizeBytes: size, read: () => unpack(bytes, view, entry, file) });
    at = entry.next;
  }
  return members;
}

// --- internal ---

const MAX_COMMENT_BYTES = 0xffff;
const STORED = 0;
const DEFLATED = 8;
/** Sizes that stand in another record, of 64 bits. */
const ELSEWHERE = 0xffffffff;
/** Deflate can't do better than 1032 : 1 (a property of the format, zlib's technical notes). */
const DEFLATE_MAX_RATIO = 1032;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  /** Where its local header is. */
  readonly at: number;
  /** Where the next entry of the directory begins. */
  readonly next: number;
}

/** Where the record that ends the directory begins: the last one that a comment can follow. */
function endOfDirectory(view: DataView): number | null {
  const first = Math.max(0, view.byteLength - ZIP_BYTES.end - MAX_COMMENT_BYTES);
  for (let at = view.byteLength - ZIP_BYTES.end; at >= first; at--) {
    if (view.getUint32(at, true) !== ZIP_MAGIC.end) continue;
    if (at + ZIP_BYTES.end + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  return null;
}

function readEntry(view: DataView, at: number, end: number, file: string): Entry {
  if (at + ZIP_BYTES.entry > end || view.getUint32(at, true) !== ZIP_MAGIC.entry) {
    throw refused(file, 'a whole directory', `none at byte ${at}`);
  }
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const nameBytes = view.getUint16(at + 28, true);
  const next = at + ZIP_BYTES.entry + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  if (next > end) throw refused(file, 'a whole directory', 'an entry that reaches beyond it');
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + ZIP_BYTES.entry, nameBytes));
  const what = `member ${shown(name)}`;
  if ((flags & 1) !== 0) throw refused(file, 'no encryption', `${what} encrypted`);
  if (method !== STORED && method !== DEFLATED) {
    throw refused(file, 'members that are stored or deflated', `${what} packed by method ${method}`, { method });
  }
  const packedBytes = view.getUint32(at + 20, true);
  const sizeBytes = view.getUint32(at + 24, true);
  const local = view.getUint32(at + 42, true);
  if ([packedBytes, sizeBytes, local].includes(ELSEWHERE)) {
    throw refused(file, 'members below 4 GiB', `${what} with 64-bit sizes`);
  }
  return { name, method, crc: view.getUint32(at + 16, true), packedBytes, sizeBytes, at: local, next };
}

function unpack(bytes: Uint8Array, view: DataView, entry: Entry, file: string): Uint8Array {
  const { name, at, packedBytes, sizeBytes, method } = entry;
  const what = `member ${shown(name)}`;
  if (at + ZIP_BYTES.local > bytes.length || view.getUint32(at, true) !== ZIP_MAGIC.local) {
    throw refused(file, `${what} at byte ${at}`, 'something else');
  }
  const start = at + ZIP_BYTES.local + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  const packed = bytes.subarray(start, start + packedBytes);
  const most = method === STORED ? packedBytes : packedBytes * DEFLATE_MAX_RATIO;
  if (packed.length !== packedBytes || sizeBytes > most || (method === STORED && sizeBytes !== packedBytes)) {
    throw refused(file, `${sizeBytes} bytes in ${what}, as the directory says`, `${packed.length} packed ones`);
  }
  const content = method === STORED ? packed : inflated(packed, sizeBytes, what, file);
  const found = crc32(content);
  if (content.length !== sizeBytes || found !== entry.crc) {
    throw refused(file, `${what} with checksum ${hex(entry.crc)}`, `${content.length} bytes with ${hex(found)}`);
  }
  return content;
}

function inflated(packed: Uint8Array, sizeBytes: number, what: string, file: string): Uint8Array {
  try {
    const content = inflateRawSync(packed, { maxOutputLength: Math.max(sizeBytes, 1) });
    return new Uint8Array(content.buffer, content.byteOffset, content.length); // never a Buffer, whose `slice` differs
  } catch (cause) {
    throw refused(file, `${sizeBytes} bytes in ${what}`, 'damaged data, or more than that', {}, cause);
  }
}

function refused(file: string, expected: string, found: string, facts: ErrorFacts = {}, cause?: unknown): DataError {
  const message = `${file}: expected ${expected}, found ${found}. Write the file again, with numpy.savez or savez_compressed.`;
  return new DataError(message, { file, expected, found, ...facts }, { cause });
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
