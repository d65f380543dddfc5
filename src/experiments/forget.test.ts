// A run whose silos differ in architecture, latent size and privacy budget, one joins late, one leaves, one is late by a round:
// nothing stalls, no interruption changes it, and taking a silo out of it gives the run that never had it.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { AbortedError } from '../errors.ts';
import { localPort } from '../federation/local-port.ts';
import { readLedger } from '../privacy/ledger.ts';
import { createSiloRunner, type SiloRunner } from '../silo/silo.ts';
import { forgetSilo, forgottenIn } from './forget.ts';
import type { Journal } from './journal.ts';
import { parseSpec } from './parse-spec.ts';
import { openRunFolder, resumeRunFolder } from './run-folder.ts';
import type { RunEvent } from './run-events.ts';
import { runLayout } from './run-layout.ts';
import { type RunOptions, runExperiment } from './run.ts';
import type { Spec, SpecInput } from './spec.ts';
import { newestReleases } from './stored-decoders.ts';
import { readSummary, type Summary } from './summary.ts';

const ROOT = temporaryFolder();
const ROUNDS = 3;
/** Seeded, so that it can be repeated. */
const budget = (epsilon: number) => ({ mechanism: 'dp-sgd', epsilon, delta: 1e-5, noise: 'seeded' }) as const;
const CHANGING: SpecInput = {
  name: 'changing',
  rounds: ROUNDS,
  data: {
    source: { kind: 'drawn-digits', train: 120, test: 50 },
    partition: { kind: 'class-disjoint', classes: [[0, 1], [2, 3], [4], [5, 6]] },
  },
  silos: [
    { name: 'steady' },
    {
      name: 'joining',
      model: { kind: 'mlp', hidden: [8], latent: 3 },
      privacy: budget(20),
      participation: { from: 2 },
    },
    { name: 'leaving', model: { kind: 'mlp', hidden: [6, 4], latent: 1 }, participation: { to: 1 } },
    { name: 'late', privacy: budget(8), participation: { lateBy: 1 } },
  ],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 1, batchSize: 6 },
  server: { epochs: 1, batchSize: 8, images: 8 },
  strategies: ['align', 'local-only'],
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1, gridImages: 1 },
  engine: { silosAtOnce: 1 },
};

let engine: Engine;
let runner: SiloRunner;
const serverSteps: Record<number, number> = {};
let whole: { readonly path: string; readonly summary: Summary };
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
  const path = join(ROOT, 'whole');
  const emit = (event: RunEvent) => {
    if (event.kind === 'server-progress') serverSteps[event.round] = event.steps;
  };
  whole = { path, summary: await played(path, { emit }) };
});
afterAll(() => engine.close());

interface Playing {
  readonly spec?: Spec;
  readonly emit?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
}

/** A run whose silos play in this process: models are compiled once for all tests. */
async function played(path: string, { spec = parseSpec(CHANGING), ...hooks }: Playing = {}): Promise<Summary> {
  const folder = await openRunFolder({ path, spec });
  return runExperiment({ folder, port: throughRunner, ...hooks });
}

const throughRunner: NonNullable<RunOptions['port']> = (config, diary) => localPort(runner, config, diary);

/** Plays until the event of this text, and stops there. Returns whether it was stopped. */
async function stopped(path: string, at: string): Promise<boolean> {
  const stop = new AbortController();
  const emit = (event: RunEvent) => {
    const { kind, silo = '', round = '' } = event as { kind: string; silo?: string; round?: number };
    if (`${kind} ${silo} ${round}`.replace('  ', ' ') === at) stop.abort();
  };
  return played(path, { emit, signal: stop.signal }).then(
    () => false,
    (error: unknown) => error instanceof AbortedError,
  );
}

const of = (summary: Summary, name: string) =>
  summary.strategies.find(({ strategy }) => strategy === name) as Summary['strategies'][number];
const siloOf = (summary: Summary, name: string) => {
  const { silos } = of(summary, 'align');
  return silos.find((one) => one.name === name) as (typeof silos)[number];
};
/** What depends on no clock. */
const results = (summary: Summary) =>
  summary.strategies.map(({ strategy, rounds, silos, globalSha256 }) => ({
    strategy,
    globalSha256,
    silos,
    rounds: rounds.map(({ round, metrics, perSilo }) => ({ round, metrics, perSilo })),
  }));
const decodersIn = (path: string) =>
  [1, 2, 3].map((round) =>
    readdirSync(join(path, 'decoders', `round-${round}`))
      .sort()
      .join(' '),
  );

describe('a run whose silos come and go', () => {
  test('goes on with whoever is there; a release counts in the round in which it comes', () => {
    expect(decodersIn(whole.path)).toEqual([
      'leaving.onnx steady.onnx',
      'joining.onnx late.onnx steady.onnx',
      'joining.onnx late.onnx steady.onnx',
    ]);
    const sent = (name: string) => siloOf(whole.summary, name).uploadBytes.perRound.map((bytes) => bytes > 0);
    expect(sent('joining')).toEqual([false, true, true]);
    expect(sent('leaving')).toEqual([true, false, false]);
    expect(sent('late')).toEqual([false, true, true]);
    expect(siloOf(whole.summary, 'late').decoders.map(({ round }) => round)).toEqual([2, 3]);
  });

  test('keeps everybody in the pool who has ever come, with the newest decoder, and notices one that was changed', async () => {
    expect(serverSteps).toEqual({ 1: 2, 2: 4, 3: 4 }); // one for each decoder
    const path = join(ROOT, 'changed');
    cpSync(whole.path, path, { recursive: true });
    const shape = { channels: 1, height: 28, width: 28 };
    const pool = (round: number) =>
      newestReleases({ spec: parseSpec(CHANGING), layout: runLayout(path), shape, round, arrived: [] });
    const [early, late] = [await pool(2), await pool(4)];
    expect(early.map(({ silo, round }) => [silo, round])).toEqual([
      ['steady', 1],
      ['leaving', 1],
    ]);
    expect(late.map(({ silo, round }) => [silo, round])).toEqual([
      ['steady', 3],
      ['joining', 3],
      ['leaving', 1],
      ['late', 2], // which came in round 3
    ]);
    const changed = Uint8Array.from((await late[2]?.decoder.bytes()) ?? []);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1; // in the middle of a weight
    writeFileSync(join(path, 'decoders', 'round-1', 'leaving.onnx'), changed);
    await expect(pool(4)).rejects.toThrow(/leaving that came in round 1 should have the SHA-256/);
  });

  test('charges each silo for the rounds that it trains, by its own budget', async () => {
    const charges = async (name: string) =>
      (await readLedger(join(whole.path, 'silos', name))).entries.map((one) => one.round);
    expect(await charges('joining')).toEqual([2, 3]);
    expect(await charges('late')).toEqual([1, 2]); // round 3 would come after the last
    expect(existsSync(join(whole.path, 'silos', 'steady', 'ledger.jsonl'))).toBe(false);
    const claims = ['joining', 'late', 'steady'].map((name) => siloOf(whole.summary, name).privacy);
    const nominal = claims.map((claim) => (claim.mechanism === 'dp-sgd' ? claim.nominalEpsilon : null));
    expect(nominal[0]).toBeGreaterThan(19.5); // calibrated to its own two rounds, and all of them played
    expect(nominal[0]).toBeLessThanOrEqual(20);
    expect(nominal[1]).toBeGreaterThan(7.8);
    expect(nominal[1]).toBeLessThanOrEqual(8);
    expect(nominal[2]).toBeNull();
  });

  test('judges the own models of those who take part', () => {
    const judged = of(whole.summary, 'local-only').rounds.map(({ perSilo }) =>
      perSilo?.map(({ silo }) => silo).join(' '),
    );
    expect(judged).toEqual(['steady leaving', 'steady joining late', 'steady joining late']);
  });

  test('ends with the same hashes wherever it was stopped', async () => {
    const path = join(ROOT, 'stopped');
    const stops = ['server-started 2', 'silo-finished late 3', 'server-finished 3'];
    for (const stop of stops) expect(await stopped(path, stop), stop).toBe(true);
    expect(results(await played(path))).toEqual(results(whole.summary));
    expect(decodersIn(path)).toEqual(decodersIn(whole.path));
  });
});

describe('forgetting a silo', () => {
  test('is refused where it cannot be done, before anything is written', async () => {
    const begun = (change: Partial<SpecInput>, isComplete = true) => {
      const path = mkdtempSync(join(ROOT, 'case-'));
      writeFileSync(join(path, 'spec.json'), JSON.stringify(parseSpec({ ...CHANGING, ...change })));
      if (isComplete) writeFileSync(join(path, 'summary.json'), '{}');
      return path;
    };
    const forget = async (path: string, silo: string, verify = false) => {
      const message = await forgetSilo({ path, silo, verify }).then(
        () => 'done',
        (error: unknown) => (error as Error).message,
      );
      expect(existsSync(`${path}-without-${silo}`)).toBe(false);
      return message;
    };
    expect(await forget(begun({}), 'laet')).toMatch(/no silo 'laet'; did you mean "late"/);
    expect(await forget(begun({}, false), 'late')).toContain('not complete');
    const alike: SpecInput['silos'] = ['steady', 'joining', 'leaving', 'late'].map((name) => ({ name }));
    expect(await forget(begun({ silos: alike, strategies: ['fedavg'] }), 'late')).toContain(
      'An average mixes the weights',
    );
    const never = alike.map((silo) => (silo.name === 'steady' ? silo : { ...silo, participation: null }));
    expect(
      await forget(begun({ silos: never, strategies: ['align'], server: { batchSize: 8, images: 8 } }), 'late'),
    ).toContain('never took part');
    expect(
      await forget(begun({ silos: never, strategies: ['align'], server: { batchSize: 8, images: 8 } }), 'steady'),
    ).toContain('no silo ever takes part');
    const secure = { ...budget(8), noise: 'secure' } as const;
    expect(await forget(begun({ privacy: secure }), 'leaving', true)).toContain('nobody can repeat');
    expect(
      await forget(begun({ silos: alike, privacy: budget(8), strategies: ['align', 'fedavg'] }), 'late', true),
    ).toContain('calibrated to the rounds of align and fedavg');
  });

  test('gives the run that never had it, by hash, though it is stopped and no silo trains again', async () => {
    const rebuilt = `${whole.path}-without-leaving`;
    const stop = new AbortController();
    const emit = (event: RunEvent) => {
      if (event.kind === 'round-finished' && event.round === 2) stop.abort();
    };
    const asked = { path: whole.path, silo: 'leaving', keep: true, port: throughRunner };
    await expect(forgetSilo({ ...asked, emit, signal: stop.signal })).rejects.toThrow(AbortedError);
    expect(existsSync(join(rebuilt, 'summary.json'))).toBe(false);
    const resumed = runExperiment({ folder: await resumeRunFolder(rebuilt) }); // it would train silos a second time
    await expect(resumed).rejects.toThrow(`align-fl forget ${whole.path} leaving`);
    const trained = new Set<string>();
    const watch = (event: RunEvent) => {
      if (event.kind === 'silo-epoch') trained.add(event.silo);
      if (event.kind === 'run-finished' && event.folder === rebuilt) expect([...trained]).toEqual([]);
    };
    const forgotten = await forgetSilo({ ...asked, verify: true, emit: watch });

    expect([...trained].sort()).toEqual(['joining', 'late', 'steady']); // to verify
    const without = parseSpec(JSON.parse(readFileSync(join(rebuilt, 'spec.json'), 'utf8')));
    expect(without.silos[2]).toMatchObject({ name: 'leaving', participation: null });
    const fresh = await readSummary(join(`${rebuilt}-played`, 'summary.json'));
    const after = await readSummary(join(rebuilt, 'summary.json'));
    expect(results(after)).toEqual(results(fresh)); // decoders, scores and claims as well
    expect(forgotten).toEqual({
      silo: 'leaving',
      folder: whole.path,
      rebuilt,
      globalSha256: { before: of(whole.summary, 'align').globalSha256, after: of(fresh, 'align').globalSha256 },
      verified: `${rebuilt}-played`,
      removed: [],
      dropped: ['local-only'],
    });
    expect(forgotten.globalSha256.after).not.toBe(forgotten.globalSha256.before);
    expect(existsSync(join(rebuilt, 'silos'))).toBe(false); // nobody was asked
  });

  test('takes no folder for the result that was built from other decoders, of an earlier run in the same place', async () => {
    const path = join(ROOT, 'replayed');
    cpSync(whole.path, path, { recursive: true });
    await forgetSilo({ path, silo: 'late', keep: true });
    // Another run of this spec, as noise from the operating system makes one: steady gave something else in round 3.
    const other = readFileSync(join(path, 'decoders', 'round-2', 'steady.onnx'));
    writeFileSync(join(path, 'decoders', 'round-3', 'steady.onnx'), other);
    const journal = JSON.parse(readFileSync(join(path, 'journal.json'), 'utf8')) as Journal;
    const [, before, after] = (journal.strategies['align'] ?? []).map(({ uploads }) =>
      uploads.find(({ silo }) => silo === 'steady'),
    );
    after!.sha256 = before!.sha256;
    writeFileSync(join(path, 'journal.json'), JSON.stringify(journal));
    await expect(forgetSilo({ path, silo: 'late' })).rejects.toThrow(/built from other decoders/);
    expect(decodersIn(path)).toEqual(decodersIn(whole.path));
  });

  test('removes what came from the silo and what learnt from it, and no more', async () => {
    const path = join(ROOT, 'copy');
    cpSync(whole.path, path, { recursive: true });
    mkdirSync(join(path, 'features'));
    writeFileSync(join(path, 'features', 'cnn.safetensors'), 'learnt from all training images');
    const forgotten = await forgetSilo({ path, silo: 'late' });
    const traces = [
      'features/cnn.safetensors',
      'decoders/round-2/late.onnx',
      'global/align/state.safetensors',
      'images/decoder-late.png',
    ];
    expect(forgotten.removed).toEqual(expect.arrayContaining(traces));
    expect(decodersIn(path)).toEqual(['leaving.onnx steady.onnx', ...Array(2).fill('joining.onnx steady.onnx')]);
    const own = ['silos/late/ledger.jsonl', 'silos/joining/align/state.safetensors'];
    for (const stays of ['summary.json', 'journal.json', ...own])
      expect(existsSync(join(path, stays)), stays).toBe(true);
    expect(await forgottenIn(runLayout(path))).toEqual(['late']);
    const again = await forgetSilo({ path, silo: 'late' });
    expect(again).toEqual({ ...forgotten, removed: [] });
    const next = forgetSilo({ path, silo: 'joining' });
    await expect(next).rejects.toThrow(/forget the next one from the folder .* -without-late/);
  });
});
