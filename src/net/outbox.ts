// Releases of a silo that its server has not committed yet: kept here until it has, whatever the broker says.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MessageError, StateError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { readJson, writeFileAtomic, writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { namesInFolder } from '../storage/whole-folder.ts';
import { hashOfFile } from './download.ts';
import type { MessageFault } from './envelope.ts';
import { type ReleaseHeader, releaseSchema } from './messages.ts';
import { splitIntoParts } from './parts.ts';
import { MAX_MESSAGE_BYTES } from './subjects.ts';

/** A release that waits. */
export interface OutboxEntry {
  readonly header: ReleaseHeader;
  /** The decoder. */
  readonly file: string;
}

export interface Outbox {
  /**
   * Keeps a release; when the promise resolves it survives a power failure. One that is there already stays as it is. Throws
   * MessageError, and keeps nothing, where no notice of it could be sent.
   */
  put(release: ReceivedRelease, task: OutboxTask): Promise<OutboxEntry>;
  /** Null where there is none. Throws StateError where its file is damaged. */
  get(plan: string, round: number): Promise<OutboxEntry | null>;
  /** Forgets it. */
  remove(plan: string, round: number): Promise<void>;
  /** All of a plan, by round. */
  list(plan: string): Promise<readonly OutboxEntry[]>;
}

/** What a release answers. */
export interface OutboxTask {
  readonly run: string;
  readonly plan: string;
  readonly nonce: string;
}

/** The outbox in `folder`, which comes into being with the first release. For one process at a time. */
export function openOutbox(folder: string): Outbox {
  const placeOf = (plan: string, round: number) => join(folder, `round-${round}-${plan.slice(0, PLAN_DIGITS)}`);
  const read = async (place: string): Promise<OutboxEntry | null> => {
    const path = join(place, HEADER);
    if (!isThere(path)) return null; // never finished, or removed
    const { success, data, error } = entrySchema.safeParse(await readJson(path, { maxBytes: MAX_HEADER_BYTES }));
    if (success) return { header: data.release, file: join(place, DECODER) };
    throw new StateError(
      `${path} is damaged: ${error.issues[0]?.message ?? ''}. It belongs to a release that has not been committed. Remove its ` +
        'folder: the round is then answered from the state of the silo again.',
      { path },
      { cause: error },
    );
  };
  const get = async (plan: string, round: number): Promise<OutboxEntry | null> => {
    const entry = await read(placeOf(plan, round));
    if (entry === null || entry.header.plan !== plan) return null;
    if ((await hashOfFile(entry.file)) === entry.header.decoder.sha256) return entry;
    throw new StateError(
      `${entry.file} is damaged or gone. Remove its folder: the round is then answered from the state of the silo again.`,
      { path: entry.file },
    );
  };

  return {
    get,
    async put({ silo, round, decoder, privacy }, { run, plan, nonce }) {
      const known = await get(plan, round);
      if (known !== null) return known;
      const place = placeOf(plan, round);
      const { sha256, sizeBytes, latent, shape, classes } = decoder;
      const onnx = await decoder.bytes();
      const header: ReleaseHeader = {
        run,
        plan,
        silo,
        round,
        nonce,
        decoder: {
          sha256,
          sizeBytes,
          latent,
          shape,
          classes: classes && { count: classes.count, offered: [...classes.offered] },
        },
        privacy,
        parts: [...splitIntoParts(onnx)],
      };
      requireSendable(header);
      await writeFileAtomic(join(place, DECODER), onnx);
      await writeJsonAtomic(join(place, HEADER), { v: 1, release: header }); // last: it makes the entry one
      return { header, file: join(place, DECODER) };
    },
    async remove(plan, round) {
      const place = placeOf(plan, round);
      if (!isThere(place)) return;
      await rm(join(place, HEADER), { force: true }); // first: half of an entry is none
      await rm(place, { recursive: true, force: true });
    },
    async list(plan) {
      const entries: OutboxEntry[] = [];
      for (const name of await namesInFolder(folder)) {
        const round = Number(/^round-([1-9]\d{0,6})-/.exec(name)?.[1]);
        if (!name.endsWith(plan.slice(0, PLAN_DIGITS)) || Number.isNaN(round)) continue;
        const entry = await get(plan, round);
        if (entry !== null) entries.push(entry);
      }
      return entries.sort((a, b) => a.header.round - b.header.round);
    },
  };
}

// --- internal ---

const [HEADER, DECODER] = ['release.json', 'decoder.onnx'];
const PLAN_DIGITS = 16;
const MAX_HEADER_BYTES = 256 * 1024;
/** More than version, kind and signature take. */
const ENVELOPE_BYTES = 512;

/** What cannot be sent must not be kept: it would stop every process that finds it here. */
function requireSendable(header: ReleaseHeader): void {
  const { error } = releaseSchema.safeParse(header);
  const refused = (reason: MessageFault, why: string) =>
    new MessageError(
      `The notice of round ${header.round} does not fit into a message (${why}). Nothing was kept and nothing left.`,
      { reason },
      { cause: error },
    );
  if (error) {
    const { path, message } = error.issues[0] ?? { path: [], message: '' };
    throw refused('body', `${path.join('.')}: ${message}`);
  }
  const sizeBytes = Buffer.byteLength(JSON.stringify(JSON.stringify(header))); // a text within JSON, as it travels
  if (sizeBytes > MAX_MESSAGE_BYTES - ENVELOPE_BYTES) throw refused('size', `it is ${sizeBytes} bytes long`);
}

const entrySchema = z.strictObject({ v: z.literal(1), release: releaseSchema });
