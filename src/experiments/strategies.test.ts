// All strategies through the same rounds and the same judgement, in one tiny run.

import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { seedKey } from '../engine/keys.ts';
import { AbortedError, SpecError } from '../errors.ts';
import { saveFirstBudget } from '../privacy/first-budget.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import { diagnosticNotices } from './diagnostic-fields.ts';
import { gatherMaterials } from './materials.ts';
import { meanMetrics } from './mean-metrics.ts';
import type { Metrics } from './summary.ts';
import { parseSpec } from './parse-spec.ts';
import { openRunFolder } from './run-folder.ts';
import { runLayout } from './run-layout.ts';
import { runExperiment } from './run.ts';
import type { RunEvent } from './run-events.ts';
import { plannedRounds } from './participation.ts';
import { playedStrategies, type Spec, type SpecInput } from './spec.ts';
import { openStrategy, type StrategyParts } from './strategies.ts';
import type { Summary } from './summary.ts';

const ROOT = temporaryFolder();
const ROUNDS = 2;
const PIXELS = 784;

function spec(strategies: SpecInput['strategies'], change: Partial<SpecInput> = {}) {
  return parseSpec({
    name: 'all',
    rounds: ROUNDS,
    data: {
      source: { kind: 'drawn-digits', train: 120, test: 100 },
      partition: { kind: 'class-disjoint', classes: [[0, 1], [2]] },
    },
    silos: [{ name: 'north' }, { name: 'east' }],
    model: { kind: 'mlp', hidden: [8], latent: 2 },
    local: { epochs: 2, batchSize: 6 },
    server: { epochs: 1, batchSize: 8, images: 12 },
    strategies,
    fedprox: { mu: 0 },
    privacy: { mechanism: 'none' },
    evaluation: { controls: false, probeSplits: 1, gridImages: 0 },
    engine: { silosAtOnce: 1, serverThreads: 1 },
    ...change,
  });
}

async function ran(strategies: SpecInput['strategies'], emit: (event: RunEvent) => void = () => {}) {
  const path = mkdtempSync(join(ROOT, 'run-'));
  const folder = await openRunFolder({ path, spec: spec(strategies) });
  const summary = await runExperiment({ folder, emit });
  const of = (name: string) => summary.strategies.find(({ strategy }) => strategy === name) as Summary['strategies'][0];
  const bytes = (...names: string[]) => readFileSync(join(path, ...names));
  return { path, summary, of, bytes };
}

let all: Awaited<ReturnType<typeof ran>>;
let alone: Awaited<ReturnType<typeof ran>>;
const events: RunEvent[] = [];
beforeAll(async () => {
  all = await ran(['local-only', 'align', 'fedavg', 'fedprox', 'centralised'], (event) => events.push(event));
  alone = await ran(['local-only']);
}, 120_000);

describe('a run of all strategies', () => {
  test('judges each of them after every round', () => {
    const names = ['local-only', 'align', 'fedavg', 'fedprox', 'centralised'];
    expect(all.summary.strategies.map(({ strategy }) => strategy)).toEqual(names);
    for (const { rounds, final } of all.summary.strategies) {
      expect(rounds.map(({ round }) => round)).toEqual([1, 2]);
      expect(final).toEqual(rounds[1]?.metrics);
      expect(final.reconstructionMse).toBeGreaterThan(0);
    }
  });

  test('looks for failure signatures in every global model, and tells of those that show and of no other', () => {
    const notices = events.flatMap((event) => (event.kind === 'notice' ? [event.text] : []));
    for (const { strategy, diagnostics } of all.summary.strategies) {
      expect(diagnostics === undefined).toBe(strategy === 'local-only');
      const shown = diagnostics === undefined ? [] : diagnosticNotices(strategy, diagnostics);
      expect(notices.filter((text) => text.startsWith(`${strategy}: `))).toEqual(shown);
    }
    expect(notices.length).toBeGreaterThan(0); // after so few steps nothing is apart
  });

  test('with mu 0 ends FedProx where FedAvg ends, bit by bit', () => {
    expect(all.of('fedprox').globalSha256).toBe(all.of('fedavg').globalSha256);
    expect(all.of('align').globalSha256).not.toBe(all.of('fedavg').globalSha256);
  });

  test('says of local-only how each silo does, and the mean; nothing leaves, and there is no global model', () => {
    const { rounds, final, silos } = all.of('local-only');
    const perSilo = rounds[1]?.perSilo ?? [];
    expect(perSilo.map(({ silo }) => silo)).toEqual(['north', 'east']);
    expect(final).toEqual(meanMetrics(perSilo.map(({ metrics }) => metrics)));
    expect(silos.map(({ uploadBytes }) => uploadBytes.total)).toEqual([0, 0]);
    expect(existsSync(join(all.path, 'silos', 'north', 'local-only'))).toBe(false); // read off ALIGN-FL's silos
    expect(all.of('align').rounds.every(({ perSilo: none }) => none === undefined)).toBe(true);
  });

  test('without ALIGN-FL trains the silos for local-only, to the very same models', () => {
    const state = (run: typeof all, strategy: string) => run.bytes('silos', 'north', strategy, 'state.safetensors');
    expect(state(alone, 'local-only').equals(state(all, 'align'))).toBe(true);
    const scores = (run: typeof all) => run.of('local-only').rounds.map(({ metrics, perSilo }) => [metrics, perSilo]);
    expect(scores(alone)).toEqual(scores(all));
    expect(alone.of('local-only').globalSha256).toBe(all.of('local-only').globalSha256);
    expect(existsSync(join(alone.path, 'decoders'))).toBe(false);
  });

  test('lets the images themselves leave for centralised, once, and trains on all of them in as many passes', () => {
    const images = [24, 12];
    const { silos } = all.of('centralised');
    expect(silos.map(({ uploadBytes }) => uploadBytes.perRound)).toEqual(images.map((count) => [count * PIXELS, 0]));
    const last = events.filter(
      (event) => event.kind === 'silo-progress' && event.strategy === 'centralised' && event.round === 2,
    );
    expect(last.at(-1)).toMatchObject({ silo: 'ALL-SILOS', step: 12, steps: 12, epoch: 2 }); // 36 images, 6 a step, twice
  });
});

test('centralised asks of a budget that was set while the run had begun', async () => {
  const path = mkdtempSync(join(ROOT, 'run-'));
  const stop = new AbortController();
  const play = async (emit: (event: RunEvent) => void = () => {}, signal = new AbortController().signal) =>
    runExperiment({ folder: await openRunFolder({ path, spec: spec(['local-only', 'centralised']) }), emit, signal });
  const stopAtOnce = (event: RunEvent) => {
    if (event.kind === 'round-finished' && event.round === ROUNDS) stop.abort();
  };
  await expect(play(stopAtOnce, stop.signal)).rejects.toThrow(AbortedError);
  await saveFirstBudget(join(path, 'silos', 'east'), { epsilon: 1, delta: 1e-5 }, '2026-01-01T00:00:00.000Z');
  await expect(play()).rejects.toThrow(/images of east without asking their privacy ledgers/);
});

describe('strategies of a spec', () => {
  test('local-only beside align has no rounds to play and costs no privacy; centralised is no silo', () => {
    const both = spec(['local-only', 'align', 'centralised']);
    expect(playedStrategies(both)).toEqual(['align', 'centralised']);
    const plannedFor = (whole: Spec) => whole.silos.map((silo) => plannedRounds(whole, silo));
    expect(plannedFor(both)).toEqual([ROUNDS, ROUNDS]);
    expect(plannedFor(spec(['local-only', 'fedavg']))).toEqual([2 * ROUNDS, 2 * ROUNDS]);
  });

  test('that private training does not support are named, all at once', () => {
    const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } as const;
    const strategies: SpecInput['strategies'] = ['align', 'fedprox', 'centralised'];
    expect(() => spec(strategies, { privacy, fedprox: { mu: 0.1 } })).toThrow(SpecError);
    expect(() => spec(strategies, { privacy, fedprox: { mu: 0.1 } })).toThrow(/strategies\.1: [^]*strategies\.2: /);
    expect(spec(['align', 'fedprox', 'local-only'], { privacy }).fedprox.mu).toBe(0); // which is FedAvg
  });
});

describe('the mean of metrics', () => {
  const spread = (mean: number) => ({ mean, sd: mean / 8 });
  const generation = (fid: number, recall: number | null): Metrics['generation'] =>
    recall === null
      ? null
      : {
          extractor: 'an extractor',
          extractorAccuracy: null,
          images: { real: 10, synthetic: 10 },
          fid,
          kid: { mean: fid, sd: 0 },
          precision: 1,
          recall: 1,
          density: 1,
          coverage: 1,
          neighbours: 5,
        };
  const metrics = (mean: number, recall: number | null): Metrics => ({
    classification: null,
    probePaperSplit: null,
    probeFullTest: {
      accuracy: spread(mean),
      f1Weighted: spread(mean),
      splits: 2,
      unconverged: 1,
      recallPerClass: [recall],
    },
    reconstructionMse: mean,
    generation: generation(mean, recall),
  });

  test('by hand: means of scores, sums of fits, null where one has none', () => {
    expect(meanMetrics([metrics(0.5, 1), metrics(1, null)])).toEqual({
      classification: null,
      probePaperSplit: null,
      probeFullTest: {
        accuracy: { mean: 0.75, sd: 0.09375 },
        f1Weighted: { mean: 0.75, sd: 0.09375 },
        splits: 4,
        unconverged: 2,
        recallPerClass: [null],
      },
      reconstructionMse: 0.75,
      generation: null,
    });
    expect(meanMetrics([metrics(0.25, 1)])).toEqual(metrics(0.25, 1));
    expect(meanMetrics([metrics(0.25, 1), metrics(0.75, 1)]).generation).toEqual(generation(0.5, 1));
  });
});

test('centralised trains under the Lipschitz control of the spec, like any silo', async () => {
  const privacy = { mechanism: 'lipschitz', lipschitzForm: 'paper-penalty', lipschitzWeight: 2 } as const;
  const wanted = spec(['centralised'], { privacy });
  const materials = await gatherMaterials(wanted, { env: {} }, seedKey(1));
  const folder = { root: ROOT, layout: runLayout(join(ROOT, 'none')), spec: wanted };
  const configs: SiloConfig[] = [];
  const port = (config: SiloConfig) => {
    configs.push(config);
    return {};
  };
  await openStrategy('centralised', { folder, materials, port } as unknown as StrategyParts);
  expect(configs.map((config) => config.privacy)).toEqual([wanted.privacy]);
});
