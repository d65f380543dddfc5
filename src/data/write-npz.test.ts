import { expect, test } from 'vitest';
import { ShapeError } from '../errors.ts';
import { npyBytes, npzBytes } from './write-npz.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

test('an array is magic, version, a header that ends at a multiple of 64 bytes, and its values', () => {
  const bytes = npyBytes({ name: 'x', shape: [2, 3], values: Uint8Array.of(1, 2, 3, 4, 5, 6) });
  expect(bytes).toHaveLength(128 + 6);
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
  expect(text(bytes.subarray(0, 128))).toBe(`\x93NUMPY\x01\x00\x76\x00${header.padEnd(117)}\n`); // 0x76 = 118
  expect([...bytes.subarray(128)]).toEqual([1, 2, 3, 4, 5, 6]);
});

test('one side has a comma behind it, and two bytes a value are little-endian', () => {
  const bytes = npyBytes({ name: 'x', shape: [2], values: Uint16Array.of(1, 0x1234) });
  expect(text(bytes.subarray(10))).toContain("'descr': '<u2', 'fortran_order': False, 'shape': (2,), }");
  expect([...bytes.subarray(128)]).toEqual([1, 0, 0x34, 0x12]);
});

test('an archive is its members as they are, then a directory, by hand', () => {
  const array = { name: 'a', shape: [1], values: Uint8Array.of(7) };
  const member = npyBytes(array);
  const zip = npzBytes([array]);
  const view = new DataView(zip.buffer);
  const [local, directory] = [30 + 5 + 129, 46 + 5];
  expect(zip).toHaveLength(local + directory + 22);
  const words = (at: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getUint16(at + 2 * i, true));
  expect(text(zip.subarray(0, 4))).toBe('PK\x03\x04');
  expect(words(4, 5)).toEqual([20, 0, 0, 0, 0x21]); // version, flags, stored, time, 1 January 1980
  expect(view.getUint32(14, true)).toBe(crc32(member));
  expect(words(18, 6)).toEqual([129, 0, 129, 0, 5, 0]);
  expect(text(zip.subarray(30, 35))).toBe('a.npy');
  expect(zip.slice(35, local)).toEqual(member);
  expect(text(zip.subarray(local, local + 4))).toBe('PK\x01\x02');
  expect(zip.slice(local + 6, local + 32)).toEqual(zip.slice(4, 30)); // what both headers say
  expect(view.getUint32(local + 42, true)).toBe(0);
  expect(text(zip.subarray(local + directory)).slice(0, 4)).toBe('PK\x05\x06');
  expect(words(local + directory + 8, 6)).toEqual([1, 1, directory, 0, local, 0]);
});

test('the second member says where it begins', () => {
  const array = { shape: [1], values: Uint8Array.of(7) };
  const zip = npzBytes([
    { ...array, name: 'a' },
    { ...array, name: 'bc' },
  ]);
  const view = new DataView(zip.buffer);
  const start = view.getUint32(zip.length - 6, true);
  expect(view.getUint32(start + 46 + 5 + 42, true)).toBe(30 + 5 + 129);
});

test('sides that do not fit the values are refused', () => {
  expect(() => npyBytes({ name: 'x', shape: [2, 2], values: new Uint8Array(3) })).toThrow(ShapeError);
});

/** Bit by bit (ISO 3309), as a second opinion. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
