import { mkdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeMadeUpRun } from '../../test/report-runs.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import type { OutlierFile } from '../experiments/outlier-file.ts';
import { picturesSection } from './pictures-section.ts';
import { groupRuns } from './run-groups.ts';
import { readRun, type RunRecord } from './run-record.ts';

test('the picture of foreign images tells what its rows are', async () => {
  const root = join(temporaryFolder(), 'run');
  mkdirSync(root);
  await writeMadeUpRun(root);
  await rename(join(root, 'images', 'global-align.png'), join(root, 'images', 'outliers.png'));
  const outliers = { figure: { file: 'images/outliers.png', rows: ['foreign', 'silo reconstruction'] } } as OutlierFile;
  const run: RunRecord = { ...((await readRun(root)) as RunRecord), outliers };
  const [block] = (await picturesSection(groupRuns([run]).groups))?.blocks ?? [];
  const captions = block?.kind === 'pictures' ? block.pictures.map(({ caption }) => caption) : [];
  expect(captions).toEqual(['Foreign images; rows from the top: foreign, silo reconstruction']);
});
