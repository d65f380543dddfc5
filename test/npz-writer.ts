// Small .npz files for tests, written by hand: what NumPy would not write can be written, too.

import { crc32, deflateRawSync } from 'node:zlib';

/** An array of a .npz file: `type` as NumPy has it, `|u1` or `<i8`. */
export interface TestArray {
  readonly type: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** `True` for column-major order. */
  readonly order?: 'True' | 'False';
}

/** Bytes as an array of the given shape. */
export function byteArray(shape: readonly number[], bytes: ArrayLike<number>): TestArray {
  return { type: '|u1', shape, bytes: Uint8Array.from(bytes) };
}

/** A `.npy` file. */
export function npy({ type, shape, bytes, order = 'False' }: TestArray): Uint8Array {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${type}', 'fortran_order': ${order}, 'shape': (${sides}), }`.padEnd(117);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'), Buffer.from(`${header}\n`), bytes]);
}

/** A zip archive of members, each deflated or stored; `change` may spoil what the directory says. */
export function zip(
  members: Readonly<Record<string, Uint8Array>>,
  change: {
    readonly stored?: boolean;
    readonly crc?: number;
    readonly sizeBytes?: number;
    readonly flags?: number;
  } = {},
): Uint8Array {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(members)) {
    const packed = change.stored ? content : deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(change.flags ?? 0, 8);
    entry.writeUInt16LE(change.stored ? 0 : 8, 10);
    entry.writeUInt32LE(change.crc ?? crc32(content), 16);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(change.sizeBytes ?? content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    locals.push(local, Buffer.from(name), Buffer.from(packed));
    entries.push(entry, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length / 2, 8);
  end.writeUInt16LE(entries.length / 2, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** A `.npz` file of arrays by name. */
export function npz(arrays: Readonly<Record<string, TestArray>>): Uint8Array {
  return zip(Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${name}.npy`, npy(array)])));
}
