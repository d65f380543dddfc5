import { expect, test } from 'vitest';
import { generationScores } from '../../test/report-runs.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { type Metrics, paperOfSummary, type SiloSummary, type Summary } from '../experiments/summary.ts';
import { resultsText } from './results.ts';

const HASH = 'ab'.repeat(32);
const spread = { mean: 0.75, sd: 0.012 };
const probe = { accuracy: spread, f1Weighted: { mean: 0.5, sd: 0.02 }, splits: 5, unconverged: 0 };
const full = { ...probe, recallPerClass: [0.75] };
const metrics: Metrics = {
  classification: null,
  probePaperSplit: probe,
  probeFullTest: full,
  reconstructionMse: 0.04,
  generation: null,
};
const silo = (name: string): SiloSummary => ({
  name,
  examples: 100,
  classes: { 0: 100 },
  mechanism: NO_PRIVACY.mechanism,
  epsilon: NO_PRIVACY.epsilon,
  delta: NO_PRIVACY.delta,
  privacyText: NO_PRIVACY.text,
  privacy: NO_PRIVACY,
  uploadBytes: { perRound: [1000], total: 1000 },
  decoders: [{ round: 1, sha256: HASH, bytes: 1000, certificate: null, localLipschitz: null }],
});

async function summaryWith(change: Partial<Summary> = {}, final = metrics, silos = [silo('a'), silo('b')]) {
  const summary: Summary = {
    format: 'align-fl/summary@1',
    name: 'mine',
    seed: 0,
    specHash: HASH,
    alignFlVersion: '0.1.0',
    dataSet: { name: 'mnist', sha256: HASH, train: 60_000, test: 10_000 },
    partition: { file: 'partition.json', sha256: HASH },
    startedAt: '2026-11-20T10:00:00.000Z',
    finishedAt: '2026-11-20T10:10:00.000Z',
    machine: { node: '20.20.2', platform: 'linux-x64', cores: 2, executor: 'onnxruntime', device: 'cpu' },
    strategies: [
      {
        strategy: 'align',
        rounds: [{ round: 1, metrics: final, seconds: 60.5 }],
        final,
        silos,
        globalSha256: HASH,
        secondsPerStage: { silos: 40, server: 15, evaluation: 5.5, total: 60.5 },
      },
    ],
    controls: [],
    paper: paperOfSummary(await loadSpec('paper-mnist')),
    ...change,
  };
  return summary;
}

test('the results stand beside those of the paper, with what is the run\u2019s own', async () => {
  const text = resultsText(await summaryWith());
  expect(text).toMatch(/^ALIGN-FL +75\.0 ± 1\.2 % +50\.0 ± 2\.0 % .*74\.25 % +74\.06 %$/m);
  expect(text).toMatch(/^Paper: .*\. Rounds and images per silo are this run's own\.$/m);
  expect(resultsText(await summaryWith({ paper: null }))).not.toMatch(/^Paper: /m);
});

test('FIDs have a column where there are any, with the extractor they rest on', async () => {
  const judged: Metrics = { ...metrics, generation: generationScores(12.345) };
  const text = resultsText(await summaryWith({ controls: [{ name: 'pca-2', metrics }] }, judged));
  expect(text).toMatch(/^representation .*MSE +FID +paper acc/m);
  expect(text).toMatch(/^ALIGN-FL .* 0\.0400 +12\.35 +74\.25 %/m);
  expect(text).toMatch(/^FID: 50 images of the prior beside 50 real ones, by made-up extractor;/m);
  expect(resultsText(await summaryWith())).not.toContain('FID');
});

test('a single split has no deviation, and what there is none of is left empty', async () => {
  const once = { accuracy: { mean: 0.9, sd: null }, f1Weighted: { mean: 0.8, sd: null }, splits: 1, unconverged: 0 };
  const raw: Metrics = {
    classification: null,
    probePaperSplit: null,
    probeFullTest: { ...once, recallPerClass: [null] },
    reconstructionMse: null,
    generation: null,
  };
  const text = resultsText(await summaryWith({ controls: [{ name: 'raw-pixels', metrics: raw }] }));
  expect(text).toMatch(/^raw-pixels +90\.0 % +80\.0 %[^±%\d]*$/m);
});

test('fits that did not reach their optimum are told, and only those', async () => {
  const poor = { ...metrics, probeFullTest: { ...full, unconverged: 2 } };
  expect(resultsText(await summaryWith({}, poor))).toContain('2 of the 10 fits stopped before their optimum.');
  expect(resultsText(await summaryWith())).not.toContain('optimum');
});

test('privacy is what the summary says of the silos: once where all are alike, else of each', async () => {
  expect(
    resultsText(await summaryWith())
      .split('\n')
      .at(-1),
  ).toBe(`Privacy: none (epsilon infinite). ${NO_PRIVACY.text}`);
  const other = { ...silo('b'), mechanism: 'noise', epsilon: 8, delta: 1e-5, privacyText: 'Some noise.' };
  expect(
    resultsText(await summaryWith({}, metrics, [silo('a'), other]))
      .split('\n')
      .slice(-2),
  ).toEqual([
    `Privacy of a: none (epsilon infinite). ${NO_PRIVACY.text}`,
    'Privacy of b: noise (epsilon 8, delta 0.00001). Some noise.',
  ]);
});
