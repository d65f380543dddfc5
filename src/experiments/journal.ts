// `journal.json`: what a run has completed so far, rewritten after every round; where a resumed run begins.

import { z } from 'zod';
import { StateError } from '../errors.ts';
import { privacyStatementSchema } from '../exchange/privacy-statement-schema.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { diagnosticsSchema } from './diagnostic-fields.ts';
import { metricsSchema, perSiloSchema, slopeSchema } from './summary.ts';

const seconds = z.number().min(0);

const roundSchema = z.strictObject({
  round: z.int().min(1),
  metrics: metricsSchema,
  /** Of each silo's own model, where `metrics` are their means. */
  perSilo: perSiloSchema.exactOptional(),
  seconds: z.strictObject({ silos: seconds, server: seconds, evaluation: seconds, total: seconds }),
  /** What left each silo. `sha256` is that of a decoder, null for averaged weights. */
  uploads: z.array(
    z.strictObject({
      silo: z.string(),
      /** The round whose task it answers: an earlier one where it came late. Left out where nothing left, and by old versions. */
      answers: z.int().min(1).exactOptional(),
      bytes: z.int().min(0),
      sha256: z.string().nullable(),
      privacy: privacyStatementSchema,
      /** Classes that a decoder offers, of how many there are; null where its images have no labels. */
      offers: z
        .strictObject({ count: z.int().min(1), offered: z.array(z.int().min(0)) })
        .nullable()
        .default(null),
      /** Of a decoder. */
      localLipschitz: slopeSchema.nullable(),
    }),
  ),
});

const originSchema = z.strictObject({
  /** Of align-fl. */
  version: z.string(),
  executor: z.string(),
  device: z.string(),
  /** SHA-256 of the partition manifest, which holds the hashes of all training images. */
  partition: z.string(),
  /** SHA-256 of the test images. */
  testImages: z.string(),
  /** Silos that bring a release along, each with the SHA-256 of what it is; `none`. */
  releases: z.string().default('none'),
});

const journalSchema = z.strictObject({
  format: z.literal('align-fl/journal@2'),
  origin: originSchema,
  startedAt: z.iso.datetime(),
  strategies: z.record(z.string(), z.array(roundSchema)),
  /** A round of ALIGN-FL that has closed and is not complete: what came, in files already. No other upload may join it. */
  closed: roundSchema.pick({ round: true, uploads: true }).exactOptional(),
  controls: z.array(z.strictObject({ name: z.string(), metrics: metricsSchema })).nullable(),
  /** By strategy, after its last round. */
  diagnostics: z.record(z.string(), diagnosticsSchema).exactOptional(),
});

export type Journal = z.infer<typeof journalSchema>;
export type RoundRecord = z.infer<typeof roundSchema>;
/** What a run's numbers depend on besides its spec. A run that goes on must find all of it as it was. */
export type Origin = z.infer<typeof originSchema>;

/**
 * The journal at `path`, or a new one that begins at `now`, on disk when the promise resolves. Throws StateError where it
 * is damaged, and where the run began from another origin: going on would mix two runs in one.
 */
export async function openJournal(path: string, origin: Origin, now: Date): Promise<Journal> {
  if (!isThere(path)) {
    const startedAt = now.toISOString();
    const journal: Journal = { format: 'align-fl/journal@2', origin, startedAt, strategies: {}, controls: null };
    await saveJournal(path, journal);
    return journal;
  }
  const journal = await readJournal(path);
  const began = journal.origin;
  const changed = (Object.keys(origin) as (keyof Origin)[]).filter((name) => origin[name] !== began[name]);
  if (changed.length > 0) {
    const what = changed.map((name) => `${name} was ${began[name]}, is now ${origin[name]}`).join('; ');
    throw new StateError(
      `This run cannot go on as it began: ${what}. Restore what it began with, or choose another --out to start afresh.`,
      { path, changed },
    );
  }
  return journal;
}

/** The journal at `path`. Throws StateError where it is missing, damaged or of another version. */
export async function readJournal(path: string): Promise<Journal> {
  const parsed = journalSchema.safeParse(await readJson(path, { maxBytes: MAX_JOURNAL_BYTES }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${path} is damaged or from another version. Choose another --out to start afresh.`, { path });
}

/** The journal with one more completed round, which is then no longer one that has but closed. */
export function withRound({ closed: _, ...journal }: Journal, strategy: string, record: RoundRecord): Journal {
  const done = journal.strategies[strategy] ?? [];
  return { ...journal, strategies: { ...journal.strategies, [strategy]: [...done, record] } };
}

/** Replaces the file in one step. */
export async function saveJournal(path: string, journal: Journal): Promise<void> {
  await writeJsonAtomic(path, journal);
}

// --- internal ---

const MAX_JOURNAL_BYTES = 2 ** 28;
