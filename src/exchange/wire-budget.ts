// Counts the parts of a protobuf file without building any of them, so that parsing it later has a bounded cost.
//
// A file of some megabytes may hold millions of empty messages, which as objects would fill gigabytes. Fields that our
// version of the format does not have are refused too: what we did not read, the runtime behind us might.

import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { refuse } from './refusal.ts';

export interface WireLimits {
  readonly messages: number;
  /** Strings, byte strings and numbers, each element of a list counted. */
  readonly values: number;
  readonly depth: number;
}

/** Throws ReleaseError unless `bytes` are a message of type `desc` within `limits`, down to its last field. */
export function checkWireBudget(bytes: Uint8Array, desc: DescMessage, limits: WireLimits): void {
  const walk: Walk = { reader: new BinaryReader(bytes), limits, messages: 0, values: 0, fields: new Map() };
  walkMessage(walk, desc, { end: bytes.length, depth: 1 });
}

// --- internal ---

interface Walk {
  readonly reader: BinaryReader;
  readonly limits: WireLimits;
  /** Fields by number, of the message types met so far. */
  readonly fields: Map<DescMessage, ReadonlyMap<number, DescField>>;
  messages: number;
  values: number;
}

function walkMessage(walk: Walk, desc: DescMessage, { end, depth }: { readonly end: number; readonly depth: number }) {
  const { reader, limits } = walk;
  walk.messages++;
  if (walk.messages > limits.messages) tooMany('messages', limits.messages);
  if (depth > limits.depth) tooMany('levels', limits.depth);
  const fields = fieldsOf(walk, desc);
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = fields.get(number);
    if (!field) refuse('unknown-field', `${desc.typeName} has no field ${number}.`, { field: number });
    const expected = wireTypeOf(field);
    const packed = wireType === WireType.LengthDelimited && expected !== wireType && field.fieldKind === 'list';
    if (wireType !== expected && !packed) malformed(`${desc.typeName}.${field.name} has wire type ${wireType}`);
    if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType);
      walk.values++;
    } else {
      const length = reader.uint32();
      const fieldEnd = reader.pos + length;
      if (fieldEnd > end) malformed(`${desc.typeName}.${field.name} ends ${fieldEnd - end} bytes after its message`);
      if (field.message) walkMessage(walk, field.message, { end: fieldEnd, depth: depth + 1 });
      else walk.values += packed ? Math.ceil(length / leastBytes(expected)) : 1;
      reader.pos = fieldEnd;
    }
    if (walk.values > limits.values) tooMany('values', limits.values);
  }
  if (reader.pos !== end) malformed(`${desc.typeName} ends within a field`);
}

function fieldsOf(walk: Walk, desc: DescMessage): ReadonlyMap<number, DescField> {
  const known = walk.fields.get(desc);
  if (known) return known;
  const fields = new Map(desc.fields.map((field) => [field.number, field]));
  walk.fields.set(desc, fields);
  return fields;
}

/** How one element of a field is written. */
function wireTypeOf(field: DescField): WireType {
  if (field.message) return WireType.LengthDelimited;
  if (field.enum) return WireType.Varint;
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    default:
      return WireType.Varint;
  }
}

function leastBytes(wireType: WireType): number {
  return wireType === WireType.Bit32 ? 4 : wireType === WireType.Bit64 ? 8 : 1;
}

function tooMany(what: string, most: number): never {
  refuse('too-many-parts', `It has more than ${most} ${what}.`, { most });
}

function malformed(detail: string): never {
  refuse('not-onnx', `${detail}.`);
}
