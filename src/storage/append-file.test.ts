import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import { appendDurably } from './append-file.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-append-'));
  path = join(folder, 'lines');
  await writeFile(path, 'one\n');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('appendDurably', () => {
  it('puts text behind what is there, counted in bytes', async () => {
    await appendDurably(path, 4, 'zwölf\n');
    await appendDurably(path, 11, 'three\n');
    expect(await readFile(path, 'utf8')).toBe('one\nzwölf\nthree\n');
  });

  it('removes an unfinished end first, even where the new text is shorter', async () => {
    await writeFile(path, 'one\nthe unfinished e');
    await appendDurably(path, 4, '2\n');
    expect(await readFile(path, 'utf8')).toBe('one\n2\n');
  });

  it('removes no whole line: somebody else was told that it is there', async () => {
    await writeFile(path, 'one\ntheirs\n');
    await expect(appendDurably(path, 4, 'ours\n')).rejects.toThrow(
      /Somebody else wrote to .*: 4 bytes were read, 11 are/,
    );
    await writeFile(path, 'one\ntheirs\nand unfin');
    await expect(appendDurably(path, 4, 'ours\n')).rejects.toThrow(StateError);
    expect(await readFile(path, 'utf8')).toBe('one\ntheirs\nand unfin');
  });

  it('overwrites nothing, even where two meet', async () => {
    await Promise.allSettled(['a', 'b', 'c', 'd'].map((letter) => appendDurably(path, 4, `${letter.repeat(9)}\n`)));
    const [first, ...lines] = (await readFile(path, 'utf8')).split('\n');
    expect([first, lines.pop()]).toEqual(['one', '']);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/^(.)\1{8}$/);
  });

  it('refuses a file that became shorter, and leaves it alone', async () => {
    await expect(appendDurably(path, 5, 'two\n')).rejects.toThrow(/has become shorter: 5 bytes were read, 4 are left/);
    expect(await readFile(path, 'utf8')).toBe('one\n');
  });

  it('makes no file where none is', async () => {
    const missing = join(folder, 'missing');
    await expect(appendDurably(missing, 0, 'x')).rejects.toThrow(StateError);
    await expect(readFile(missing)).rejects.toThrow(/ENOENT/);
  });
});
