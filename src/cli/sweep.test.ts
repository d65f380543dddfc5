import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { main } from './main.ts';
import { judgedText, sweepText } from './sweep.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-sweep-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

/** The command's exit code and what it printed. */
async function sweep(...args: readonly string[]) {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    });
  }
  const code = await main(['sweep', ...args]);
  vi.restoreAllMocks();
  return { code, ...written };
}

test('--dry-run lists the runs and touches nothing', async () => {
  const out = join(ROOT, 'none');
  const args = ['quickstart', '--vary', 'model.hidden=[16,8],[32]', '--seeds', '1-2', '--out', out, '--dry-run'];
  const { code, stdout } = await sweep(...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/\[16,8\] +1 +hidden=16-8_seed=1 +new\n/);
  expect(stdout).toContain('4 runs of quickstart');
  expect(readdirSync(ROOT)).toEqual([]);
  const json = JSON.parse((await sweep(...args, '--json')).stdout) as { cells: { name: string; state: string }[] };
  expect(json.cells.map(({ name, state }) => [name, state])[3]).toEqual(['hidden=32_seed=2', 'new']);
});

test('wrong usage is exit code 2 and says what to do', async () => {
  const wrong = await sweep('quickstart', '--vary', 'model.latnt=1,2', '--dry-run');
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean model.latent') });
  expect(await sweep('quickstart')).toMatchObject({ code: 2, stderr: expect.stringContaining('Nothing varies') });
  expect(await sweep()).toMatchObject({ code: 2, stderr: expect.stringContaining('Which experiment?') });
  const jobs = await sweep('quickstart', '--seeds', '1,2', '--jobs', '0');
  expect(jobs).toMatchObject({ code: 2, stderr: expect.stringContaining('--jobs: expected a whole number') });
});

test('the table has a row a combination, strategies as mean ± deviation, and gaps where nothing is complete', () => {
  const accuracy = (mean: number, sd: number | null) => ({ mean, sd, count: sd === null ? 1 : 2 });
  const strategy = (name: string, mean: number, sd: number | null) => ({
    strategy: name,
    accuracy: accuracy(mean, sd),
    accuracyPaperSplit: null,
    localLabelAccuracy: null,
    f1Weighted: null,
    reconstructionMse: null,
    fid: name === 'align' && sd !== null ? { mean: 20, sd: 1.5, count: 2 } : null,
    kid: null,
    precision: null,
    recall: null,
    density: null,
    coverage: null,
  });
  const text = sweepText({
    vary: [{ path: 'model.latent', values: ['2', '16', '32'] }],
    table: [
      {
        values: { 'model.latent': '2' },
        seeds: [1, 2],
        strategies: [strategy('align', 0.75, 0.01), strategy('local-only', 0.4, 0.02)],
      },
      { values: { 'model.latent': '16' }, seeds: [1], strategies: [strategy('align', 0.9, null)] },
      { values: { 'model.latent': '32' }, seeds: [], strategies: [] },
    ],
  });
  expect(text.split('\n')).toEqual([
    'latent  seeds      ALIGN-FL  each silo alone  FID ALIGN-FL',
    '──────  ─────  ────────────  ───────────────  ────────────',
    '     2      2  75.0 ± 1.0 %     40.0 ± 2.0 %  20.00 ± 1.50',
    '    16      1        90.0 %                –             –',
    '    32      0             –                –             –',
  ]);
});

test('the foot of the table speaks of a probe only where there is one', () => {
  expect(judgedText([{ task: 'represent' }, { task: 'represent' }])).toEqual([expect.stringMatching(/^Probe: /)]);
  expect(judgedText([{ task: 'classify' }])).toEqual([expect.stringMatching(/^Accuracy of classifiers on held-out/)]);
  expect(judgedText([{ task: 'represent' }, { task: 'classify' }])).toHaveLength(2);
});
