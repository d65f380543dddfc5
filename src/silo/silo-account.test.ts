import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SMALL_PRIVACY, SMALL_TRAINING, smallSilo, temporaryFolder } from '../../test/small-silos.ts';
import { PrivacyError } from '../errors.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import type { Task } from '../exchange/task.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import { type DpSgdOptions, type DpSgdPlan, nominalEvent } from '../privacy/dp-plan.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import { openAccount, type RoundAccount } from './silo-account.ts';
import type { SiloConfig } from './silo-config.ts';

const ROOT = temporaryFolder();
const PRIVACY: DpSgdOptions = { ...SMALL_PRIVACY, epsilon: 50, clipping: 'fixed' };
const PLAN: DpSgdPlan = { samplingRate: 1 / 3, expectedBatch: 8, stepsPerEpoch: 3, noiseMultiplier: 4, steps: 24 };
const STEPS = 3 * SMALL_TRAINING.epochs;

/** A run's own folders, and a ledger that it shares with the runs of the same `ledgers`. */
function runOn(ledgers: string, options = PRIVACY) {
  const config = smallSilo('north', mkdtempSync(join(ROOT, 'run-')), {
    privacy: options,
    ledgerDir: join(ledgers, 'north'),
  });
  let uploads = 0;
  /** Pays for a round and lets something leave; returns what is claimed of it. */
  return async (task: Played): Promise<PrivacyStatement> => {
    const account = await openAccount(config, taskOf(task), PLAN);
    await account.reserve(null);
    uploads += 1;
    return account.seal(hashOf(`${config.stateDir} ${uploads}`));
  };
}

type Played = Pick<Task, 'kind' | 'round'>;
const taskOf = (task: Played) => ({ run: 'same-name', weights: {}, ...task }) as Task;
const own = (round: number) => taskOf({ kind: 'train-own', round });
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
const newFolder = () => mkdtempSync(join(ROOT, 'case-'));
const privateSilo = (folder: string, change: Partial<SiloConfig> = {}) =>
  smallSilo('north', folder, { privacy: PRIVACY, ...change });
/** The state at the end of a round. */
const after = (round: number) => ({ round, finished: true });
/** Pays for rounds 1 to `rounds` and lets a release leave for each. */
async function playRounds(config: SiloConfig, rounds: number): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    const account = await openAccount(config, own(round), PLAN);
    await account.reserve(round === 1 ? null : after(round - 1));
    await account.seal(hashOf(`release ${round}`));
  }
}

function epsilonOfSteps(steps: number): number {
  return epsilonOf(nominalEvent(PLAN, steps), PRIVACY.delta).epsilon;
}

describe('the statement of a round', () => {
  test('counts the steps of its own run, and the epsilon of all runs on the ledger', async () => {
    const ledgers = mkdtempSync(join(ROOT, 'ledgers-'));
    const [first, second] = [runOn(ledgers), runOn(ledgers)];
    for (const round of [1, 2]) {
      expect(await first({ kind: 'train-own', round })).toMatchObject({
        steps: round * STEPS,
        epsilon: epsilonOfSteps(round * STEPS),
      });
    }
    for (const round of [1, 2]) {
      expect(await second({ kind: 'train-own', round })).toMatchObject({
        steps: round * STEPS,
        epsilon: epsilonOfSteps((2 + round) * STEPS),
      });
    }
    expect(await second({ kind: 'train-given', round: 1 })).toMatchObject({ steps: STEPS }); // another model
  });

  test('counts a round that was played anew once, though it is paid for twice', async () => {
    const play = runOn(mkdtempSync(join(ROOT, 'ledgers-')));
    await play({ kind: 'train-own', round: 1 });
    expect(await play({ kind: 'train-own', round: 1 })).toMatchObject({
      steps: STEPS,
      epsilon: epsilonOfSteps(2 * STEPS),
    });
  });

  test('compares with what its own steps would cost where there is no guarantee', async () => {
    const ledgers = mkdtempSync(join(ROOT, 'ledgers-'));
    for (const play of [
      runOn(ledgers, { ...PRIVACY, noise: 'seeded' }),
      runOn(ledgers, { ...PRIVACY, noise: 'seeded' }),
    ]) {
      expect(await play({ kind: 'train-own', round: 1 })).toMatchObject({
        guarantee: 'none',
        nominalEpsilon: epsilonOfSteps(STEPS),
      });
    }
  });
});

test('a statement is of the moment in which its release is sealed: what others charged meanwhile counts', async () => {
  const ledgers = mkdtempSync(join(ROOT, 'ledgers-'));
  const configs = [newFolder(), newFolder()].map((folder) =>
    privateSilo(folder, { ledgerDir: join(ledgers, 'north') }),
  );
  const [first, second] = (await Promise.all(
    configs.map((config, i) => openAccount(config, { ...own(1), run: `run-${i}` }, PLAN)),
  )) as [RoundAccount, RoundAccount];
  await first.reserve(null);
  await second.reserve(null);
  expect(await first.seal(hashOf('first'))).toMatchObject({ steps: STEPS, epsilon: epsilonOfSteps(2 * STEPS) });
});

describe('a ledger that was lost', () => {
  test('stops the round after those that it should know of, and spends nothing', async () => {
    const config = privateSilo(newFolder());
    await playRounds(config, 2);
    rmSync(join(config.ledgerDir, 'ledger.jsonl'));
    const lost = (await openAccount(config, own(3), PLAN)).reserve(after(2));
    await expect(lost).rejects.toThrow(PrivacyError);
    await expect(lost).rejects.toThrow(/knows nothing of round 1 of same-name .*Put back a copy/);
    expect(existsSync(join(config.ledgerDir, 'ledger.jsonl'))).toBe(false);
  });

  test('lets no finished round be claimed anew', async () => {
    const config = privateSilo(newFolder());
    await playRounds(config, 1);
    const account = await openAccount(config, own(1), PLAN);
    await account.reserve(after(1));
    expect(await account.seal(hashOf('release 1'))).toMatchObject({ steps: STEPS });
    rmSync(join(config.ledgerDir, 'ledger.jsonl'));
    await expect((await openAccount(config, own(1), PLAN)).reserve(after(1))).rejects.toThrow(PrivacyError);
  });

  test.each([
    ['put back as it was before the last round', 'reserve', 'train-own'],
    ['cut off after the last but one', 'reserve', 'train-given'],
  ] as const)('in part is seen: %s', async (_, type, kind) => {
    const config = privateSilo(newFolder());
    for (const round of [1, 2]) {
      const account = await openAccount(config, taskOf({ kind, round }), PLAN);
      await account.reserve(round === 1 ? null : after(round - 1));
      await account.seal(hashOf(`release ${round}`));
    }
    const path = join(config.ledgerDir, 'ledger.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    const last = lines.findLastIndex((line) => line.includes(`"type":"${type}"`));
    writeFileSync(path, `${lines.slice(0, last).join('\n')}\n`);
    const next = (await openAccount(config, taskOf({ kind, round: 3 }), PLAN)).reserve(after(2));
    await expect(next).rejects.toMatchObject({ name: 'PrivacyError', facts: { round: 2 } });
  });

  test('is also missed within a round, and by nobody who starts from given weights in a later round', async () => {
    const config = privateSilo(newFolder());
    const within = (await openAccount(config, own(1), PLAN)).reserve({ round: 1, finished: false });
    await expect(within).rejects.toThrow(PrivacyError);
    const given = await openAccount(config, taskOf({ kind: 'train-given', round: 5 }), PLAN);
    expect(await given.reserve(null)).not.toBeNull();
    await given.seal(hashOf('release 5'));
    const next = await openAccount(config, taskOf({ kind: 'train-given', round: 6 }), PLAN);
    expect(await next.reserve(after(5))).not.toBeNull();
  });
});

describe('a training that failed', () => {
  test('is paid for again where it is tried again; one that was interrupted is not', async () => {
    const config = privateSilo(newFolder());
    await (await openAccount(config, own(1), PLAN)).reserve(null); // interrupted
    const second = await openAccount(config, own(1), PLAN);
    await second.reserve(null);
    expect((await readLedger(config.ledgerDir)).entries).toHaveLength(1);
    await second.fail();
    const third = await openAccount(config, own(1), PLAN);
    expect((await third.reserve(null))?.epsilon).toBe(epsilonOfSteps(2 * STEPS));
    expect(await third.seal(hashOf('release'))).toMatchObject({ steps: STEPS, epsilon: epsilonOfSteps(2 * STEPS) });
  });
});

describe('the same records under another name', () => {
  const { images } = smallSilo('north', ROOT);

  test.each([PRIVACY, { mechanism: 'none' } as const])(
    'get no second ledger beside the first, under %o',
    async (privacy) => {
      const folder = newFolder();
      await playRounds(privateSilo(folder), 1);
      const other = openAccount(
        smallSilo('renamed', folder, { images, privacy }),
        own(1),
        privacy.mechanism === 'none' ? null : PLAN,
      );
      await expect(other).rejects.toThrow(PrivacyError);
      await expect(other).rejects.toThrow(`under another name: ${join(folder, 'north')}`);
      expect(existsSync(join(folder, 'renamed'))).toBe(false);
    },
  );

  test('is not what other records beside them are', async () => {
    const folder = newFolder();
    await playRounds(privateSilo(folder), 1);
    expect(
      await (await openAccount(smallSilo('east', folder, { privacy: PRIVACY }), own(1), PLAN)).reserve(null),
    ).not.toBeNull();
  });
});

describe('training without a mechanism', () => {
  const without = (folder: string) => openAccount(smallSilo('north', folder), own(1), null);

  test('is counted by nobody where there is neither a ledger nor a budget', async () => {
    const folder = newFolder();
    expect(await (await without(folder)).reserve(null)).toBeNull();
    expect(existsSync(join(folder, 'north'))).toBe(false);
  });

  test('is refused by a ledger, and by a budget that its owner set before there is one', async () => {
    const [first, second] = [newFolder(), newFolder()];
    await playRounds(privateSilo(first), 1);
    await setBudget(join(second, 'north'), { epsilon: 50, delta: 1e-5 }, () => new Date(0));
    for (const folder of [first, second]) {
      await expect((await without(folder)).reserve(null)).rejects.toThrow(/would exceed the privacy budget/);
    }
    expect(existsSync(join(second, 'north', 'ledger.jsonl'))).toBe(false); // a refusal binds the ledger to nothing
  });

  test('is charged without end where the budget has no limit', async () => {
    const folder = newFolder();
    await setBudget(join(folder, 'north'), { epsilon: Number.POSITIVE_INFINITY, delta: 1e-5 }, () => new Date(0));
    const account = await without(folder);
    expect((await account.reserve(null))?.epsilon).toBe(Number.POSITIVE_INFINITY);
    expect(await account.seal(hashOf('release'))).toMatchObject({ mechanism: 'none' });
    expect((await readLedger(join(folder, 'north'))).entries).toMatchObject([
      { sealed: { sha256: hashOf('release') } },
    ]);
  });
});

test("a budget that the owner set beforehand stands against the run's own epsilon", async () => {
  const config = privateSilo(newFolder());
  await setBudget(config.ledgerDir, { epsilon: epsilonOfSteps(STEPS) * 1.01, delta: 1e-5 }, () => new Date(0));
  await playRounds(config, 1);
  await expect(playRounds(config, 2)).rejects.toThrow(/would exceed the privacy budget of north/);
});
