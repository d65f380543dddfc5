// kill -9 of a silo, the server and the broker at every step of a round: the run ends as if nothing had happened, byte for byte,
// and no budget is spent twice. docs/reliability.md has the table that this makes.

import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { parseSpec } from '../src/index.ts';
import {
  expectOneFileARound,
  expectPaidOnce,
  struckIn,
  tabulate,
  undisturbed,
  undisturbedLedgers,
} from './kill-checks.ts';
import { federationsIn, hashesIn, type Strike } from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
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
  ...TWO_SILOS,
  name: 'struck',
  rounds: AT_SILO.length,
});

const DELTA = 1e-5;
/** Noise of the system, which nobody can repeat: decoders differ from run to run, what they cost does not. */
const PRIVATE = parseSpec({
  ...SPEC,
  name: 'struck-private',
  rounds: 2,
  privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: DELTA, noise: 'secure' },
});

const federations = federationsIn(ROOT);

beforeAll(() => setUp(resolve(import.meta.dirname, '..')), LIMIT_MS);
afterAll(federations.close);

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
      const federation = await federations.make(SPEC);
      await federation.playAll(strikes, { nats });
      expect(struckIn(federation)).toEqual(expect.arrayContaining([...strikes]));
      tabulate(victim, federation, strikes);
      expectOneFileARound(federation);
      expect(hashesIn(federation.server.run)).toEqual(await inOneProcess());
    },
    LIMIT_MS,
  );

  test.concurrent(
    'in a private run pays for every round once, and what left is what was paid for',
    async () => {
      const federation = await federations.make(PRIVATE);
      const strikes: readonly Strike[] = [
        { who: 'north', step: 'training', round: 1, target: 'self' },
        { who: 'east', step: 'leaving', round: 2, target: 'broker' },
        { who: 'server', step: 'release-announced', round: 2, target: 'self' },
      ];
      const { mechanism } = PRIVATE.privacy;
      const [ledgers] = await Promise.all([undisturbedLedgers(ROOT, PRIVATE), federation.playAll(strikes)]);
      expect(struckIn(federation)).toEqual(expect.arrayContaining([...strikes]));
      expectOneFileARound(federation);
      tabulate(`private (${mechanism})`, federation, strikes);
      await expectPaidOnce(federation, ledgers, DELTA);
    },
    LIMIT_MS,
  );
});

// --- internal ---

let known: Promise<Readonly<Record<string, string>>> | null = null;

function inOneProcess(): Promise<Readonly<Record<string, string>>> {
  known ??= undisturbed(ROOT, SPEC);
  return known;
}
