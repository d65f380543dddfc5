// The hash by which contents are recognised: of files, of lines, of settings as JSON.

import { createHash } from 'node:crypto';

/** SHA-256 (hex) of all of `content`; text as UTF-8. */
export function contentHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
