// Whether a module is the program that Node was asked to run, or was imported by another.

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Pass `import.meta.url`. Links on the way to the program are followed.
 * @param {string} moduleUrl
 */
export function isMain(moduleUrl) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(moduleUrl);
}
