// A silo's side of the object store: a decoder leaves in parts named by their hash, and what is there is not sent again.

import { open } from 'node:fs/promises';
import { jetstream } from '@nats-io/jetstream';
import { Objm } from '@nats-io/obj';
import { StateError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { insistOn, knownParts, type Link, openBucket, removePart } from './bucket.ts';
import type { Part } from './messages.ts';
import { bucketOf, CHUNK_BYTES, PART_BYTES } from './subjects.ts';
import { throwIfAborted } from './waiting.ts';

/** The parts of a file's bytes, in order. */
export function splitIntoParts(bytes: Uint8Array): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    const part = bytes.subarray(at, at + PART_BYTES);
    parts.push({ sha256: contentHash(part), sizeBytes: part.length });
  }
  return parts;
}

/**
 * Brings the parts of `file` into the silo's bucket; those that are there whole are not sent again. Returns the bytes that
 * were sent. Throws StateError where the file is not what `parts` say.
 */
export async function uploadParts(link: Link, silo: string, file: string, parts: readonly Part[]): Promise<number> {
  const { whole } = await knownParts(openBucket(link, silo));
  const js = jetstream(link.nc, { timeout: link.timing.tryMs });
  const store = await insistOn(link, `The bucket of ${silo}`, () => new Objm(js).open(bucketOf(silo), false)); // it asks the broker
  const handle = await open(file, 'r');
  let [at, sent] = [0, 0];
  try {
    for (const part of parts) {
      throwIfAborted(link.signal, `The upload of ${file}`);
      if (!whole.has(part.sha256)) {
        const bytes = new Uint8Array(part.sizeBytes);
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
        if (bytesRead !== bytes.length || contentHash(bytes) !== part.sha256) {
          const message = `${file} is not the file that was to leave. Restore it, or remove it with its folder.`;
          throw new StateError(message, { path: file, at });
        }
        const meta = () => ({ name: part.sha256, options: { max_chunk_size: CHUNK_BYTES } }); // the client writes into it
        const what = `Part ${part.sha256.slice(0, 12)}`;
        await insistOn(link, what, (timeout) => store.putBlob(meta(), bytes, { timeout })); // for each chunk
        sent += bytes.length;
      }
      at += part.sizeBytes;
    }
  } finally {
    await handle.close();
  }
  return sent;
}

/** Removes every part from the silo's bucket that is not named in `keep`, and what interrupted uploads left. */
export async function removeOtherParts(link: Link, silo: string, keep: ReadonlySet<string>): Promise<void> {
  const bucket = openBucket(link, silo);
  const { parts, orphans } = await knownParts(bucket);
  for (const part of parts) if (!keep.has(part.name ?? '')) await removePart(bucket, part);
  for (const nuid of orphans) await removePart(bucket, { name: null, nuid });
}
