import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { contentHash } from './content-hash.ts';
import { readSameFile } from './same-file.ts';

const ROOT = temporaryFolder();

test('a file read again is the one that was seen, or refused: changed, longer or gone', async () => {
  const path = join(ROOT, 'file');
  const seen = { sizeBytes: 3, sha256: contentHash('abc') };
  writeFileSync(path, 'abc');
  expect(Buffer.from(await readSameFile(path, seen)).toString()).toBe('abc');
  writeFileSync(path, 'abd');
  await expect(readSameFile(path, seen)).rejects.toThrow(/changed since/);
  writeFileSync(path, 'abcd');
  await expect(readSameFile(path, seen)).rejects.toThrow(StateError);
  await expect(readSameFile(`${path}-gone`, seen)).rejects.toThrow(StateError);
});
