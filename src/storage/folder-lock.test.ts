// How a folder is held, and who counts as gone, is tested in experiments/run-lock.test.ts; here is what it adds to waiting.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFolderLockFile, type LockKind, releaseFolderLock, takeFolderLock, withFolderLock } from './folder-lock.ts';

const KIND: LockKind = { name: 'a-lock', held: 'Somebody else is here', advice: 'or go away' };
const OTHER: LockKind = { ...KIND, name: 'lock' };
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-folder-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('withFolderLock', () => {
  it('lets one after the other work, never two at once', async () => {
    let inside = 0;
    let most = 0;
    const done = await Promise.all(
      Array.from({ length: 4 }, (_, i) =>
        withFolderLock(folder, { kind: KIND, waitMs: 20_000 }, async () => {
          most = Math.max(most, ++inside);
          await readdir(folder);
          inside--;
          return i;
        }),
      ),
    );
    expect([done, most]).toEqual([[0, 1, 2, 3], 1]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('gives the folder back where the work fails', async () => {
    const fail = withFolderLock(folder, { kind: KIND, waitMs: 0 }, () => Promise.reject(new Error('no')));
    await expect(fail).rejects.toThrow('no');
    expect(await readdir(folder)).toEqual([]);
  });

  it('stops waiting in the end, and says for whom it waited', async () => {
    const lock = await takeFolderLock(folder, KIND);
    const late = withFolderLock(folder, { kind: KIND, waitMs: 30 }, () => Promise.resolve());
    await expect(late).rejects.toThrow(/^Somebody else is here: this very process holds .*Wait for it, or go away\./);
    await releaseFolderLock(lock);
  });

  it('makes the folder where it is missing', async () => {
    const missing = join(folder, 'a', 'b');
    expect(await withFolderLock(missing, { kind: KIND, waitMs: 0 }, () => readdir(missing))).toHaveLength(1);
  });

  it('does not mind a lock of another name', async () => {
    const lock = await takeFolderLock(folder, OTHER);
    expect(await withFolderLock(folder, { kind: KIND, waitMs: 0 }, () => Promise.resolve('worked'))).toBe('worked');
    await releaseFolderLock(lock);
  });
});

describe.skipIf(!existsSync('/proc/self/ns/pid'))(
  'a claim from a container (skipped where there are no pid namespaces)',
  () => {
    const name = 'a-lock-01234567-89ab-cdef-0123-456789abcdef.json';
    /** A claim that looks dead from here. */
    async function leaveDeadClaim(where: object): Promise<void> {
      const child = spawn(process.execPath, ['-e', '']);
      await once(child, 'exit');
      const claim = { pid: child.pid, processStart: null, host: hostname(), ...where };
      await writeFile(join(folder, name), JSON.stringify(claim));
    }

    it('with the same host name cannot be asked from here, and counts as alive', async () => {
      await leaveDeadClaim({ pidNamespace: 'pid:[1]' });
      await expect(takeFolderLock(folder, KIND)).rejects.toThrow(/holds .*If you are sure that it is gone/);
      expect(await readdir(folder)).toEqual([name]);
    });

    it('is removed where it is from here, or from a version that did not tell', async () => {
      const own = await takeFolderLock(folder, KIND);
      const { pidNamespace } = JSON.parse(await readFile(own.path, 'utf8')) as { pidNamespace: string };
      await releaseFolderLock(own);
      for (const where of [{ pidNamespace }, {}]) {
        await leaveDeadClaim(where);
        await releaseFolderLock(await takeFolderLock(folder, KIND));
      }
      expect(await readdir(folder)).toEqual([]);
    });
  },
);

it('isFolderLockFile tells locks of different names apart, also where one name ends like the other', () => {
  const token = '01234567-89ab-cdef-0123-456789abcdef.json';
  expect(isFolderLockFile(`a-lock-${token}`, 'a-lock')).toBe(true);
  expect(isFolderLockFile(`a-lock-${token}`, 'lock')).toBe(false);
  expect(isFolderLockFile(`lock-${token}`, 'a-lock')).toBe(false);
  expect(isFolderLockFile('lock-.json', 'lock')).toBe(false);
});
