import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { parseSpec } from './parse-spec.ts';
import { findPreset } from './presets.ts';
import { type Metrics, paperOfSummary, readSummary, type Summary, summarySchema, writeSummary } from './summary.ts';

const HASH = 'ab'.repeat(32);
const spread = { mean: 0.75, sd: 0.01 };
const metrics: Metrics = {
  classification: null,
  probePaperSplit: {
    accuracy: { mean: 0.75, sd: null },
    f1Weighted: { mean: 0.5, sd: null },
    splits: 1,
    unconverged: 0,
  },
  probeFullTest: { accuracy: spread, f1Weighted: spread, splits: 5, unconverged: 1, recallPerClass: [0.5, null, 1] },
  reconstructionMse: 0.04,
  generation: {
    extractor: 'cnn trained on mnist training images',
    extractorAccuracy: 0.99,
    images: { real: 2000, synthetic: 2000 },
    fid: 12.5,
    kid: { mean: -0.001, sd: 0.002 },
    precision: 0.9,
    recall: 0.25,
    density: 1.1,
    coverage: 0.5,
    neighbours: 5,
  },
};
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
      rounds: [{ round: 1, metrics, seconds: 60.5 }],
      final: metrics,
      silos: [
        {
          name: 'silo-a',
          examples: 11_923,
          classes: { 0: 5923, 1: 6000 },
          mechanism: 'none',
          epsilon: 'Infinity',
          delta: null,
          privacyText: NO_PRIVACY.text,
          privacy: NO_PRIVACY,
          uploadBytes: { perRound: [2_270_000], total: 2_270_000 },
          decoders: [
            {
              round: 1,
              sha256: HASH,
              bytes: 2_270_000,
              certificate: null,
              localLipschitz: { draws: 64, largest: 30.5, mean: 12 },
            },
          ],
        },
      ],
      globalSha256: HASH,
      secondsPerStage: { silos: 40, server: 15, evaluation: 5.5, total: 60.5 },
    },
  ],
  controls: [
    {
      name: 'pca-2',
      metrics: { ...metrics, classification: null, probePaperSplit: null, reconstructionMse: null, generation: null },
    },
  ],
  paper: paperOfSummary(preset('paper-mnist')),
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-summary-'));
  path = join(folder, 'summary.json');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('summary.json', () => {
  it('is read back as it was written', async () => {
    await writeSummary(path, summary);
    expect(await readSummary(path)).toEqual(summary);
  });

  it('is not written where it would be malformed', async () => {
    for (const wrong of [
      { ...summary, specHash: 'abc' },
      { ...summary, extra: 1 },
      { ...summary, startedAt: 'yesterday' },
      { ...summary, strategies: [] },
      { ...summary, strategies: [{ ...summary.strategies[0], final: { ...metrics, reconstructionMse: Number.NaN } }] },
    ]) {
      await expect(writeSummary(path, wrong as Summary)).rejects.toThrow(StateError);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('of another version is refused by name', async () => {
    await writeFile(path, JSON.stringify({ ...summary, format: 'align-fl/summary@2' }));
    await expect(readSummary(path)).rejects.toThrow(/align-fl\/summary@1/);
    await expect(readSummary(join(folder, 'none.json'))).rejects.toThrow(StateError);
  });

  it('has every field in docs/summary.md', async () => {
    const doc = await readFile(new URL('../../docs/summary.md', import.meta.url), 'utf8');
    const words = new Set([...doc.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => code.split(/[.,\s]+/)));
    const missing = fieldsOf(z.toJSONSchema(summarySchema)).filter((field) => !words.has(field));
    expect(missing).toEqual([]);
  });
});

describe('paperOfSummary', () => {
  it('gives fractions, and null where the paper gives nothing', () => {
    expect(paperOfSummary(preset('paper-mnist'))).toMatchObject({
      align: { accuracy: 0.7425, f1Weighted: 0.7406 },
      fedavg: { accuracy: 0.4375, f1Weighted: null },
    });
    expect(paperOfSummary(preset('quickstart'))).toBeNull();
  });
});

function preset(name: string) {
  return parseSpec(findPreset(name)?.spec);
}

function fieldsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) => [
    ...(key === 'properties' ? Object.keys(value as object) : []),
    ...fieldsOf(value),
  ]);
}
