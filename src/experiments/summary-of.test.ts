import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { drawnDigits } from '../data/drawn-digits.ts';
import { partitionManifest } from '../data/manifest.ts';
import type { Engine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import type { Journal, RoundRecord } from './journal.ts';
import { parseSpec } from './parse-spec.ts';
import { findPreset } from './presets.ts';
import { runLayout } from './run-layout.ts';
import { summaryOf } from './summary-of.ts';
import type { Metrics } from './summary.ts';

const ROOT = temporaryFolder();
const spread = { mean: 0.5, sd: null };
const METRICS: Metrics = {
  classification: null,
  probePaperSplit: null,
  probeFullTest: { accuracy: spread, f1Weighted: spread, splits: 1, unconverged: 0, recallPerClass: [1] },
  reconstructionMse: 0.1,
  generation: null,
};

/** A statement that can be told from others. */
const claim = (text: string): PrivacyStatement => ({ ...NO_PRIVACY, text });
const record = (round: number, sha256: string | null, claims: readonly string[]): RoundRecord => ({
  round,
  metrics: METRICS,
  seconds: { silos: 1, server: 1, evaluation: 1, total: 3 },
  uploads: ['north', 'east'].map((silo, i) => ({
    silo,
    bytes: 10 * round,
    sha256,
    privacy: claim(claims[i] as string),
    offers: null,
    localLipschitz: sha256 === null ? null : { draws: 64, largest: round, mean: 0.5 },
  })),
});

test('what a silo claims is its last statement under any strategy, as all of them look at the same records', async () => {
  const root = mkdtempSync(join(ROOT, 'run-'));
  const layout = runLayout(root);
  const dataSet = drawnDigits({ key: seedKey('summary'), trainCount: 20, testCount: 10 });
  const silos = ['north', 'east'].map((name) => ({ name, set: dataSet.train, foreignRows: new Uint32Array(0) }));
  const manifest = partitionManifest(dataSet.train, silos);
  writeFileSync(layout.partition, JSON.stringify(manifest));
  const journal: Journal = {
    format: 'align-fl/journal@2',
    origin: { version: '0', executor: 'onnxruntime', device: 'cpu', partition: '', testImages: '', releases: 'none' },
    startedAt: '2026-01-02T03:04:05.000Z',
    strategies: {
      fedavg: [record(1, null, ['north 3', 'east 3']), record(2, null, ['north 4', 'east 4'])],
      align: [record(1, 'ab'.repeat(32), ['north 1', 'east 1']), record(2, 'cd'.repeat(32), ['north 2', 'east 2'])],
    },
    controls: null,
  };
  const spec = parseSpec({ ...(findPreset('quickstart')?.spec as object), strategies: ['align', 'fedavg'] });
  const { strategies } = await summaryOf({
    folder: { root, layout, spec, specHash: 'ab'.repeat(32), state: 'begun', rebuiltFrom: null, lock: { path: '' } },
    journal,
    materials: { dataSet, classes: 10, silos, manifest },
    engine: { executor: 'onnxruntime', device: 'cpu' } as Engine,
    now: () => new Date('2026-01-02T04:04:05.000Z'),
    version: '0',
    globalSha256: async () => 'ab'.repeat(32),
  });
  expect(strategies.map(({ strategy }) => strategy)).toEqual(['align', 'fedavg']);
  for (const { silos: summed } of strategies) {
    expect(summed.map(({ privacyText, privacy }) => [privacyText, privacy.text])).toEqual([
      ['north 4', 'north 4'],
      ['east 4', 'east 4'],
    ]);
  }
  expect(strategies[0]?.silos[0]?.decoders).toMatchObject([
    { round: 1, bytes: 10, localLipschitz: { draws: 64, largest: 1, mean: 0.5 }, certificate: null },
    { round: 2, bytes: 20, localLipschitz: { draws: 64, largest: 2, mean: 0.5 } },
  ]);
  expect(strategies[1]?.silos[0]).toMatchObject({ decoders: [], uploadBytes: { total: 30 } });
});
