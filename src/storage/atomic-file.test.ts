import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import {
  isUnfinishedWrite,
  readFileBounded,
  readJson,
  removeUnfinishedWrites,
  writeFileAtomic,
  writeJsonAtomic,
  writeNewFile,
} from './atomic-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-atomic-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('writeNewFile', () => {
  it('writes what was not there, with the rights it was told', async () => {
    const path = join(folder, 'keys', 'identity');
    await writeNewFile(path, 'secret', { mode: 0o600 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'keys'))).toEqual(['identity']);
  });

  it('replaces nothing, and of many at the same time lets one win', async () => {
    const path = join(folder, 'identity');
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => writeNewFile(path, `${i}`)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const kept = await readFile(path, 'utf8');
    await expect(writeNewFile(path, 'another')).rejects.toMatchObject({ code: 'STATE', facts: { exists: true } });
    expect([await readFile(path, 'utf8'), await readdir(folder)]).toEqual([kept, ['identity']]);
  });
});

describe('writeFileAtomic', () => {
  it('gives a secret to its owner only', async () => {
    const path = join(folder, 'key.pem');
    await writeFileAtomic(path, 'secret', { mode: 0o600 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('creates missing folders, replaces the old version and leaves nothing else behind', async () => {
    const path = join(folder, 'decoders', 'round-1', 'silo-a.onnx');
    await writeFileAtomic(path, 'first');
    await writeFileAtomic(path, Uint8Array.of(0, 255));
    expect([...(await readFile(path))]).toEqual([0, 255]);
    expect(await readdir(join(folder, 'decoders', 'round-1'))).toEqual(['silo-a.onnx']);
  });

  it('lets one of many writers at the same time win, whole', async () => {
    const path = join(folder, 'state.bin');
    const versions = Array.from({ length: 8 }, (_, i) => new Uint8Array(50_000).fill(i));
    await Promise.all(versions.map((bytes) => writeFileAtomic(path, bytes)));
    const found = await readFile(path);
    expect(found.length).toBe(50_000);
    expect(new Set(found).size).toBe(1);
    expect(await readdir(folder)).toEqual(['state.bin']);
  });

  it('keeps the old version and tidies up where the target cannot be replaced', async () => {
    const path = join(folder, 'occupied');
    await mkdir(join(path, 'inside'), { recursive: true });
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(StateError);
    expect(await readdir(folder)).toEqual(['occupied']);
  });

  it('says which file could not be written where a parent is a file', async () => {
    await writeFile(join(folder, 'plain'), 'x');
    await expect(writeFileAtomic(join(folder, 'plain', 'below'), 'y')).rejects.toThrow(/Could not write .*below/);
  });
});

describe('reading back', () => {
  it('returns what writeJsonAtomic wrote', async () => {
    const path = join(folder, 'a.json');
    await writeJsonAtomic(path, { a: [1, 'é'] });
    expect(await readFile(path, 'utf8')).toBe('{\n  "a": [\n    1,\n    "é"\n  ]\n}\n');
    expect(await readJson(path, { maxBytes: 100 })).toEqual({ a: [1, 'é'] });
  });

  it('refuses a file that is one byte too large, and takes one that just fits', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'abcd');
    expect(await readFileBounded(path, { maxBytes: 4 })).toEqual(Uint8Array.of(97, 98, 99, 100));
    await expect(readFileBounded(path, { maxBytes: 3 })).rejects.toThrow(/4 bytes; at most 3/);
  });

  it('refuses what is absent, a folder, a pipe, cut-off JSON and text that is not UTF-8', async () => {
    await expect(readFileBounded(join(folder, 'none'), { maxBytes: 9 })).rejects.toThrow(/ENOENT/);
    await expect(readFileBounded(folder, { maxBytes: 9 })).rejects.toThrow(/Expected a file/);
    if (process.platform !== 'win32' && spawnSync('mkfifo', [join(folder, 'pipe')]).status === 0) {
      await expect(readFileBounded(join(folder, 'pipe'), { maxBytes: 9 })).rejects.toThrow(/Expected a file/);
    }
    await writeFile(join(folder, 'cut.json'), '{"a": [1,');
    await expect(readJson(join(folder, 'cut.json'), { maxBytes: 99 })).rejects.toThrow(/not valid JSON/);
    await writeFile(join(folder, 'latin.json'), Uint8Array.of(0x22, 0xe9, 0x22));
    await expect(readJson(join(folder, 'latin.json'), { maxBytes: 99 })).rejects.toThrow(StateError);
  });
});

describe('removeUnfinishedWrites', () => {
  it('removes what a killed writer left, at any depth, and nothing else', async () => {
    const left = '.spec.json.01234567-89ab-cdef-0123-456789abcdef.part';
    await mkdir(join(folder, 'silos', 'a'), { recursive: true });
    await writeFile(join(folder, 'silos', 'a', left), 'half');
    await writeFile(join(folder, left), 'half');
    await writeFile(join(folder, 'notes.part'), 'mine');
    expect(await removeUnfinishedWrites(folder)).toBe(2);
    expect((await readdir(folder)).sort()).toEqual(['notes.part', 'silos']);
    expect(isUnfinishedWrite('spec.json')).toBe(false);
  });

  it('does not follow links out of the folder', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'align-fl-outside-'));
    const left = join(outside, '.a.01234567-89ab-cdef-0123-456789abcdef.part');
    await writeFile(left, 'x');
    await symlink(outside, join(folder, 'link'));
    expect(await removeUnfinishedWrites(folder)).toBe(0);
    expect(await readFile(left, 'utf8')).toBe('x');
    await rm(outside, { recursive: true });
  });
});
