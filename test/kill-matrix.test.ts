// kill -9 of a silo, the server and the broker at every step of a round: the run ends as if nothing had happened, byte for byte,
// and no budget is spent twice. docs/reliability.md has the table that this makes.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { openRunFolder, parseSpec, runExperiment, type Spec } from '../src/index.ts';
import { hashesIn, type KilledFederation, killedFederation, type Strike } from './killed-federation.ts';
import { natsServer, NEEDS_NATS } from './nats-fixture.ts';
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

describe.skipIf(natsServer === null)(`a federation over TLS that is killed${NEEDS_NATS}`, () => {
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
      expect(federation.log().flatMap(({ struck }) => (struck ? [struck] : []))).toEqual(
        expect.arrayContaining(strikes),
      );
      tabulate(victim, federation, strikes);
      expect(hashesIn(federation.server.run)).toEqual(await undisturbed());
    },
    LIMIT_MS,
  );
});

// --- internal ---

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
    const of = (step: string, who = 'north') => log.filter((line) => line.step === step && line.who === who && line.round === round);
    const files = new Set(log.flatMap((line) => (line.step === 'release-announced' && line.silo === 'north' && line.round === round ? [line.sha256] : [])));
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
