import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { madeUpRun } from '../../test/report-runs.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { AbortedError, NumericalError } from '../errors.ts';
import { paperNumbersFor } from './paper-numbers.ts';
import { planPaper, playPaper } from './paper.ts';
import { PAPER_SCALES, paperStudies } from './paper-studies.ts';
import type { SweepEvent } from './sweep.ts';
import { cellWork } from './sweep-work.ts';

const ROOT = temporaryFolder();
const STUDIES = [
  { id: 'sizes', question: 'Which size?', sweep: { target: 'quickstart', vary: ['model.latent=2,3'], seeds: '1' } },
  { id: 'alone', question: 'And alone?', sweep: { target: 'quickstart', seeds: '1' } },
];

test.each(PAPER_SCALES)(
  'every study of the scale %s is an experiment, with silos and models of the paper',
  async (scale) => {
    const planned = await planPaper(paperStudies(scale), join(ROOT, 'nowhere'));
    const cells = planned.flatMap(({ plan }) => plan.cells);
    const onMnist = cells.filter(({ spec }) => spec.data.source.kind === 'mnist' && spec.model.latent === 2);
    for (const { spec } of onMnist) {
      expect(paperNumbersFor({ ...spec, privacy: { mechanism: 'none' } })).not.toBeNull();
      expect(spec.data.foreign?.silos).toEqual(['silo-a']);
    }
    expect(new Set(cells.map(({ specHash }) => specHash)).size).toBe(cells.length); // nothing is run twice
    expect(cells.every(({ spec }) => cellWork(spec) > 0)).toBe(true);
  },
);

test('the three scales are ever less work', async () => {
  const work = await Promise.all(
    PAPER_SCALES.map(async (scale) => {
      const planned = await planPaper(paperStudies(scale), join(ROOT, 'nowhere'));
      return planned.flatMap(({ plan }) => plan.cells).reduce((sum, { spec }) => sum + cellWork(spec), 0);
    }),
  );
  expect(work[1]).toBeLessThan((work[0] as number) / 3);
  expect(work[2]).toBeLessThan((work[1] as number) / 20);
});

test('studies are played as one sweep, what fails is told, and the same call goes on', async () => {
  const root = join(ROOT, 'paper');
  const played: string[] = [];
  const playCell = async ({ folder }: { folder: string }) => {
    played.push(folder.slice(root.length + 1));
    mkdirSync(folder, { recursive: true });
    if (folder.includes('latent=3')) throw new NumericalError('Diverged.', {});
    writeFileSync(join(folder, 'summary.json'), JSON.stringify(madeUpRun(folder).summary));
  };
  const heard: SweepEvent[] = [];
  const studies = await planPaper(STUDIES, root);
  const reports = await playPaper({ studies, root, jobs: 1, playCell, emit: (event) => heard.push(event) });
  expect(played).toEqual(['sizes/latent=2_seed=1', 'sizes/latent=3_seed=1', 'alone/seed=1']);
  expect(reports[0]?.cells[1]).toMatchObject({
    ...{ name: 'sizes/latent=3_seed=1', state: 'failed', error: expect.stringContaining('Diverged.') },
  });
  expect(heard.filter(({ kind }) => kind === 'sweep-started')).toEqual([
    { kind: 'sweep-started', folder: root, jobs: 1, complete: [] },
  ]);
  expect(heard.flatMap((event) => (event.kind === 'cell-started' ? [event.cell] : []))).toEqual(played);
  expect((await planPaper(STUDIES, root)).map(({ states }) => states)).toEqual([['complete', 'new'], ['complete']]);
});

test('a stop is a stop, and nothing of it is lost', async () => {
  const root = join(ROOT, 'stopped');
  const abort = new AbortController();
  const playCell = async () => {
    abort.abort();
    throw new AbortedError('Stopped.');
  };
  const studies = await planPaper(STUDIES, root);
  const stopped = await playPaper({ studies, root, jobs: 1, playCell, signal: abort.signal }).catch((e: unknown) => e);
  expect(stopped).toBeInstanceOf(AbortedError);
  expect((stopped as Error).message).toBe('Stopped: 0 of 3 runs are complete.');
  expect(readdirSync(root)).toEqual(['sizes']);
});
