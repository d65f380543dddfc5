// The stream behind an object store's bucket, as far as we look at it ourselves: which parts lie there, whole or in pieces.
//
// The client's own reader follows links into other buckets and creates them where they are missing, and can be given an
// endless object; what a silo wrote is read here instead, one bounded message at a time.

import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { bucketOf, bucketStream, bucketSubject, CHUNK_BYTES, PART_BYTES } from './subjects.ts';
import type { Timing } from './timing.ts';
import { insist } from './waiting.ts';

/** A connection with what waiting on it needs. */
export interface Link {
  readonly nc: NatsConnection;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  /** Told of each try that failed and is made again. */
  readonly onRetry?: ((what: string, error: Error) => void) | undefined;
}

/** `work` until the broker takes it: for what may happen twice. */
export function insistOn<T>(
  { signal, timing, onRetry }: Link,
  what: string,
  work: (tryMs: number) => Promise<T>,
): Promise<T> {
  return insist({ what, signal, limitMs: timing.patienceMs, tryMs: timing.tryMs, onRetry }, work);
}

export interface Bucket {
  readonly link: Link;
  readonly name: string;
  readonly stream: string;
}

export function openBucket(link: Link, silo: string): Bucket {
  return { link, name: bucketOf(silo), stream: bucketStream(silo) };
}

/** A part as its bucket tells of it. */
export interface StoredPart {
  /** SHA-256 of the part, by which it is called; null for chunks that belong to none. */
  readonly name: string | null;
  /** Under which its chunks lie. */
  readonly nuid: string;
}

/** What lies in a bucket. */
export async function knownParts(bucket: Bucket): Promise<{
  readonly parts: readonly StoredPart[];
  /** Names of parts of which all chunks are there. */
  readonly whole: ReadonlySet<string>;
  /** Chunks of interrupted uploads. */
  readonly orphans: readonly string[];
}> {
  const chunks = await subjectsOf(bucket, 'C');
  const metas = await subjectsOf(bucket, 'M');
  const parts: StoredPart[] = [];
  const whole = new Set<string>();
  for (const token of metas.keys()) {
    const name = Buffer.from(token, 'base64url').toString();
    const info = await partInfo(bucket, name);
    if (info === null) continue;
    parts.push({ name, nuid: info.nuid });
    if (chunks.get(info.nuid) === info.chunks) whole.add(name);
    chunks.delete(info.nuid);
  }
  return { parts, whole, orphans: [...chunks.keys()] };
}

/** What the bucket says of a part; null where it has none of this name, or says it in another form. */
export async function partInfo({ link, stream, name: bucket }: Bucket, name: string): Promise<PartInfo | null> {
  const subject = `${bucketSubject(bucket)}.M.${tokenOf(name)}`;
  const message = await asking(link, `A look at ${bucket}`, (jsm) =>
    jsm.streams.getMessage(stream, { last_by_subj: subject }),
  );
  if (message === null || message.data.length > MAX_META_BYTES) return null;
  try {
    return infoSchema.parse(JSON.parse(new TextDecoder().decode(message.data)));
  } catch {
    return null; // deleted, a link, or nothing that we wrote
  }
}

/** A part's chunks in order, each as it comes. Ends early where the next one is not there. */
export async function* partChunks(bucket: Bucket, { nuid, chunks }: PartInfo): AsyncGenerator<Uint8Array> {
  const { link, stream, name } = bucket;
  for (let i = 0, seq = 1; i < chunks; i++) {
    const query = { seq, next_by_subj: `${bucketSubject(name)}.C.${nuid}` };
    const message = await asking(link, `A chunk of ${name}`, (jsm) => jsm.direct.getMessage(stream, query));
    if (message === null) return;
    seq = message.seq + 1;
    yield message.data;
  }
}

/** Removes a part with its chunks. */
export async function removePart({ link, stream, name: bucket }: Bucket, { name, nuid }: StoredPart): Promise<void> {
  const purge = (filter: string) => asking(link, `Tidying ${bucket}`, (jsm) => jsm.streams.purge(stream, { filter }));
  if (name !== null) await purge(`${bucketSubject(bucket)}.M.${tokenOf(name)}`);
  await purge(`${bucketSubject(bucket)}.C.${nuid}`);
}

// --- internal ---

/** `insistOn` with a manager whose requests may take as long as this try. */
function asking<T>(link: Link, what: string, work: (jsm: JetStreamManager) => Promise<T>): Promise<T> {
  return insistOn(link, what, async (timeout) => {
    return work(await jetstreamManager(link.nc, { timeout, checkAPI: false })); // which asks nobody
  });
}

const MAX_META_BYTES = 4096;

const infoSchema = z.object({
  nuid: z.string().regex(/^\w{1,64}$/),
  size: z.int().min(1).max(PART_BYTES),
  chunks: z
    .int()
    .min(1)
    .max((4 * PART_BYTES) / CHUNK_BYTES), // a broker with small messages makes more of them
  deleted: z.literal(false).optional(),
  options: z.object({ link: z.undefined().optional() }).optional(),
});
type PartInfo = Readonly<z.infer<typeof infoSchema>>;

/** As the client writes names: base64 for URLs, padded. */
function tokenOf(name: string): string {
  const token = Buffer.from(name).toString('base64url');
  return token.padEnd(Math.ceil(token.length / 4) * 4, '=');
}

/** Last tokens of the subjects that have messages, with their numbers. */
async function subjectsOf({ link, stream, name }: Bucket, kind: 'C' | 'M'): Promise<Map<string, number>> {
  const prefix = `${bucketSubject(name)}.${kind}.`;
  const options = { subjects_filter: `${prefix}>` };
  const { state } = await asking(link, `A look at ${name}`, (jsm) => jsm.streams.info(stream, options));
  return new Map(Object.entries(state.subjects ?? {}).map(([subject, count]) => [subject.slice(prefix.length), count]));
}
