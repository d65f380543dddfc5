// The lines of a ledger as data: what is written down about privacy spent, and when.

import { z } from 'zod';
import { dpEventSchema } from './dp-event-schema.ts';

/** An (epsilon, delta) that must not be exceeded. An epsilon of Infinity is no limit; JSON says "Infinity". */
export interface Budget {
  readonly epsilon: number;
  readonly delta: number;
}

/** Which two sets of records are to be hard to tell apart. One set lacks a record, or has an empty one in its place. */
export type Neighbours = z.infer<typeof neighboursSchema>;

const neighboursSchema = z.enum(['zero-out-one', 'add-or-remove-one']);
const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');
const nameSchema = z.string().min(1).max(300);
const dateSchema = z.iso.datetime();

const headerSchema = z.strictObject({
  type: z.literal('header'),
  format: z.literal('align-fl/ledger@1'),
  silo: nameSchema,
  /** SHA-256 of the silo's records. A ledger counts for these and no others. */
  dataFingerprint: sha256Schema,
  neighbours: neighboursSchema,
  unit: z.literal('record'),
  date: dateSchema,
});

const budgetEntrySchema = z.strictObject({
  type: z.literal('budget'),
  epsilon: z.union([z.number().min(0), z.literal(Number.POSITIVE_INFINITY)], 'expected a number from 0, or Infinity'),
  delta: z.number().gt(0).lt(0.1),
  date: dateSchema,
});

const reserveSchema = z.strictObject({
  type: z.literal('reserve'),
  id: z.string().min(1).max(40),
  run: nameSchema,
  /** SHA-256 of the plan that the run follows, across machines: there names come again. None in a simulation. */
  plan: sha256Schema.optional(),
  /** What it is spent on, such as the strategy. */
  purpose: nameSchema,
  round: z.int().min(0),
  event: dpEventSchema,
  date: dateSchema,
});

const sealedSchema = z.strictObject({
  type: z.literal('sealed'),
  /** Of the reserve that paid for it. */
  id: z.string().min(1).max(40),
  /** Of what left. */
  sha256: sha256Schema,
  date: dateSchema,
});

const failedSchema = z.strictObject({
  type: z.literal('failed'),
  /** Of the reserve that paid for it. */
  id: z.string().min(1).max(40),
  date: dateSchema,
});

/** Checks entries on their way to the disk and back. Keys come out in a fixed order. */
export const ledgerEntrySchema = z.discriminatedUnion('type', [
  headerSchema,
  budgetEntrySchema,
  reserveSchema,
  sealedSchema,
  failedSchema,
]);

export type LedgerEntry = z.infer<typeof ledgerEntrySchema>;
export type HeaderEntry = z.infer<typeof headerSchema>;
/** Privacy set aside before training looks at any record: spent from then on, whatever happens. */
export type ReserveEntry = z.infer<typeof reserveSchema>;
/** Written before a release leaves. */
export type SealedEntry = z.infer<typeof sealedSchema>;
