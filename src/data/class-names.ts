// Names of classes that lie beside images in a text file, one a line.

import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { FOREIGN_LABEL } from './image-set.ts';

/**
 * The lines of `classes.txt` in `dir`, or of `batches.meta.txt` as CIFAR-10 has it, class 0 first; null where there is neither.
 * Empty lines at the end do not count. Throws DataError for empty, repeated or very long names, and for more than 255.
 */
export async function readClassNames(dir: string): Promise<readonly string[] | null> {
  const file = ['classes.txt', 'batches.meta.txt'].map((name) => join(dir, name)).find(isThere);
  if (file === undefined) return null;
  const text = new TextDecoder().decode(await readFileBounded(file, { maxBytes: MAX_BYTES }));
  const names = text.trimEnd().split(/\r?\n/);
  const strange = names.find((name, i) => !NAME.test(name) || names.indexOf(name) !== i);
  if (strange === undefined && names.length <= FOREIGN_LABEL) return names;
  const found = strange === undefined ? `${names.length} lines` : JSON.stringify(strange.slice(0, 100));
  throw new DataError(
    `${file}: expected at most ${FOREIGN_LABEL} different names of classes, one a line, found ${found}. Correct the file.`,
    { file, found },
  );
}

// --- internal ---

const MAX_BYTES = 2 ** 16;
const NAME = /^[^\p{Cc}]{1,100}$/u;
