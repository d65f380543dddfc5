// Runs whose silos are elsewhere: the same numbers as in one process, rounds that close without some silos, and what is left
// of a run that is stopped between a round's closing and its end.

import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { resultsText } from '../cli/results.ts';
import { statusLines } from '../cli/run-view.ts';
import { advance, NO_PROGRESS } from '../cli/progress.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { AbortedError, LostPeerError, SpecError } from '../errors.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import type { Closing } from '../federation/collect.ts';
import { localPort } from '../federation/local-port.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import { compareRuns, comparisonText } from '../report/run-comparison.ts';
import { resultsSection } from '../report/results-section.ts';
import { dataSection } from '../report/data-section.ts';
import { groupRuns } from '../report/run-groups.ts';
import { readRun, type RunRecord } from '../report/run-record.ts';
import { createSiloRunner, type SiloRunner } from '../silo/silo.ts';
import { forgetSilo } from './forget.ts';
import { readJournal } from './journal.ts';
import { gatherMaterials, type Materials } from './materials.ts';
import { parseSpec } from './parse-spec.ts';
import { openRunFolder } from './run-folder.ts';
import type { RunEvent } from './run-events.ts';
import { runLayout } from './run-layout.ts';
import { type RemoteSilos, runExperiment } from './run.ts';
import { siloConfigOf } from './silo-configs.ts';
import type { SpecInput } from './spec.ts';
import type { Summary } from './summary.ts';

const ROOT = temporaryFolder();
const DEALT: SpecInput = {
  name: 'elsewhere',
  rounds: 2,
  data: {
    source: { kind: 'drawn-digits', train: 150, test: 60 },
    partition: { kind: 'class-disjoint', classes: [[0, 1], [2], [3]] },
  },
  silos: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 1, batchSize: 8 },
  server: { epochs: 1, batchSize: 8, images: 16 },
  strategies: ['align'],
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1, gridImages: 4 },
};
const SHAPE = { channels: 1, height: 28, width: 28 } as const;
const APART: SpecInput = {
  ...DEALT,
  data: {
    source: { kind: 'at-silos', shape: SHAPE, classes: 10, testSource: { kind: 'drawn-digits', test: 60 } },
    partition: { kind: 'at-silos' },
  },
};
const UNJUDGED: SpecInput = {
  ...APART,
  data: { source: { kind: 'at-silos', shape: SHAPE, classes: 10 }, partition: { kind: 'at-silos' } },
};
/** Without what takes time and is not looked at. */
const QUIET: SpecInput = { ...UNJUDGED, evaluation: { controls: false, gridImages: 0 } };
const NEVER: Closing = { quorum: 2, deadlineMs: Number.POSITIVE_INFINITY };

let engine: Engine;
let runner: SiloRunner;
let materials: Materials;
let undisturbed: Summary;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
  const spec = parseSpec(DEALT);
  materials = await gatherMaterials(spec, { env: {} }, childKey(seedKey(spec.seed), 'data'));
  const folder = await openRunFolder({ path: join(ROOT, 'here'), spec });
  undisturbed = await runExperiment({ folder, port: (config, diary) => localPort(runner, config, diary) });
}, 60_000);
afterAll(() => engine.close());

interface Asked {
  readonly remote?: Partial<RemoteSilos>;
  readonly emit?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
}

/** A run with silos that have their images, and folders, elsewhere. */
async function played(name: string, input: SpecInput, { remote, ...hooks }: Asked = {}): Promise<Summary> {
  const spec = parseSpec(input);
  const folder = await openRunFolder({ path: join(ROOT, name), spec });
  const port = (silo: string) => siloPort(name, silo, input);
  const told = { closing: 'every', onCommitted: async () => {} } as const;
  return runExperiment({ folder, ...hooks, remote: { ...told, port, ...remote } });
}

/** A silo of a run, in this process, as if it were on another machine. */
function siloPort(run: string, silo: string, input: SpecInput): SiloPort {
  const { set } = materials.silos.find(({ name }) => name === silo) as Materials['silos'][number];
  const places = { stateDir: join(ROOT, `${run}-${silo}`), ledgerDir: join(ROOT, `${run}-${silo}`) };
  return localPort(runner, siloConfigOf(parseSpec(input), silo, set, places));
}

const alignOf = ({ strategies }: Summary) => strategies[0] as Summary['strategies'][number];
const decodersOf = (summary: Summary) =>
  alignOf(summary).silos.map(({ name, decoders }) => [name, ...decoders.map(({ round, sha256 }) => [round, sha256])]);

describe('a run with silos elsewhere', () => {
  let apart: Summary;
  const committed: string[] = [];
  const events: RunEvent[] = [];
  beforeAll(async () => {
    apart = await played('apart', APART, {
      emit: (event) => void events.push(event),
      remote: {
        async onCommitted(round, uploads) {
          const { strategies } = await readJournal(runLayout(join(ROOT, 'apart')).journal); // it is on disk by then
          expect(strategies['align']?.[round - 1]?.uploads).toEqual(uploads);
          committed.push(`${round} ${uploads.map(({ silo, answers }) => `${silo}${answers}`).join(' ')}`);
        },
      },
    });
  });

  test('ends with the decoders, the global model and the scores of a run in one process', () => {
    expect(decodersOf(apart)).toEqual(decodersOf(undisturbed));
    expect(alignOf(apart).globalSha256).toBe(alignOf(undisturbed).globalSha256);
    expect(alignOf(apart).final).toEqual(alignOf(undisturbed).final);
    expect(existsSync(join(ROOT, 'apart', 'silos'))).toBe(false);
  });

  test('asks all silos at once, and tells when a round is on disk for good', () => {
    const kinds = events.flatMap((event) => ('round' in event && event.round === 1 ? [event.kind] : []));
    expect(kinds.slice(0, 3)).toEqual(['silo-started', 'silo-started', 'silo-started']);
    expect(committed).toEqual(['1 a1 b1 c1', '2 a2 b2 c2']);
  });

  test('knows of the silos their names and no numbers', () => {
    expect(apart.dataSet).toMatchObject({ name: 'at-silos', train: null, test: 60 });
    expect(alignOf(apart).silos.map(({ examples, classes }) => [examples, classes])).toEqual(Array(3).fill([null, {}]));
    expect(events[0]).toMatchObject({ kind: 'run-started', silos: [{ name: 'a', examples: null }, {}, {}] });
    const progress = events.reduce((at, event, i) => advance(at, event, i), NO_PROGRESS);
    expect(statusLines(progress, 10_000)[0]).toMatch(/round 2\/2.* 100 %/);
  });

  test('lets a silo be forgotten, from what the server has', async () => {
    const spec = { ...APART, silos: [{ name: 'a' }, { name: 'b', participation: null }, { name: 'c' }] };
    const never = await played('never', spec as SpecInput);
    const path = join(ROOT, 'forgotten');
    cpSync(join(ROOT, 'apart'), path, { recursive: true });
    await expect(forgetSilo({ path, silo: 'b', verify: true })).rejects.toThrow(/the images are at the silos/);
    const { globalSha256 } = await forgetSilo({ path, silo: 'b' });
    expect(globalSha256.after).toBe(alignOf(never).globalSha256);
  });

  test('is refused what needs more of a silo than its decoder', async () => {
    const run = played('averaging', { ...DEALT, strategies: ['align', 'local-only'] });
    await expect(run).rejects.toThrow(SpecError);
    await expect(run).rejects.toThrow(/^strategies\.1: local-only/);
  });
});

describe('a run without test images', () => {
  let unjudged: Summary;
  const events: RunEvent[] = [];
  beforeAll(async () => {
    unjudged = await played('unjudged', UNJUDGED, { emit: (event) => void events.push(event) });
    await played('unjudged-classes', { ...UNJUDGED, task: 'classify' });
  });

  test('learns the same model, and judges nothing', () => {
    expect(alignOf(unjudged).globalSha256).toBe(alignOf(undisturbed).globalSha256);
    const scores = Object.values(alignOf(unjudged).final);
    expect(scores).toEqual(Array(scores.length).fill(null));
    expect(events.filter(({ kind }) => kind === 'round-finished')).toHaveLength(2);
    for (const name of ['decoder-a', 'global-align']) {
      expect(existsSync(runLayout(join(ROOT, 'unjudged')).image(name)), name).toBe(true);
    }
    expect(existsSync(join(ROOT, 'unjudged-classes', 'global', 'align', 'classifier.onnx'))).toBe(true);
  });

  test('says so wherever its scores would stand', async () => {
    expect(resultsText(unjudged)).toMatch(/^Not judged: the server has no test images/);
    const records = (await Promise.all(['unjudged', 'apart'].map((name) => readRun(join(ROOT, name))))) as RunRecord[];
    expect(comparisonText(compareRuns(records))).toMatch(/scores +not judged/);
    const { groups } = groupRuns(records);
    expect(JSON.stringify(resultsSection(groups))).toContain('Not judged: a run without scores');
    expect(JSON.stringify(dataSection(groups))).toContain('known to the silos alone');
  });
});

describe('a round that closes on a quorum', () => {
  test('takes what came late into the next one: the run of a silo that is late by a round', async () => {
    const events: RunEvent[] = [];
    const committed: unknown[] = [];
    let done: ReceivedUpload | null = null;
    let isHere = false;
    const late: SiloPort = {
      name: 'b',
      async play(task) {
        done ??= await siloPort('late', 'b', QUIET).play(task);
        throw new LostPeerError(`b is away in round ${task.round}.`);
      },
      late: async () => (isHere ? done : null),
    };
    const summary = await played('late', QUIET, {
      emit: (event) => void events.push(event),
      remote: {
        closing: NEVER,
        port: (silo) => (silo === 'b' ? late : siloPort('late', silo, QUIET)),
        async onCommitted(round, uploads) {
          isHere = true;
          committed.push([round, uploads.map(({ silo, answers }) => `${silo} ${answers}`)]);
        },
      },
    });
    const silos = [{ name: 'a' }, { name: 'b', participation: { lateBy: 1 } }, { name: 'c' }];
    const inOne = await played('late-here', { ...QUIET, silos });
    expect(alignOf(summary).globalSha256).toBe(alignOf(inOne).globalSha256);
    expect(decodersOf(summary)).toEqual(decodersOf(inOne));
    expect(committed).toEqual([
      [1, ['a 1', 'c 1']],
      [2, ['a 2', 'b 1', 'c 2']],
    ]);
    expect(events.filter(({ kind }) => kind === 'silo-missing')).toMatchObject([
      { round: 1, silo: 'b', code: 'LOST_PEER', message: 'b is away in round 1.' },
      { round: 2, silo: 'b', code: 'LOST_PEER' },
    ]);
    expect(events.filter(({ kind }) => kind === 'silo-late')).toMatchObject([{ round: 2, silo: 'b', answers: 1 }]);
    expect(alignOf(summary).silos[1]?.decoders).toMatchObject([{ round: 2, answers: 1 }]);
    expect(alignOf(summary).silos[1]?.uploadBytes.perRound[0]).toBe(0);
  });

  test('asks a silo again that left and is back in the round, and is then as one that nobody left', async () => {
    const events: RunEvent[] = [];
    let isGone = true;
    let tell = () => {};
    const isBack = new Promise<void>((resolve) => (tell = resolve));
    const summary = await played('back', QUIET, {
      emit: (event) => void events.push(event),
      remote: {
        closing: NEVER,
        port: (silo) => {
          const port = siloPort('back', silo, QUIET);
          if (silo !== 'b') return { ...port, play: (task) => isBack.then(() => port.play(task)) };
          return {
            ...port,
            play: (task) =>
              isGone ? Promise.reject(new LostPeerError('b has left.', { left: true })) : port.play(task),
            back: async () => {
              isGone = false;
              tell();
            },
          };
        },
      },
    });
    expect(alignOf(summary).globalSha256).toBe(alignOf(undisturbed).globalSha256);
    expect(events.filter(({ kind }) => kind === 'silo-missing')).toMatchObject([{ round: 1, silo: 'b' }]);
  });

  test('takes nothing twice: what came late once is not new in a later round', async () => {
    let b: ReceivedUpload | null = null;
    const summary = await played(
      'once',
      { ...QUIET, rounds: 3 },
      {
        remote: {
          closing: NEVER,
          port: (silo) => {
            const port = siloPort('once', silo, { ...QUIET, rounds: 3 });
            if (silo !== 'b') return port;
            return {
              name: 'b',
              play: async (task) => {
                if (task.round === 1) b = await port.play(task);
                throw new LostPeerError('away');
              },
              late: async () => b,
            };
          },
        },
      },
    );
    expect(alignOf(summary).silos[1]?.decoders.map(({ round }) => round)).toEqual([1]);
  });

  test('that was stopped while the server learnt goes on with what came then, whoever could answer by now', async () => {
    const away = (silo: string): SiloPort => {
      const port = siloPort('stopped', silo, QUIET);
      if (silo !== 'b') return port;
      return {
        name: 'b',
        play: async () => {
          throw new LostPeerError('away');
        },
      };
    };
    const wanted = await played('stopped-not', QUIET, {
      remote: {
        closing: NEVER,
        port: (silo) => ({ ...siloPort('stopped-not', silo, QUIET), ...(silo === 'b' && { play: away('b').play }) }),
      },
    });
    const stop = new AbortController();
    const remote = { closing: NEVER, port: away };
    const stopInRound2 = (event: RunEvent) => {
      if (event.kind === 'server-started' && event.round === 2) stop.abort();
    };
    const first = played('stopped', QUIET, { remote, emit: stopInRound2, signal: stop.signal });
    await expect(first).rejects.toThrow(AbortedError);
    const journal = await readJournal(runLayout(join(ROOT, 'stopped')).journal);
    expect(journal.closed).toMatchObject({ round: 2, uploads: [{ silo: 'a', answers: 2 }, { silo: 'c' }] });
    const committed: number[] = [];
    const asked: string[] = [];
    const second = await played('stopped', QUIET, {
      remote: {
        closing: NEVER,
        port: (silo) => ({
          name: silo,
          play: async () => {
            asked.push(silo);
            throw new LostPeerError('nobody is here');
          },
        }),
        onCommitted: async (round) => void committed.push(round),
      },
    });
    expect(asked).toEqual([]);
    expect(committed).toEqual([1, 2]); // round 1 was told before, and is told again
    expect(alignOf(second).globalSha256).toBe(alignOf(wanted).globalSha256);
    expect(readFileSync(runLayout(join(ROOT, 'stopped')).journal, 'utf8')).not.toContain('"closed"');
  });

  test('that cannot be reached fails with each silo and why', async () => {
    const run = played('lost', QUIET, {
      remote: {
        closing: { quorum: 2, deadlineMs: 1 },
        port: (silo) => ({
          name: silo,
          play: async () => {
            throw new LostPeerError(`${silo} is away.`);
          },
        }),
      },
    });
    await expect(run).rejects.toThrow(/Round 1 needs 2 of 3 silos, but none can answer any more: a: a is away\./);
  });

  test('forgets a silo also where others were missing in some rounds', async () => {
    const { globalSha256 } = await forgetSilo({ path: join(ROOT, 'late'), silo: 'c', keep: true });
    const two = [{ name: 'a' }, { name: 'b', participation: { lateBy: 1 } }, { name: 'c', participation: null }];
    const never = await played('late-never', { ...QUIET, silos: two as SpecInput['silos'] });
    expect(globalSha256.after).toBe(alignOf(never).globalSha256);
  });
});
