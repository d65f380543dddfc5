// kill -9 in federations of other kinds: labelled ones, with generators in closed form and with autoencoders, and one that closes
// its rounds without who is late. docs/reliability.md has the table that this makes.

import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { type Journal, readJournal, type RoundRecord } from '../src/experiments/journal.ts';
import { loadSpec } from '../src/experiments/load-spec.ts';
import { runLayout } from '../src/experiments/run-layout.ts';
import { storedRelease } from '../src/experiments/stored-decoders.ts';
import type { ReceivedUpload } from '../src/exchange/upload.ts';
import type { SiloPort } from '../src/federation/silo-port.ts';
import { openRunFolder, parseSpec, runExperiment } from '../src/index.ts';
import { readDepartures } from '../src/net/departures.ts';
import { readLedger } from '../src/privacy/ledger.ts';
import {
  expectOneFileARound,
  expectPaidOnce,
  sha256,
  struckIn,
  tabulate,
  undisturbed,
  undisturbedLedgers,
} from './kill-checks.ts';
import {
  federationsIn,
  hashesIn,
  type KilledFederation,
  type LogLine,
  type RoundClosing,
  type Strike,
} from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
const LIMIT_MS = 240_000;
const DELTA = 1e-5;

/** A closed form has to find the classes above its noise. */
const MORE_IMAGES = { ...TWO_SILOS.data, source: { ...TWO_SILOS.data.source, train: 800 } } as const;
const CLOSED_FORM = { kind: 'linear-gaussian', components: 1, frequencies: 6, rank: 4 } as const;
const gaussian = (noise: 'secure' | 'seeded') =>
  ({ mechanism: 'gaussian', epsilon: 200, delta: DELTA, noise }) as const;

/** A closed form at one silo and an autoencoder at the other; all noise can be repeated. */
const LABELLED = parseSpec({
  ...TWO_SILOS,
  name: 'struck-labelled',
  data: MORE_IMAGES,
  task: 'classify',
  silos: [
    { name: 'north', generator: CLOSED_FORM, privacy: gaussian('seeded') },
    { name: 'east', generator: { kind: 'vae' } },
  ],
});

/** Closed forms with noise of the system. */
const COMPUTED = parseSpec({
  ...TWO_SILOS,
  name: 'struck-computed',
  data: MORE_IMAGES,
  task: 'classify',
  generator: CLOSED_FORM,
  privacy: gaussian('secure'),
});

const LATE = parseSpec({
  ...TWO_SILOS,
  name: 'struck-late',
  rounds: 5,
  privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: DELTA, noise: 'secure' },
});
const CLOSING: RoundClosing = { quorum: 1, deadlineMinutes: 0.05 };

const federations = federationsIn(ROOT);

beforeAll(() => setUp(resolve(import.meta.dirname, '..')), LIMIT_MS);
afterAll(federations.close);

const kill = (who: string, step: string, round: number, target: Strike['target'] = 'self'): Strike => ({
  who,
  step,
  round,
  target,
});

describe.skipIf(!triesFaults)(`a federation over TLS that is killed${NEEDS_FAULTS}`, () => {
  test.concurrent(
    'with labelled images ends with the hashes of a run in one process: generators in closed form, and autoencoders',
    async () => {
      const federation = await federations.make(LABELLED);
      const strikes = [
        kill('north', 'kept', 1),
        kill('east', 'training', 1),
        kill('server', 'release-announced', 1),
        kill('east', 'leaving', 2, 'broker'),
        kill('north', 'played', 2),
        kill('server', 'server-epoch', 2),
      ];
      const [alone] = await Promise.all([undisturbed(ROOT, LABELLED), federation.playAll(strikes)]);
      expect(struckIn(federation)).toEqual(expect.arrayContaining(strikes));
      tabulate('labelled', federation, strikes);
      expectOneFileARound(federation);
      expect(hashesIn(federation.server.run)).toEqual(alone);
    },
    LIMIT_MS,
  );

  test.concurrent(
    'with generators in closed form and noise of the system looks at its records once, and pays once',
    async () => {
      const federation = await federations.make(COMPUTED);
      const strikes = [
        kill('north', 'played', 1),
        kill('east', 'leaving', 1, 'broker'),
        kill('server', 'release-ready', 1),
      ];
      const [ledgers] = await Promise.all([undisturbedLedgers(ROOT, COMPUTED), federation.playAll(strikes)]);
      expect(struckIn(federation)).toEqual(expect.arrayContaining(strikes));
      tabulate('closed form, secure noise', federation, strikes);
      expectOneFileARound(federation);
      await expectPaidOnce(federation, ledgers, DELTA);
    },
    LIMIT_MS,
  );

  test.concurrent(
    'with a quorum and a deadline learns in each round from what had closed it; what is late joins once; all of it is paid once',
    async () => {
      const federation = await federations.make(LATE, { closing: CLOSING });
      const { journal } = runLayout(federation.server.run);
      const saw = (isIt: (line: LogLine) => boolean) => federation.seen(isIt);
      const isOver = (round: number) => (line: LogLine) => line.step === 'round-finished' && line.round === round;
      const strikes = [
        kill('server', 'server-started', 2), // closed, and nothing is learnt yet
        kill('east', 'training', 3),
        kill('server', 'server-epoch', 3),
        kill('north', 'task', 4),
        kill('east', 'training', 4),
        kill('server', 'server-finished', 4),
        kill('east', 'task', 5),
        kill('north', 'task', 5),
      ];
      let closed: Journal['closed'] | null = null;
      await federation.playAll(strikes, {
        async beforeAgain(who, { round }) {
          if (who === 'server' && round === 2) ({ closed } = await readJournal(journal));
          // Late for round 3: it works on that when the round has closed, and is killed again in round 4, ...
          if (who === 'east' && round !== 5) await saw(isOver(round ?? 0));
          // ... which cannot close before its answer to round 3 has come.
          if (who === 'north') await saw(({ struck }) => struck?.who === 'east' && struck.round === round);
          if (who === 'north' && round === 4)
            await saw((line) => line.step === 'release-ready' && line.silo === 'east' && line.round === 3);
          // It comes back when the server is gone for good, and finds the end behind the task that it never answered.
          if (who === 'east' && round === 5) await saw((line) => line.who === 'server' && line.ended !== undefined);
        },
      });
      expect(struckIn(federation)).toEqual(expect.arrayContaining(strikes));
      tabulate('quorum and deadline', federation, strikes);

      const rounds = (await readJournal(journal)).strategies['align'] ?? [];
      expect(rounds.map(({ round }) => round)).toEqual([1, 2, 3, 4, 5]);
      const came = (round: number) => cameIn(rounds[round - 1] as RoundRecord);
      expect(came(2)).toEqual(cameIn(closed as unknown as RoundRecord));
      const own = came(3).filter(({ answers }) => answers === 3); // on a busy machine an answer to round 2 may join it, too
      expect(own.map(({ silo }) => silo)).toEqual(['north']);
      expect(came(4)).toMatchObject([
        { silo: 'north', answers: 4 },
        { silo: 'east', answers: 3 },
      ]);
      for (const { name } of LATE.silos) {
        const answered = rounds.flatMap((record) => cameIn(record).filter(({ silo }) => silo === name));
        const order = answered.map(({ answers }) => answers);
        expect(order).toEqual([...new Set(order)].sort((a, b) => a - b)); // each joins once, and nothing older after it
        await expectEachPaidOnce(federation, name, answered);
      }
      expect(await learntAgain(federation, rounds)).toBe(globalOf(federation.server.run));
    },
    LIMIT_MS,
  );
});

// --- internal ---

interface Came {
  readonly silo: string;
  readonly answers: number;
  readonly sha256: string | null;
}

/** What joined the pool of a round. */
function cameIn({ round, uploads }: Pick<RoundRecord, 'round' | 'uploads'>): readonly Came[] {
  return uploads
    .filter((upload) => upload.sha256 !== null)
    .map(({ silo, answers, sha256: hash }) => ({ silo, answers: answers ?? round, sha256: hash }));
}

/** One charge a round, with one seal: of the file that left, which is the one that the server has wherever it has it. */
async function expectEachPaidOnce(federation: KilledFederation, silo: string, answered: readonly Came[]) {
  const { entries } = await readLedger(federation.ledger(silo));
  expect(entries.map(({ round }) => round)).toEqual(entries.map((_, i) => i + 1));
  const { departures } = await readDepartures(federation.home(silo).departures);
  const left = departures.filter(({ state }) => state === 'leaving');
  expect(left.map(({ round, sha256: hash }) => [round, hash])).toEqual(
    entries.map(({ round, sealed }) => [round, sealed?.sha256]),
  );
  for (const { answers, sha256: hash } of answered) {
    expect(left.find(({ round }) => round === answers)?.sha256).toBe(hash);
  }
}

/**
 * The hash of the global model of a server that gets what came in each round, from a script and in one process: the rounds close
 * as docs/rounds.md says, and nobody is killed.
 */
async function learntAgain(federation: KilledFederation, rounds: readonly RoundRecord[]): Promise<string> {
  const spec = await loadSpec(federation.server.spec);
  const layout = runLayout(federation.server.run);
  const { source } = spec.data;
  if (source.kind !== 'at-silos') throw new Error('a federation was expected');
  const at = (silo: string, round: number) => rounds[round - 1]?.uploads.find((upload) => upload.silo === silo);
  let now = 0;
  const port = (silo: string): SiloPort => {
    const what = (round: number): Promise<ReceivedUpload> | null => {
      const { sha256: hash, ...upload } = at(silo, round) ?? { sha256: null };
      if (hash === null || !('bytes' in upload)) return null;
      return storedRelease(layout, { silo, round, upload: { ...upload, sha256: hash }, shape: source.shape });
    };
    const inTime = (round: number) => (at(silo, round)?.answers ?? round) === round;
    return {
      name: silo,
      async play({ round }, { signal } = {}) {
        now = round;
        const answer = inTime(round) ? what(round) : null;
        return answer ?? pause(LIMIT_MS, undefined as never, { signal });
      },
      late: async () =>
        inTime(now) ? null : ((await what(now)) as Awaited<ReturnType<NonNullable<SiloPort['late']>>>),
    };
  };
  const path = mkdtempSync(join(ROOT, 'again-'));
  await runExperiment({
    folder: await openRunFolder({ path, spec }),
    data: { env: {} },
    remote: { port, closing: { quorum: 1, deadlineMs: 1_000 }, onCommitted: async () => {} },
  });
  return globalOf(path);
}

function globalOf(run: string): string {
  return sha256(join(run, 'global', 'align', 'state.safetensors'));
}
