// A decoder from a silo's bucket to a file at the server: bounded while it comes, verified part by part, whole or not there.

import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { LostPeerError, ReleaseError } from '../errors.ts';
import { fillFileAtomic } from '../storage/atomic-file.ts';
import { type Bucket, type Link, openBucket, partChunks, partInfo } from './bucket.ts';
import type { Part, ReleaseHeader } from './messages.ts';

/** Why a file that came over the network is no release, as `facts.reason` of a ReleaseError. */
export const TRANSFER_REFUSALS = {
  'part-size': 'a part that is longer or shorter than its silo signed',
  'part-hash': 'a part with another SHA-256 than its silo signed',
  'file-hash': 'parts that are together another file than its silo signed',
} as const;

/**
 * Fetches the decoder of `header` into the file at `path`, durably. `false`: a part is not in the bucket (yet, or any more); then
 * nothing was written. A file that is there already and is the right one stays. Throws ReleaseError, with a reason of
 * `TRANSFER_REFUSALS`, where what is there is not what was signed.
 */
export async function downloadDecoder(
  link: Link,
  { silo, decoder, parts }: Pick<ReleaseHeader, 'silo' | 'decoder' | 'parts'>,
  path: string,
): Promise<boolean> {
  if ((await hashOfFile(path)) === decoder.sha256) return true;
  const bucket = openBucket(link, silo);
  let isMissing = false;
  try {
    await fillFileAtomic(path, async (file) => {
      const whole = createHash('sha256');
      for (const part of parts) {
        const isThere = await writePart(bucket, part, async (chunk) => {
          whole.update(chunk);
          await file.writeFile(chunk);
        });
        isMissing ||= !isThere;
        if (isMissing) throw new LostPeerError(`Part ${part.sha256} of ${silo} is not in its bucket.`);
      }
      if (whole.digest('hex') !== decoder.sha256) refuseTransfer('file-hash', silo, decoder.sha256);
    });
    return true;
  } catch (error) {
    if (isMissing) return false;
    throw error;
  }
}

/** SHA-256 of a file, which is read in pieces; null where there is none. */
export async function hashOfFile(path: string): Promise<string | null> {
  const handle: FileHandle | null = await open(path, 'r').catch(() => null);
  if (handle === null) return null;
  try {
    const hash = createHash('sha256');
    for await (const piece of handle.createReadStream({ autoClose: false })) hash.update(piece as Uint8Array);
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

// --- internal ---

/** Whether the part is there; then `write` got all of it. */
async function writePart(bucket: Bucket, part: Part, write: (chunk: Uint8Array) => Promise<void>): Promise<boolean> {
  const info = await partInfo(bucket, part.sha256);
  if (info === null) return false;
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of partChunks(bucket, info)) {
    size += chunk.length;
    if (size > part.sizeBytes) refuseTransfer('part-size', bucket.name, part.sha256);
    hash.update(chunk);
    await write(chunk);
  }
  if (size !== part.sizeBytes && size === info.size) refuseTransfer('part-size', bucket.name, part.sha256);
  if (size !== part.sizeBytes) return false;
  if (hash.digest('hex') !== part.sha256) refuseTransfer('part-hash', bucket.name, part.sha256);
  return true;
}

function refuseTransfer(reason: keyof typeof TRANSFER_REFUSALS, from: string, sha256: string): never {
  throw new ReleaseError(
    `A release from ${from} was refused, because of ${TRANSFER_REFUSALS[reason]} (${sha256.slice(0, 12)}). Its silo can ` +
      'upload it again.',
    { reason, sha256 },
  );
}
