// `align-fl report` and `align-fl compare` as a person uses them: run folders in; a page, tables and words out.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { said } from './command-line.ts';
import { tagProblems } from './markup-checks.ts';
import { dpStatement, writeMadeUpRun } from './report-runs.ts';

const HOSTILE = `"'><img src=x onerror=alert(1)></style><script>alert(2)</script>\u202e|\`<!--`;

let root = '';
const at = (...parts: string[]) => join(root, ...parts);
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'align-fl-report-'));
  for (const seed of [1, 2]) {
    const accuracies = { align: [0.5, 0.7 + seed / 10] };
    await writeMadeUpRun(at('runs', `seed${seed}`), { spec: { seed }, accuracies });
  }
  const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } as const;
  await writeMadeUpRun(at('runs', 'private'), { spec: { privacy }, privacy: dpStatement(7.5) });
  await writeMadeUpRun(at('hostile'), { text: HOSTILE, controls: { control: 0.5 } });
  const picture = at('hostile', 'images', 'global-align.png');
  await rename(picture, at('hostile', 'images', `x"><script>alert(3)<script>.png`));
  await writeMadeUpRun(at('begun'));
  await rm(at('begun', 'summary.json'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function pageOf(...folders: string[]): Promise<string> {
  const out = at('page.html');
  expect(await said('report', ...folders, '--out', out)).toMatchObject({ code: 0 });
  return readFileSync(out, 'utf8');
}

describe('the page', () => {
  test('is sound, asks for nothing from anywhere, and runs nothing', async () => {
    const page = await pageOf(at('runs'));
    expect(tagProblems(page)).toEqual([]);
    expect(page).toContain(`content="default-src 'none'; img-src data:; style-src 'unsafe-inline'`);
    expect(page).not.toMatch(/<script|<link|<iframe|@import|url\(/);
    const places = [...page.matchAll(/\s(?:src|href|srcset|action)="([^"]*)"/g)].map(([, place = '']) => place);
    expect(places.length).toBeGreaterThan(10);
    expect(places.filter((place) => !/^(#|data:image\/png;base64,)/.test(place))).toEqual([]);
  });

  test('joins seeds and has every section that there is data for, each place once', async () => {
    const page = await pageOf(at('runs'));
    expect(page).toContain('85.0 ± 7.1 %');
    const titles = [...page.matchAll(/<h2[^>]*>([^<]*)</g)].map(([, title]) => title);
    expect(titles).toEqual([
      'Results',
      'Convergence over rounds',
      'Latent space',
      'Pictures',
      'Privacy',
      'Losses',
      'Time and traffic',
      'Data and partition',
      'To repeat it',
    ]);
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(page).toContain('NO privacy guarantee for 2 of 4 silos');
  });

  test('leaves out what there is nothing to say about', async () => {
    await writeMadeUpRun(at('bare'), { accuracies: { align: [0.5] } });
    for (const part of ['images', 'codes', 'events.jsonl', 'partition.json']) {
      await rm(at('bare', part), { recursive: true });
    }
    const titles = [...(await pageOf(at('bare'))).matchAll(/<h2[^>]*>([^<]*)</g)].map(([, title]) => title);
    expect(titles).toEqual(['Results', 'Privacy', 'Time and traffic', 'Data and partition', 'To repeat it']);
  });

  test('shows hostile names as text', async () => {
    const page = await pageOf(at('hostile'));
    expect(tagProblems(page)).toEqual([]);
    expect(page).not.toMatch(/<script|<img src=x|<!--|\u202e/);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).toContain('&lt;script&gt;alert(2)&lt;/script&gt;');
    expect(page).toContain('&lt;script&gt;alert(3)');
  });

  test('is the same every time', async () => {
    expect(await pageOf(at('runs'))).toBe(await pageOf(at('runs')));
  });

  test('names the runs that are not finished, and needs one that is', async () => {
    expect(await pageOf(at('begun'), at('runs'))).toContain(`Left out: ${at('begun')} (not finished`);
    const { code, stderr } = await said('report', at('begun'), '--out', at('never.html'));
    expect(code).toBe(1);
    expect(stderr).toContain(`align-fl run --resume ${at('begun')}`);
    expect(existsSync(at('never.html'))).toBe(false);
  });
});

test('tables are Markdown and CSV, figures are SVG files with their numbers beside them', async () => {
  const { code, stdout } = await said('report', at('runs'), '--out', at('p.html'), '--tables', at('tables'));
  expect(code).toBe(0);
  expect(stdout).toContain('tables.md');
  const files = readdirSync(at('tables'), { recursive: true, encoding: 'utf8' }).map((name) =>
    name.replaceAll('\\', '/'),
  );
  expect(files).toEqual(
    expect.arrayContaining([
      'tables.md',
      'results.csv',
      'uploads.csv',
      'figures/rounds-probefulltest-accuracy.svg',
      'figures/rounds-probefulltest-accuracy.csv',
      'figures/latent-e1-align-2.svg',
    ]),
  );
  expect(readFileSync(at('tables', 'tables.md'), 'utf8')).toContain('| 85.0 ± 7.1 % |');
  const svg = readFileSync(at('tables', 'figures', 'rounds-probefulltest-accuracy.svg'), 'utf8');
  expect(svg).toMatch(/^<\?xml[^>]*\?>\n<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  expect(tagProblems(svg)).toEqual([]);
});

describe('compare', () => {
  test('shows the settings that differ, then the results side by side', async () => {
    const { code, stdout } = await said('compare', at('runs', 'seed1'), at('runs', 'private'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^privacy\.mechanism +none +dp-sgd$/m);
    expect(stdout).toMatch(/^probe accuracy +80\.0 % +75\.0 %$/m);
    expect(stdout).toMatch(/^epsilon, largest +infinite +7\.5$/m);
    expect(stdout).toMatch(/^left the silos +4\.00 kB +4\.00 kB$/m);
    expect(stdout).toContain('NO privacy guarantee');
    expect(stdout).not.toMatch(/^rounds/m);
  });

  test('prints the same as JSON', async () => {
    const { stdout } = await said('compare', at('runs'), '--json');
    const { runs, settings, strategies } = JSON.parse(stdout) as {
      runs: { folder: string }[];
      settings: { path: string; values: unknown[] }[];
      strategies: { strategy: string; epsilon: unknown[]; metrics: { path: string; values: number[] }[] }[];
    };
    expect(runs.map(({ folder }) => folder)).toEqual(['private', 'seed1', 'seed2'].map((name) => at('runs', name)));
    expect(settings).toContainEqual({ path: 'seed', values: [0, 1, 2] });
    expect(strategies[0]?.epsilon).toEqual([7.5, 'Infinity', 'Infinity']);
    expect(strategies[0]?.metrics[0]?.path).toBe('probeFullTest.accuracy');
  });

  test('needs two runs', async () => {
    const { code, stderr } = await said('compare', at('runs', 'seed1'));
    expect(code).toBe(2);
    expect(stderr).toContain('two finished runs or more');
  });

  test('moves no cursor with names of others', async () => {
    await writeMadeUpRun(at('cursor'), { spec: { seed: 5 } });
    const file = at('cursor', 'spec.json');
    const changed = readFileSync(file, 'utf8').replace(
      '"kind": "drawn-digits"',
      '"kind": "folder", "dir": "a\\u001b[2J"',
    );
    await writeFile(
      file,
      changed.replace(/"train": \d+,\s*"test": \d+/, '').replace(/"dir": ("[^"]*"),\s*\}/, '"dir": $1}'),
    );
    const { stdout } = await said('compare', at('runs', 'seed1'), at('cursor'));
    expect(stdout).toContain('data.source.dir');
    expect(stdout).not.toContain('\u001b[2J');
  });
});
