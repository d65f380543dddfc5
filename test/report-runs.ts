// Made-up complete runs, for tests of what reads run folders: as records, and as folders on disk.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NO_PRIVACY } from '../src/exchange/privacy-statement.ts';
import type { DpSgdPrivacy, PrivacyStatement } from '../src/exchange/privacy-statement-schema.ts';
import { imageGridPng } from '../src/evaluation/image-grid.ts';
import { codesFile, saveRoundCodes } from '../src/experiments/codes.ts';
import type { Diagnostics } from '../src/experiments/diagnostic-fields.ts';
import { parseSpec } from '../src/experiments/parse-spec.ts';
import type { Spec, SpecInput } from '../src/experiments/spec.ts';
import { specHash } from '../src/experiments/spec-identity.ts';
import { type Metrics, type StrategySummary, SUMMARY_FORMAT, type Summary } from '../src/experiments/summary.ts';
import type { RunRecord } from '../src/report/run-record.ts';
import { writeJsonAtomic } from '../src/storage/atomic-file.ts';

export interface RunWish {
  /** Over a small spec of two silos. */
  readonly spec?: Partial<SpecInput>;
  /** Accuracy after each round, by strategy; a strategy for each key. Default: `{ align: [0.5, 0.75] }`. */
  readonly accuracies?: Readonly<Record<string, readonly number[]>>;
  /** Of both silos. Default: none. */
  readonly privacy?: PrivacyStatement;
  /** Stands wherever a summary has free text. */
  readonly text?: string;
  /** Numbers beside the usual metrics. */
  readonly extraMetrics?: Readonly<Record<string, unknown>>;
  readonly controls?: Readonly<Record<string, number>>;
  /** Of every strategy. Default: nobody looked. */
  readonly diagnostics?: Diagnostics;
}

/** A spec of two silos with one class each. */
export function smallSpec(changes: Partial<SpecInput> = {}): Spec {
  return parseSpec({
    name: 'made-up',
    rounds: 2,
    data: {
      source: { kind: 'drawn-digits', train: 2000, test: 50 },
      partition: { kind: 'class-disjoint', classes: [[0], [1]] },
    },
    silos: [{ name: 'silo-a' }, { name: 'silo-b' }],
    model: { kind: 'mlp', hidden: [8], latent: 2 },
    privacy: { mechanism: 'none' },
    ...changes,
  });
}

/** Generation scores with this FID. */
export function generationScores(fid: number): NonNullable<Metrics['generation']> {
  return {
    extractor: 'made-up extractor',
    extractorAccuracy: 0.9,
    images: { real: 50, synthetic: 50 },
    fid,
    kid: { mean: 0.01, sd: 0.001 },
    precision: 0.8,
    recall: 0.7,
    density: 0.9,
    coverage: 0.6,
    neighbours: 5,
  };
}

/** The statement of a silo that was trained by DP-SGD. */
export function dpStatement(epsilon: number, guarantee: 'epsilon-delta' | 'none' = 'epsilon-delta'): DpSgdPrivacy {
  const isOpen = guarantee === 'none';
  const common = {
    mechanism: 'dp-sgd',
    neighbours: 'zero-out-one',
    unit: 'record',
    accountant: { method: 'min(rdp, pld)', rdp: epsilon + 1, pld: epsilon },
    sampling: { kind: 'poisson', rate: 0.02, expectedBatch: 256 },
    clipping: { kind: 'auto-s', clipNorm: 1, quantile: null },
    noiseMultiplier: 0.8,
    steps: 100,
    noise: 'secure',
    mode: isOpen ? 'decoder-only' : 'full',
    text: isOpen ? 'NO guarantee, epsilon is infinite.' : `(${epsilon}, 0.00001)-differential privacy.`,
  } as const;
  return isOpen
    ? { ...common, guarantee, epsilon: 'Infinity', delta: null, nominalEpsilon: epsilon }
    : { ...common, guarantee, epsilon, delta: 1e-5, nominalEpsilon: null };
}

/** The run as a report reads it. */
export function madeUpRun(root: string, wish: RunWish = {}): RunRecord {
  const spec = smallSpec(wish.spec);
  return {
    root,
    spec,
    summary: summaryOf(spec, wish),
    manifest: {
      disjoint: true,
      sharedClasses: [],
      silos: spec.silos.map(({ name }, i) => ({
        name: wish.text ?? name,
        examples: 50,
        classes: [{ label: i, count: 50 }],
        foreign: 0,
        sha256: HASH,
      })),
    },
    losses: [],
    codes: [],
    outliers: null,
    forgotten: [],
    pictures: [],
  };
}

/** The same as a folder: spec, summary, manifest, events, codes and a picture. */
export async function writeMadeUpRun(root: string, wish: RunWish = {}): Promise<void> {
  const { spec, summary, manifest } = madeUpRun(root, wish);
  await mkdir(join(root, 'images'), { recursive: true });
  await writeJsonAtomic(join(root, 'spec.json'), spec);
  await writeJsonAtomic(join(root, 'partition.json'), manifest);
  const epochs = [1, 2].flatMap((round) => [
    { kind: 'silo-epoch', strategy: 'align', round, silo: 'silo-a', epoch: 1, terms: { loss: 4 - round, kl: 1 } },
    { kind: 'server-epoch', strategy: 'align', round, epoch: 1, terms: { loss: 3 - round } },
  ]);
  await writeFile(join(root, 'events.jsonl'), epochs.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const codes = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  for (const round of [1, 2]) {
    const test = { codes, dim: 2, labels: [0, 0, 0, 1, 1, 1] };
    await saveRoundCodes(codesFile(root, 'align'), { strategy: 'align', round }, test);
  }
  const picture = imageGridPng({
    images: new Float32Array(4),
    shape: { height: 2, width: 2, channels: 1 },
    columns: 1,
  });
  await writeFile(join(root, 'images', 'global-align.png'), picture);
  await writeJsonAtomic(join(root, 'summary.json'), summary); // last: it is what makes a run complete
}

// --- internal ---

const HASH = 'ab'.repeat(32);

function metricsOf(accuracy: number, wish: RunWish): Metrics {
  const scores = { accuracy: { mean: accuracy, sd: 0.01 }, f1Weighted: { mean: accuracy, sd: 0.01 } };
  const probe = { ...scores, splits: 5, unconverged: 0 };
  return {
    classification: null,
    probePaperSplit: probe,
    probeFullTest: { ...probe, recallPerClass: [accuracy] },
    reconstructionMse: 0.05,
    generation: null,
    ...wish.extraMetrics,
  };
}

function strategyOf(spec: Spec, strategy: string, wish: RunWish): StrategySummary {
  const accuracies = (wish.accuracies ?? DEFAULT_ACCURACIES)[strategy] ?? [0.5];
  const rounds = accuracies.map((accuracy, i) => ({ round: i + 1, metrics: metricsOf(accuracy, wish), seconds: 2 }));
  const privacy = wish.privacy ?? NO_PRIVACY;
  const { mechanism, epsilon, delta, text } = privacy;
  return {
    strategy,
    rounds,
    final: metricsOf(accuracies[accuracies.length - 1] as number, wish),
    silos: spec.silos.map(({ name }) => ({
      name: wish.text ?? name,
      examples: 50,
      classes: { '0': 50 },
      mechanism,
      epsilon,
      delta,
      privacyText: wish.text ?? text,
      privacy,
      uploadBytes: { perRound: rounds.map(() => 1000), total: 1000 * rounds.length },
      decoders: [],
    })),
    ...(wish.diagnostics && { diagnostics: wish.diagnostics }),
    globalSha256: `${Math.round(1e9 * (accuracies[0] as number)).toString(16)}${HASH}`.slice(0, 64),
    secondsPerStage: { silos: 2, server: 1, evaluation: 1, total: 4 },
  };
}

const DEFAULT_ACCURACIES: Readonly<Record<string, readonly number[]>> = { align: [0.5, 0.75] };

function summaryOf(spec: Spec, wish: RunWish): Summary {
  const words = wish.text ?? null;
  return {
    format: SUMMARY_FORMAT,
    name: spec.name,
    seed: spec.seed,
    specHash: specHash(spec),
    alignFlVersion: words ?? '0.1.0',
    dataSet: { name: words ?? 'drawn-digits', sha256: HASH, train: 2000, test: 50 },
    partition: { file: 'partition.json', sha256: HASH },
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:10:00.000Z',
    machine: { node: 'v20', platform: words ?? 'linux-x64', cores: 2, executor: 'onnxruntime', device: 'cpu' },
    strategies: Object.keys(wish.accuracies ?? DEFAULT_ACCURACIES).map((name) => strategyOf(spec, name, wish)),
    controls: Object.entries(wish.controls ?? {}).map(([name, accuracy]) => ({
      name: words ?? name,
      metrics: { ...metricsOf(accuracy, wish), reconstructionMse: null },
    })),
    paper: null,
  };
}
