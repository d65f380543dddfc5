// Run folders as a report finds them: complete, unfinished, damaged, or no run folders at all.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeMadeUpRun } from '../../test/report-runs.ts';
import { StateError } from '../errors.ts';
import { readLosses } from './epoch-losses.ts';
import { readPicture, readRun, runFoldersIn } from './run-record.ts';

let root = '';
const at = (...parts: string[]) => join(root, ...parts);
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'align-fl-record-'));
  for (const name of ['seed10', 'seed2']) await writeMadeUpRun(at('runs', name));
  await writeMadeUpRun(at('begun'));
  await rm(at('begun', 'summary.json'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('runFoldersIn', () => {
  it('takes run folders, and folders that hold some, each run once and in the order of numbers', async () => {
    expect(await runFoldersIn([at('runs', 'seed10'), at('runs')])).toEqual([at('runs', 'seed10'), at('runs', 'seed2')]);
  });

  it('takes the runs of sweeps in a folder, too, and a run once however its path is written', async () => {
    const sweep = at('all', 'a-sweep');
    await writeMadeUpRun(join(sweep, 'seed=1'));
    await writeMadeUpRun(at('all', 'b-run'));
    await mkdir(at('all', 'just-begun'));
    for (const name of ['a-sweep', 'just-begun']) await writeFile(at('all', name, 'sweep.json'), '{}');
    expect(await runFoldersIn([at('all'), `${at('all', 'b-run')}/`])).toEqual([
      join(sweep, 'seed=1'),
      at('all', 'b-run'),
    ]);
  });

  it.each(['missing', 'runs/seed2/images'])('says what it expected where there is none: %s', async (name) => {
    await expect(runFoldersIn([at(name)])).rejects.toThrow(/[Nn]ame folders of runs/);
  });
});

describe('readRun', () => {
  it('has all that the folder has', async () => {
    const run = await readRun(at('runs', 'seed2'));
    expect(run?.spec.name).toBe('made-up');
    expect(run?.codes.map(({ strategy, rounds }) => [strategy, rounds.length])).toEqual([['align', 2]]);
    expect(run?.losses).toHaveLength(6);
    expect(run?.pictures).toEqual(['global-align.png']);
  });

  it('is null for a run that is not finished', async () => {
    expect(await readRun(at('begun'))).toBeNull();
  });

  it('refuses a damaged summary', async () => {
    await writeMadeUpRun(at('damaged'));
    await writeFile(at('damaged', 'summary.json'), '{"format":"align-fl/summary@1"}');
    await expect(readRun(at('damaged'))).rejects.toThrow(StateError);
  });
});

describe('readPicture', () => {
  it('takes a PNG with its size, and nothing else', async () => {
    expect(await readPicture(at('begun'), 'global-align.png')).toMatchObject({ width: 6, height: 6 });
    await mkdir(at('begun', 'images', 'folder.png'));
    writeFileSync(at('begun', 'images', 'text.png'), '<svg onload="alert(1)">'.padEnd(100));
    expect(await readPicture(at('begun'), 'text.png')).toBeNull();
    expect(await readPicture(at('begun'), 'folder.png')).toBeNull();
  });
});

describe('readLosses', () => {
  it('counts an epoch that was repeated after a stop as it was last, and passes over other lines', async () => {
    const epoch = (loss: number | null) => ({
      kind: 'server-epoch',
      strategy: 'align',
      round: 1,
      epoch: 1,
      terms: { loss },
    });
    const lines = [epoch(3), { kind: 'server-epoch', strategy: 4 }, { kind: 'run-started' }, epoch(2), epoch(null)];
    await writeFile(at('events.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(await readLosses(at('events.jsonl'))).toEqual([
      { strategy: 'align', silo: null, round: 1, epoch: 1, term: 'loss', value: 2 },
    ]);
  });
});
