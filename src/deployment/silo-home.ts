// The folder of a silo on its own machine: its identity, what it agreed to, its private state, and all that ever left it.

import { mkdir, readdir } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { SILO_NAME } from '../net/subjects.ts';
import { isUnfinishedWrite, readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { withFolderLock } from '../storage/folder-lock.ts';
import { isThere } from '../storage/presence.ts';

/** Paths below the folder of a silo. Nothing in it is ever sent but what `departures` tells of. */
export interface SiloLayout {
  readonly root: string;
  readonly settings: string;
  /** Private key: made here, never leaves. */
  readonly identity: string;
  /** The key that the invite with this public key is about to put in its place. */
  readonly nextIdentity: (invite: string) => string;
  /** The plan with this SHA-256, which the owner agreed to. */
  readonly plan: (sha256: string) => string;
  /** The plan that the owner is asked about. */
  readonly proposed: string;
  /** State of the training under the plan with this SHA-256: what was trained under one plan answers no other. */
  readonly state: (plan: string) => string;
  /** Releases that the server has not committed yet. */
  readonly outbox: string;
  /** One line for everything that left. */
  readonly departures: string;
}

export function siloLayout(path: string): SiloLayout {
  const root = resolve(path);
  return {
    root,
    settings: join(root, 'silo.json'),
    identity: join(root, 'silo.nk'),
    nextIdentity: (invite) => join(root, `silo.nk.${invite.slice(0, 16)}`),
    plan: (sha256) => join(root, `plan-${sha256.slice(0, PLAN_DIGITS)}.json`),
    proposed: join(root, 'plan-proposed.json'),
    state: (plan) => join(root, 'state', plan.slice(0, PLAN_DIGITS)),
    outbox: join(root, 'outbox'),
    departures: join(root, 'departures.jsonl'),
  };
}

const PLAN_DIGITS = 16;

const settingsSchema = z.strictObject({
  format: z.literal('align-fl/silo@1'),
  silo: z.string().regex(SILO_NAME),
  federation: z.string().min(1).max(100),
  servers: z.array(z.string().min(1).max(300)).min(1).max(20),
  /** PEM of the authority that signs the server's certificate. */
  ca: z.string().max(20_000),
  /** Public key of the federation's server. */
  server: z.string().max(100),
  /** Absolute path of the images; null where a decoder is brought along. */
  data: z.string().nullable(),
  /** Absolute path of a folder that `align-fl release` wrote; null where a decoder is trained. */
  release: z.string().nullable(),
  /** Absolute path of the privacy ledger's folder. */
  ledger: z.string(),
  /** SHA-256 of the plan that was agreed to; null before. */
  agreed: z.string().nullable(),
  /** The plan for which it was agreed to go on by the seals of the ledger, as this folder knows less than was given. */
  agreedByLedger: z.string().optional(),
  /** SHA-256 of the images, or of the decoder brought along, for which it was agreed to; null before. */
  material: z.string().nullable().default(null),
  /** Public key of the invite by which this silo's key was enrolled; null before. */
  invite: z.string().nullable().default(null),
  /** Whether a key of this silo was shown to the server, which then may know it. */
  shown: z.boolean().default(false),
  /** `paused` until the next `join`; `left` for good. */
  wish: z.enum(['work', 'paused', 'left']),
  /** Whether the server was told that this silo has left. */
  farewell: z.boolean().default(false),
});

/** `silo.json` */
export type SiloSettings = z.infer<typeof settingsSchema>;

/** The settings, or null where nobody joined from this folder yet. Throws StateError where they are damaged. */
export async function readSiloSettings(layout: SiloLayout): Promise<SiloSettings | null> {
  if (!isThere(layout.settings)) return null;
  const parsed = settingsSchema.safeParse(await readJson(layout.settings, { maxBytes: 100_000 }));
  if (parsed.success) return parsed.data;
  throw new StateError(
    `${layout.settings} is damaged. Restore it from a copy, or join by a new invite in another folder.`,
    {
      path: layout.settings,
    },
  );
}

/** As `readSiloSettings`, but throws StateError where there are none. */
export async function requireSiloSettings(layout: SiloLayout): Promise<SiloSettings> {
  const settings = await readSiloSettings(layout);
  if (settings) return settings;
  throw new StateError(
    `${layout.root} is no folder of a silo: there is no silo.json in it. Name the folder that \`align-fl silo join\` told of.`,
    { path: layout.root },
  );
}

/** Files of all keys that the server may know: first those whose enrolment may not have come to its end here. */
export async function identityFiles({ root, identity }: SiloLayout): Promise<readonly string[]> {
  const files = (await readdir(root)).filter((name) => !isUnfinishedWrite(name)).map((name) => join(root, name));
  return [...files.filter((file) => file.startsWith(`${identity}.`)), ...files.filter((file) => file === identity)];
}

export async function saveSiloSettings(layout: SiloLayout, settings: SiloSettings): Promise<void> {
  await writeJsonAtomic(layout.settings, settings);
}

/**
 * Changes what is named and leaves all else as it is on disk, such as a wish that came meanwhile; one process at a time. A
 * function is given what is on disk, and may throw. Throws StateError where there are no settings.
 */
export async function changeSiloSettings(
  layout: SiloLayout,
  change: Partial<SiloSettings> | ((found: SiloSettings) => Partial<SiloSettings>),
): Promise<void> {
  await requireSiloSettings(layout); // or there is no folder to lock
  await withFolderLock(layout.root, { kind: SETTINGS_LOCK, waitMs: 10_000 }, async () => {
    const found = await requireSiloSettings(layout);
    await saveSiloSettings(layout, { ...found, ...(typeof change === 'function' ? change(found) : change) });
  });
}

const SETTINGS_LOCK = {
  name: 'settings-lock',
  held: 'Another process is changing silo.json',
  advice: 'try again in a moment',
};

/** Makes the folder, readable by its owner alone; false where it was there. */
export async function makeSiloFolder(layout: SiloLayout): Promise<boolean> {
  return (await mkdir(layout.root, { recursive: true, mode: 0o700 })) !== undefined;
}

/** Folder of a silo when nobody names one. */
export function defaultSiloHome(silo: string): string {
  return `align-fl-${silo}`;
}

/** The ledger lies beside the images that it is about, not in the silo's folder, so that it outlives this and every other run. */
export function defaultLedgerDir(data: string, silo: string): string {
  const folder = extname(data).toLowerCase() === '.npz' ? dirname(data) : data;
  return resolve(join(folder, '.align-fl', silo));
}
