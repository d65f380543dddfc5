import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';
import { HAND_MADE_SHAPE, handMadeDecoder } from '../../test/hand-made-decoder.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { ReleaseError } from '../errors.ts';
import type { Architecture } from '../models/architecture.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { inspectDecoder } from './inspect.ts';
import { REASONS } from './refusal.ts';

const SHAPE = { channels: 1, height: 4, width: 4 };
const SEEDS = [
  { shape: HAND_MADE_SHAPE, bytes: handMadeDecoder() },
  { shape: SHAPE, bytes: exported({ kind: 'mlp', hidden: [6], latent: 2 }) },
  { shape: SHAPE, bytes: exported({ kind: 'conv', channels: [3, 4], latent: 2 }) },
];

function exported(architecture: Architecture): Uint8Array {
  const vae = vaeOf(architecture, SHAPE);
  return exportDecoder(vae, initialParameters(vae.parameters, childKey(seedKey('fuzz'), architecture.kind)), SHAPE);
}

/** `accepted`, or the reason of the refusal. Anything else that is thrown comes out, and fails the test. */
function outcome(bytes: Uint8Array, shape: typeof SHAPE): string {
  try {
    const contract = inspectDecoder(bytes, { shape });
    expect(contract.latent).toBeGreaterThan(0);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    return String(error.facts['reason']);
  }
}

/** Runs `property` on many inputs and returns how often each outcome came. */
function outcomes<T>(arbitrary: fc.Arbitrary<T>, numRuns: number, run: (input: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  const property = fc.property(arbitrary, (input) => {
    const result = run(input);
    expect(['accepted', ...Object.keys(REASONS)]).toContain(result);
    counts.set(result, (counts.get(result) ?? 0) + 1);
  });
  fc.assert(property, { numRuns, seed: 20_251_213 });
  return counts;
}

const seed = fc.constantFrom(...SEEDS);
const place = fc.noBias(fc.nat(2 ** 30)); // of a list, modulo its length

test('random bytes are refused, and nothing else happens', () => {
  const counts = outcomes(fc.uint8Array({ minLength: 1, maxLength: 400 }), 500, (bytes) => outcome(bytes, SHAPE));
  expect(counts.has('accepted')).toBe(false);
});

test('every truncation of a decoder is refused', () => {
  for (const { bytes, shape } of SEEDS) {
    for (let length = 0; length < bytes.length; length += 1 + Math.floor(bytes.length / 400)) {
      expect(outcome(bytes.subarray(0, length), shape)).not.toBe('accepted');
    }
  }
});

test('a decoder with bytes overwritten, cut out or doubled is refused or sound', () => {
  const edit = fc.record({
    kind: fc.constantFrom('overwrite', 'cut', 'double'),
    at: place,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  });
  const input = fc.record({ seed, edits: fc.array(edit, { minLength: 1, maxLength: 4 }) });
  const counts = outcomes(input, 600, ({ seed: { bytes, shape }, edits }) => {
    let edited: Uint8Array = bytes.slice();
    for (const { kind, at, bytes: own } of edits) {
      const start = at % edited.length;
      const end = Math.min(start + own.length, edited.length);
      if (kind === 'overwrite') edited.set(own.subarray(0, end - start), start);
      else
        edited = Buffer.concat([
          edited.subarray(0, kind === 'cut' ? start : end),
          edited.subarray(kind === 'cut' ? end : start),
        ]);
    }
    return outcome(edited, shape);
  });
  expect(counts.size).toBeGreaterThan(5); // the edits reach well behind the first check
});

test('a decoder with fields changed, dropped or multiplied is refused or sound', () => {
  const change = fc.record({ at: place, how: fc.nat(7), other: place });
  const input = fc.record({ seed, changes: fc.array(change, { minLength: 1, maxLength: 3 }) });
  const counts = outcomes(input, 600, ({ seed: { bytes, shape }, changes }) => {
    const model = fromBinary(ModelProtoSchema, bytes);
    for (const { at, how, other } of changes) {
      const slots = slotsOf(model);
      const slot = slots[at % slots.length] as Slot;
      const donor = slots[other % slots.length] as Slot;
      slot.owner[slot.key] = changedValue(slot.owner[slot.key], how, donor.owner[donor.key]);
    }
    let written: Uint8Array;
    try {
      written = toBinary(ModelProtoSchema, model);
    } catch {
      return 'size'; // no such file can be written
    }
    return outcome(written, shape);
  });
  expect(counts.size).toBeGreaterThan(8);
});

/** A place in a message that holds a value. */
interface Slot {
  readonly owner: Record<string, unknown>;
  readonly key: string;
}

function slotsOf(node: object): Slot[] {
  const owner = node as Record<string, unknown>;
  return Object.keys(owner)
    .filter((key) => !key.startsWith('$') && key !== 'case')
    .flatMap((key) => {
      const value = owner[key];
      const inner = typeof value === 'object' && value !== null && !(value instanceof Uint8Array) ? slotsOf(value) : [];
      return [{ owner, key }, ...inner];
    });
}

const INTEGERS = [0n, -1n, 1n, 7n, 2n ** 31n, 2n ** 62n, -(2n ** 63n), 2n ** 20n];
const TEXTS = ['', 'z', 'x', 'w', 'shape', 'Loop', 'com.example', '\u0000'];

/** Another value of the same type: an extreme one, or a copy of the donor. */
function changedValue(value: unknown, how: number, donor: unknown): unknown {
  if (typeof value === 'bigint') return INTEGERS[how];
  if (typeof value === 'number') return Number(INTEGERS[how]) % 2 ** 31;
  if (typeof value === 'string') return TEXTS[how];
  if (value instanceof Uint8Array) return how % 2 === 0 ? value.slice(1) : new Uint8Array(how * 1000);
  if (Array.isArray(value)) {
    const changes = [value.slice(1), [...value, ...value.slice(0, 100)], value.toReversed(), value.slice(0, -1)];
    return changes[how % changes.length];
  }
  return typeNameOf(donor) === typeNameOf(value) ? structuredClone(donor) : value;
}

function typeNameOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && '$typeName' in value ? value.$typeName : undefined;
}
