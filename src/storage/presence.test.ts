import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import { isThere } from './presence.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-presence-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('tells files and folders from nothing', async () => {
  await writeFile(join(folder, 'file'), '');
  expect(isThere(folder)).toBe(true);
  expect(isThere(join(folder, 'file'))).toBe(true);
  expect(isThere(join(folder, 'missing', 'file'))).toBe(false);
  expect(isThere(join(folder, 'file', 'below'))).toBe(false);
});

it('takes nothing for absent that only cannot be looked at', () => {
  expect(() => isThere(join(folder, 'x'.repeat(1000)))).toThrow(StateError); // as a folder without rights would, but for root
});

it.skipIf(process.platform === 'win32')(
  'sees a link whose target is away, such as a disk that is not mounted',
  async () => {
    await symlink(join(folder, 'nowhere'), join(folder, 'link'));
    expect(isThere(join(folder, 'link'))).toBe(true);
  },
);
