// `status.json`: what a server has heard last of its silos and of the round that is played. It outlives the server.

import { z } from 'zod';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import type { ServerLayout } from './server-folder.ts';

/** By the server's clock. */
const at = z.iso.datetime();
const round = z.int().min(1);
const names = z.array(z.string());

const saidSchema = z.strictObject({
  at,
  state: z.string(),
  round: round.nullable(),
  /** Of the round's work. */
  percent: z.int().nullable(),
});

const troubleSchema = z.strictObject({
  at,
  /** Null where it concerns no round. */
  round: round.nullable(),
  /** Of an error or a denial (docs/errors.md, docs/protocol.md), `DEADLINE`, or `DECLINED`. */
  code: z.string(),
  message: z.string(),
});

const siloSchema = z.strictObject({
  /** Whether a process of it was there when this was written. */
  isHere: z.boolean(),
  /** The last of its statuses; null where it never sent one. */
  said: saidSchema.nullable(),
  /** The last thing that went wrong with it, however much went well since. */
  trouble: troubleSchema.nullable(),
});

const playingSchema = z.strictObject({
  round,
  beganAt: at,
  answered: names,
  /** Silos that are waited for. */
  awaited: names,
  /** Whether its deadline has passed while it had too few answers. */
  isOverdue: z.boolean(),
  /** Whether nobody is waited for any more, and the server learns. */
  isClosed: z.boolean(),
});

const statusSchema = z.strictObject({
  format: z.literal('align-fl/status@2'),
  /** The round that is played; null before and between rounds, and after the last. */
  playing: playingSchema.nullable(),
  /** By name: silos of which anything was heard. */
  silos: z.record(z.string(), siloSchema),
});

/** `status.json` */
export type StatusFile = Readonly<z.infer<typeof statusSchema>>;
export type SiloHeard = Readonly<z.infer<typeof siloSchema>>;
export type SiloTrouble = Readonly<z.infer<typeof troubleSchema>>;
export type RoundPlayed = Readonly<z.infer<typeof playingSchema>>;

export const NOTHING_HEARD: StatusFile = { format: 'align-fl/status@2', playing: null, silos: {} };

/** The file, or nothing heard where there is none, or a damaged one: no run depends on it. */
export async function readStatus({ status }: Pick<ServerLayout, 'status'>): Promise<StatusFile> {
  if (!isThere(status)) return NOTHING_HEARD;
  const content = await readJson(status, { maxBytes: MAX_BYTES }).catch(() => null);
  const parsed = statusSchema.safeParse(content);
  return parsed.success ? parsed.data : NOTHING_HEARD;
}

/** What was heard of a silo; null where nothing was. A silo may be called `constructor`. */
export function heardOf({ silos }: StatusFile, name: string): SiloHeard | null {
  return Object.hasOwn(silos, name) ? (silos[name] ?? null) : null;
}

/** Replaces the file in one step. */
export async function saveStatus({ status }: Pick<ServerLayout, 'status'>, content: StatusFile): Promise<void> {
  await writeJsonAtomic(status, content);
}

// --- internal ---

/** A thousand silos, each with the longest message. */
const MAX_BYTES = 4_000_000;
