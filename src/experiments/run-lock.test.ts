import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import { isLockFile, releaseLock, takeLock } from './run-lock.ts';

const LEFT = 'lock-01234567-89ab-cdef-0123-456789abcdef.json';
let folder: string;
let other: ChildProcess | null = null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-lock-'));
});
afterEach(async () => {
  other?.kill('SIGKILL');
  other = null;
  await rm(folder, { recursive: true, force: true });
});

/** A claim as a process would leave it that was killed. */
async function leaveClaim(claim: object): Promise<void> {
  await writeFile(join(folder, LEFT), JSON.stringify({ pid: 1, processStart: null, host: hostname(), ...claim }));
}

/** The id of a process that is gone. */
async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid as number;
}

describe('takeLock', () => {
  it('keeps everybody else out until it is released', async () => {
    const lock = await takeLock(folder);
    for (let i = 0; i < 5; i++) await expect(takeLock(folder)).rejects.toThrow(/this very process holds/);
    expect((await readdir(folder)).every(isLockFile)).toBe(true);
    await releaseLock(lock);
    expect(await readdir(folder)).toEqual([]);
    await releaseLock(await takeLock(folder));
  });

  it('lets one of many win, on a free folder and on one that a dead process holds', async () => {
    const pid = await deadProcess();
    for (let round = 0; round < 4; round++) {
      if (round % 2 === 1) await leaveClaim({ pid });
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(folder)));
      const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(winners).toHaveLength(1);
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StateError);
      expect(await readdir(folder)).toHaveLength(1);
      for (const winner of winners) await releaseLock(winner);
    }
  });

  it('removes the claim of a process that is gone', async () => {
    await leaveClaim({ pid: await deadProcess() });
    const { path } = await takeLock(folder);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
    expect(await readdir(folder)).toHaveLength(1);
  });

  it('respects the claim of a process that lives', async () => {
    other = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
    await once(other, 'spawn');
    await leaveClaim({ pid: other.pid });
    await expect(takeLock(folder)).rejects.toThrow(`process ${other.pid} on ${hostname()} holds`);
    expect(await readdir(folder)).toEqual([LEFT]);
  });

  it.skipIf(!existsSync('/proc/self/stat'))('sees that a process number was given to another process', async () => {
    await leaveClaim({ pid: process.pid, processStart: 'another-boot/12345' });
    await releaseLock(await takeLock(folder));
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not guess about another machine, nor about a file that is no claim', async () => {
    await leaveClaim({ host: 'elsewhere', pid: 4 });
    await expect(takeLock(folder)).rejects.toThrow(/process 4 on elsewhere .*delete that file/s);
    await writeFile(join(folder, LEFT), '');
    await expect(takeLock(folder)).rejects.toThrow(/cannot be read as a lock.*delete the file/s);
  });
});
