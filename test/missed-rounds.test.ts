// A silo whose round failed goes on in the next one: real training, a real broker, rounds that close on a quorum.

import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, openEngine } from '../src/engine/engine.ts';
import { NumericalError, PrivacyError } from '../src/errors.ts';
import type { Task } from '../src/exchange/task.ts';
import { receivedUpload } from '../src/exchange/upload.ts';
import { type Absence, collect } from '../src/federation/collect.ts';
import { epsilonOf } from '../src/privacy/accountant.ts';
import { readLedger, setBudget } from '../src/privacy/ledger.ts';
import { createSiloRunner, type SiloRunner } from '../src/silo/silo.ts';
import { type SiloConfig, stateFileOf } from '../src/silo/silo-config.ts';
import { loadState } from '../src/training/state-file.ts';
import { PLAN, testFederation } from './federation-on-nats.ts';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from './nats-fixture.ts';
import { SMALL_PRIVACY, smallSilo, temporaryFolder } from './small-silos.ts';

const ROOT = temporaryFolder();
const own = (round: number): Task => ({ kind: 'train-own', run: 'trial', round });
const EPSILON = 20;

describe.skipIf(!natsServer)(`A silo whose round closed without it${NEEDS_NATS}`, () => {
  let nats: TestNats;
  let engine: Engine;
  let runner: SiloRunner;
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b'] });
    engine = await openEngine({ executor: 'onnxruntime' });
    runner = createSiloRunner(engine);
  });
  afterAll(async () => {
    await engine.close();
    await nats.close();
  });

  test.each(['training', 'budget'] as const)(
    'as its %s failed answers the next ones, and its ledger has no more than was planned',
    async (what) => {
      const federation = await testFederation(nats, ROOT, ['a', 'b']);
      const config: SiloConfig = {
        ...smallSilo('a', mkdtempSync(join(ROOT, 'silo-')), {
          privacy: { ...SMALL_PRIVACY, epsilon: EPSILON, physicalBatch: 24 },
          plannedRounds: 3,
        }),
        gaps: 'allowed',
      };
      const budget = (epsilon: number) => setBudget(config.ledgerDir, { epsilon, delta: 1e-5 }, () => new Date(0));
      await budget(what === 'budget' ? 0.1 : EPSILON);
      const hub = await federation.openHub({ inspect: async () => {} });
      federation.agent(federation.silo('b'));
      federation.agent(federation.silo('a'), {
        state: async () => ({ plan: PLAN, round: (await loadState(stateFileOf(config)))?.round ?? null }),
        async play(round) {
          const onStep = () => {
            if (what === 'training' && round === 1) throw new NumericalError('as a loss that is infinite would be');
          };
          const upload = receivedUpload(await runner.play(config, own(round), { onStep }));
          if (upload.kind !== 'decoder') throw new Error('expected a decoder');
          return upload;
        },
      });
      const missing: Absence[] = [];
      const came: (readonly string[])[] = [];
      for (const round of [1, 2, 3]) {
        const uploads = await collect(
          [hub.port('a'), hub.port('b')],
          {
            round,
            closing: { quorum: 1, deadlineMs: 60_000 },
            atOnce: 2,
            onMissing: (absence) => missing.push(absence),
            onLate: () => {},
            onOverdue: () => {},
          },
          (port, signal) => port.play(own(round), { signal }),
        );
        came.push(uploads.map(({ silo }) => silo));
        const releases = uploads.flatMap((one) => (one.kind === 'decoder' ? [one] : []));
        const committed = releases.map((one) => ({ silo: one.silo, round: one.round, sha256: one.decoder.sha256 }));
        await federation.commit(hub, round, committed);
        await budget(EPSILON);
      }
      expect(came).toEqual([['b'], ['a', 'b'], ['a', 'b']]);
      const code = what === 'training' ? new NumericalError('').code : new PrivacyError('').code;
      expect(missing.map((absence) => [absence.silo, absence.code])).toEqual([['a', code]]);
      const { entries } = await readLedger(config.ledgerDir);
      expect(entries.map(({ round, isFailed, sealed }) => [round, isFailed, sealed !== null])).toEqual([
        ...(what === 'training' ? [[1, true, false]] : []), // what was refused is not charged
        [2, false, true],
        [3, false, true],
      ]);
      const sealed = entries.flatMap((one) => one.sealed?.sha256 ?? []);
      expect(sealed).toEqual((federation.committed.get('a') ?? []).map(({ sha256 }) => sha256));
      expect(epsilonOf({ type: 'composed', events: entries.map(({ event }) => event) }, 1e-5).epsilon).toBeLessThan(
        EPSILON,
      );
      await federation.closeAll();
    },
  );
});
