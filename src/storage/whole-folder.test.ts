import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { namesInFolder, writeWholeFolder } from './whole-folder.ts';

const ROOT = temporaryFolder();
let parent = '';
let count = 0;
beforeEach(() => {
  parent = join(ROOT, String(count++));
});

test('a folder is there when all of it is, with what is below it', async () => {
  const folder = join(parent, 'set');
  const filled = await writeWholeFolder(folder, async (put) => {
    await put('a/1.txt', 'one');
    await put('a/2.txt', 'two');
    expect(existsSync(folder)).toBe(false);
    return 'done';
  });
  expect(filled).toBe('done');
  expect(readdirSync(join(folder, 'a'))).toEqual(['1.txt', '2.txt']);
  expect(readdirSync(parent)).toEqual(['set']);
});

test('nothing is left of one whose filling fails, and what was there stays', async () => {
  const folder = join(parent, 'set');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'old'), 'old');
  const failing = writeWholeFolder(folder, async (put) => {
    await put('new', 'new');
    throw new Error('stop');
  });
  await expect(failing).rejects.toThrow('stop');
  expect(readdirSync(parent)).toEqual(['set']);
  expect(readdirSync(folder)).toEqual(['old']);
});

test('what was there is replaced in whole', async () => {
  const folder = join(parent, 'set');
  await writeWholeFolder(folder, (put) => put('old', 'old'));
  await writeWholeFolder(folder, (put) => put('new', 'new'));
  expect(readdirSync(folder)).toEqual(['new']);
  expect(readFileSync(join(folder, 'new'), 'utf8')).toBe('new');
  expect(readdirSync(parent)).toEqual(['set']);
});

test('a place that cannot be a folder is an error with the reason', async () => {
  mkdirSync(parent, { recursive: true });
  const file = join(parent, 'file');
  writeFileSync(file, '');
  await expect(writeWholeFolder(join(file, 'set'), async () => {})).rejects.toThrow(StateError);
  await expect(namesInFolder(file)).rejects.toThrow(/it is a file/);
  expect(await namesInFolder(join(parent, 'nothing'))).toEqual([]);
});
