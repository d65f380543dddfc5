import { expect, test } from 'vitest';
import { madeUpRun } from '../../test/report-runs.ts';
import type { SpecInput } from '../experiments/spec.ts';
import { metricLabel } from './metric-labels.ts';
import { curveSentence, paperResults, type StudyRuns } from './paper-results.ts';

const ACCURACY = metricLabel('probeFullTest.accuracy');

test('a curve is told by its ends, its best point and its noise', () => {
  const points = [
    { x: 1000, mean: 0.5, sd: 0.02 },
    { x: 2000, mean: 0.75, sd: 0.04 },
    { x: 3000, mean: 0.7, sd: null },
  ];
  expect(curveSentence(points, { metric: ACCURACY, setting: 'server.images' })).toBe(
    'probe accuracy by server.images: 50.0 % at 1,000, 70.0 % at 3,000; best 75.0 % at 2,000. ' +
      'The deviation over seeds is 3.0 % on average; the ends differ by 20.0 %.',
  );
  const alone = points.map(({ x, mean }) => ({ x, mean, sd: null }));
  expect(curveSentence(alone, { metric: ACCURACY, setting: 'x' })).toMatch(/One seed a point/);
  expect(curveSentence(points.slice(0, 1), { metric: ACCURACY, setting: 'x' })).toBe('');
});

function study(id: string, path: string | null, runs: StudyRuns['runs'], planned: number): StudyRuns {
  const cells = Array.from({ length: planned }, (_, i) => ({ name: `cell-${i}` }));
  const vary = path === null ? [] : [{ path, values: ['1'] }];
  return {
    ...{ id, question: 'Does it help?', sweep: { target: 'made-up' }, folder: `runs/${id}`, states: [] },
    plan: { name: 'made-up', target: 'made-up', set: [], vary, seeds: [0], baseHash: '', cells: cells as never },
    runs,
  };
}

test('the document has a table a study, a curve with the points of others, and says what was not run', () => {
  const run = (images: number, accuracy: number) => {
    const spec: Partial<SpecInput> = { server: { images } };
    return madeUpRun(`runs/${images}`, { spec, accuracies: { align: [accuracy] } });
  };
  const studies = [
    study('methods', null, [run(1000, 0.6)], 1),
    study('images', 'server.images', [run(500, 0.5), run(2000, 0.7)], 3),
    study('never', null, [], 2),
  ];
  const { markdown, figures } = paperResults(studies, { command: 'align-fl paper --scale full', scale: 'full' });
  expect(markdown).toContain('\nScale full: all images, five rounds.\n');
  expect(markdown).toContain('\n3 runs, 12 s of them in all');
  expect(markdown).toContain('    align-fl paper --scale full\n');
  expect(markdown).toContain('## images: Does it help?\n\n2 of 3 runs, in `runs/images`; seeds 0.');
  const rows = markdown.split('\n').filter((line) => /^\| (500|1,000|2,000) \|/.test(line));
  expect(rows).toHaveLength(3); // the middle point is a run of the first study
  expect(markdown).toContain('50.0 % at 500, 70.0 % at 2,000; best 70.0 % at 2,000');
  expect(markdown).toContain('](figures/curve-server-images-probefulltest-accuracy.svg)');
  expect(figures.map(({ id }) => id)).toEqual(['curve-server-images-probefulltest-accuracy']);
  expect(markdown).toContain(
    '**Not run, so not in these tables:** images (1 of 3), never (2 of 2). The command above runs them.',
  );
  expect(markdown).not.toContain('## never');
});
