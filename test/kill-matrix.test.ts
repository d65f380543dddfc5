// kill -9 of a silo, the server and the broker at every step of a round: the run ends as if nothing had happened, byte for byte,
// and no budget is spent twice. docs/reliability.md has the table that this makes.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { runLayout } from '../src/experiments/run-layout.ts';
import { openRunFolder, parseSpec, runExperiment, type Spec } from '../src/index.ts';
import { readDepartures } from '../src/net/departures.ts';
import { readLedger } from '../src/privacy/ledger.ts';
import { type Charge, spentOf } from '../src/privacy/ledger-charges.ts';
import { hashesIn, type KilledFederation, killedFederation, type Strike } from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';

const ROOT = temporaryFolder();
const TABLE = process.env['ALIGN_FL_KILL_TABLE'];
const LIMIT_MS = 240_000;

/** Each in a round of its own, in this order. */
const AT_SILO = ['task', 'training', 'played', 'kept', 'leaving', 'uploaded', 'delivered', 'committed'];
const AT_SERVER = [
  'task-sent',
  'release-announced',
  'release-ready',
  'server-started',
  'server-epoch',
  'server-finished',
  'release-committed',
  'round-finished',
];

const SPEC = parseSpec({
  name: 'struck',
  rounds: AT_SILO.length,
  data: {
    source: { kind: 'drawn-digits', train: 80, test: 60 },
    partition: {
      kind: 'class-disjoint',
      classes: [
        [0, 1],
        [2, 3],
      ],
    },
  },
  silos: [{ name: 'north' }, { name: 'east' }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 2, batchSize: 8 },
  server: { epochs: 1, batchSize: 16, images: 20 },
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1, gridImages: 4 },
});

const DELTA = 1e-5;
/** Noise of the system, which nobody can repeat: decoders differ from run to run, what they cost does not. */
const PRIVATE = parseSpec({
  ...SPEC,
  name: 'struck-private',
  rounds: 2,
  privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: DELTA, noise: 'secure' },
});

const federations: KilledFederation[] = [];
async function federationOf(spec: Spec): Promise<KilledFederation> {
  const made = await killedFederation(ROOT, spec);
  federations.push(made);
  return made;
}

beforeAll(() => setUp(resolve(import.meta.dirname, '..')), LIMIT_MS);
afterAll(() => Promise.all(federations.map((one) => one.close())));

const inOrder = (who: string, steps: readonly string[], target: Strike['target']): Strike[] =>
  steps.map((step, i) => ({ who, step, round: i + 1, target }));

describe.skipIf(!triesFaults)(`a federation over TLS that is killed${NEEDS_FAULTS}`, () => {
  test.concurrent.each([
    {
      victim: 'a silo',
      nats: null,
      strikes: [
        { who: 'north', step: 'welcome', round: null, target: 'self' } as const,
        ...inOrder('north', AT_SILO, 'self'),
      ],
    },
    {
      victim: 'the server',
      nats: 'local' as const,
      strikes: [
        { who: 'server', step: 'run-started', round: null, target: 'self' } as const,
        ...inOrder('server', AT_SERVER, 'self'),
        { who: 'server', step: 'run-finished', round: null, target: 'self' } as const,
      ],
    },
    { victim: 'the broker', nats: null, strikes: inOrder('north', AT_SILO, 'broker') },
  ])(
    'at every step ends with the hashes of a run in one process: $victim',
    async ({ victim, nats, strikes }) => {
      const federation = await federationOf(SPEC);
      await federation.playAll(strikes, { nats });
      expect(struckIn(federation)).toEqual(expect.arrayContaining([...strikes]));
      tabulate(victim, federation, strikes);
      expectOneFileARound(federation);
      expect(hashesIn(federation.server.run)).toEqual(await undisturbed());
    },
    LIMIT_MS,
  );

  test.concurrent(
    'in a private run pays for every round once, and what left is what was paid for',
    async () => {
      const federation = await federationOf(PRIVATE);
      const strikes: readonly Strike[] = [
        { who: 'north', step: 'training', round: 1, target: 'self' },
        { who: 'east', step: 'leaving', round: 2, target: 'broker' },
        { who: 'server', step: 'release-announced', round: 2, target: 'self' },
      ];
      const ledgers = mkdtempSync(join(ROOT, 'ledgers-'));
      const path = mkdtempSync(join(ROOT, 'alone-'));
      const { mechanism } = PRIVATE.privacy;
      const alone = parseSpec({ ...PRIVATE, privacy: { ...PRIVATE.privacy, ledgerDir: ledgers } });
      const undisturbed = runExperiment({ folder: await openRunFolder({ path, spec: alone }), data: { env: {} } });
      await Promise.all([federation.playAll(strikes), undisturbed]);
      expect(struckIn(federation)).toEqual(expect.arrayContaining([...strikes]));
      expectOneFileARound(federation);
      tabulate(`private (${mechanism})`, federation, strikes);
      for (const { name } of PRIVATE.silos) {
        const [paid, due] = [await readLedger(federation.ledger(name)), await readLedger(join(ledgers, name))];
        const charges = (entries: readonly Charge[]) =>
          entries.map(({ purpose, round, event }) => ({ purpose, round, event }));
        expect(charges(paid.entries)).toEqual(charges(due.entries));
        expect(spentOf(paid.entries, DELTA)).toEqual(spentOf(due.entries, DELTA));
        const sealed = paid.entries.map((entry) => entry.sealed?.sha256);
        const served = paid.entries.map(({ round }) => sha256(runLayout(federation.server.run).decoder(round, name)));
        expect(sealed).toEqual(served);
        const { departures } = await readDepartures(federation.home(name).departures);
        expect(departures.map(({ round, sha256: hash, state }) => ({ round, hash, state }))).toEqual(
          served.flatMap((hash, i) =>
            ['leaving', 'delivered', 'committed'].map((state) => ({ round: i + 1, hash, state })),
          ),
        );
      }
    },
    LIMIT_MS,
  );
});

// --- internal ---

function struckIn(federation: KilledFederation): readonly Strike[] {
  return federation.log().flatMap(({ struck }) => (struck ? [struck] : []));
}

/** What the server was told of, whatever was done twice. */
function expectOneFileARound(federation: KilledFederation): void {
  const files = new Map<string, Set<string>>();
  for (const { step, silo, round, sha256: hash } of federation.log()) {
    if (step !== 'release-announced') continue;
    const place = `${silo} ${round}`;
    files.set(place, (files.get(place) ?? new Set()).add(hash ?? ''));
  }
  expect([...files.values()].map(({ size }) => size)).toEqual([...files].map(() => 1));
  expect(files.size).toBe(federation.spec.rounds * federation.spec.silos.length);
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

let known: Promise<Readonly<Record<string, string>>> | null = null;

/** What the same seeds give in one process that nobody disturbs. */
function undisturbed(): Promise<Readonly<Record<string, string>>> {
  const play = async () => {
    const path = mkdtempSync(join(ROOT, 'alone-'));
    await runExperiment({ folder: await openRunFolder({ path, spec: SPEC }), data: { env: {} } });
    return hashesIn(path);
  };
  known ??= play();
  return known;
}

/** A line for each kill, of what became of its round. */
function tabulate(victim: string, federation: KilledFederation, strikes: readonly Strike[]): void {
  if (TABLE === undefined) return;
  const log = federation.log();
  for (const strike of strikes) {
    const at = log.find(({ struck }) => JSON.stringify(struck) === JSON.stringify(strike))?.at ?? 0;
    const round = strike.round ?? 1;
    const end = log.find((line) => line.at >= at && line.step === 'round-finished' && line.round === round);
    const of = (step: string, who = 'north') =>
      log.filter((line) => line.step === step && line.who === who && line.round === round);
    const files = new Set(
      log.flatMap((line) =>
        line.step === 'release-announced' && line.silo === 'north' && line.round === round ? [line.sha256] : [],
      ),
    );
    const cells = [
      victim,
      strike.step,
      strike.round ?? '',
      end ? ((end.at - at) / 1000).toFixed(1) : 'over',
      of('task').length,
      of('played').length,
      files.size,
    ];
    writeFileSync(TABLE, `| ${cells.join(' | ')} |\n`, { flag: 'a' });
  }
}
