// The hash by which files of known sets are recognised.

import { createHash } from 'node:crypto';

/** SHA-256 (hex) of uncompressed contents, to compare with `KnownFile.sha256`. */
export function contentHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
