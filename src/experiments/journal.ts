// `journal.json`: what a run has completed so far, rewritten after every round; where a resumed run begins.

import { existsSync } from 'node:fs';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { metricsSchema } from './summary.ts';

const seconds = z.number().min(0);

const roundSchema = z.strictObject({
  round: z.int().min(1),
  metrics: metricsSchema,
  seconds: z.strictObject({ silos: seconds, server: seconds, evaluation: seconds, total: seconds }),
  /** What left each silo. `sha256` is that of a decoder, null for averaged weights. */
  uploads: z.array(z.strictObject({ silo: z.string(), bytes: z.int().min(0), sha256: z.string().nullable() })),
});

const journalSchema = z.strictObject({
  format: z.literal('align-fl/journal@1'),
  startedAt: z.iso.datetime(),
  strategies: z.record(z.string(), z.array(roundSchema)),
  controls: z.array(z.strictObject({ name: z.string(), metrics: metricsSchema })).nullable(),
});

export type Journal = z.infer<typeof journalSchema>;
export type RoundRecord = z.infer<typeof roundSchema>;

/** The journal at `path`, or a new one that begins at `now`. Throws StateError where it is damaged. */
export async function openJournal(path: string, now: Date): Promise<Journal> {
  if (!existsSync(path)) {
    return { format: 'align-fl/journal@1', startedAt: now.toISOString(), strategies: {}, controls: null };
  }
  const parsed = journalSchema.safeParse(await readJson(path, { maxBytes: MAX_JOURNAL_BYTES }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${path} is damaged or from another version. Choose another --out to start afresh.`, { path });
}

/** The journal with one more completed round. */
export function withRound(journal: Journal, strategy: string, record: RoundRecord): Journal {
  const done = journal.strategies[strategy] ?? [];
  return { ...journal, strategies: { ...journal.strategies, [strategy]: [...done, record] } };
}

/** Replaces the file in one step. */
export async function saveJournal(path: string, journal: Journal): Promise<void> {
  await writeJsonAtomic(path, journal);
}

// --- internal ---

const MAX_JOURNAL_BYTES = 2 ** 28;
