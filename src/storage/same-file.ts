// A file read again later: the bytes that were there before, or an error.

import { StateError } from '../errors.ts';
import { readFileBounded } from './atomic-file.ts';
import { contentHash } from './content-hash.ts';

/** What a file was when it was first seen. */
export interface SeenFile {
  readonly sizeBytes: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

/** The bytes of the file at `path`. Throws StateError where they are not those that were seen. */
export async function readSameFile(path: string, { sizeBytes, sha256 }: SeenFile): Promise<Uint8Array> {
  const bytes = await readFileBounded(path, { maxBytes: sizeBytes });
  const found = contentHash(bytes);
  if (found === sha256) return bytes;
  throw new StateError(
    `${path} should have the SHA-256 ${sha256}, but has ${found}: it was changed since. Restore it from a copy.`,
    { path, expected: sha256, found },
  );
}
