import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dpSgdEvent } from '../privacy/dp-event.ts';
import { openLedger } from '../privacy/ledger.ts';
import { said as saidBy } from '../../test/command-line.ts';

const HASH = 'cd'.repeat(32);
let root = '';
let folder = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'align-fl-ledger-command-'));
  folder = join(root, 'silos', 'hospital-a');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const said = (...argv: readonly string[]) => saidBy('ledger', ...argv);

const EVENT = dpSgdEvent({ samplingRate: 1, noiseMultiplier: 8.1, steps: 10 });

/** A ledger that is open, and not begun where nothing was charged. */
async function opened(epsilon = 8) {
  return openLedger({
    folder,
    silo: 'hospital-a',
    dataFingerprint: 'ab'.repeat(32),
    neighbours: 'zero-out-one',
    budget: { epsilon, delta: 1e-5 },
    now: () => new Date('2026-01-02T03:04:05.000Z'),
  });
}

/** A ledger with one charge. */
async function aLedger(epsilon = 8) {
  const ledger = await opened(epsilon);
  await ledger.charge({ run: 'mine', purpose: 'align', round: 1, event: EVENT });
  return ledger;
}

/** A ledger with a round that left and one that did not. */
async function aLedgerWithCharges() {
  const ledger = await aLedger();
  await ledger.seal('c1', HASH);
  await ledger.charge({ run: 'mine', purpose: 'align', round: 2, event: EVENT });
  return ledger;
}

describe('align-fl ledger', () => {
  test('shows budget, what is spent, what remains, and every charge in words', async () => {
    await aLedgerWithCharges();
    const { code, stdout, stderr } = await said(folder);
    expect([code, stderr]).toEqual([0, '']);
    for (const part of [
      'Privacy ledger of hospital-a',
      'budget',
      '10 steps, q 1, noise 8.1',
      'cdcdcdcdcdcd…',
      'nothing so far',
      'Only the owner of these records sets the budget, on this machine',
    ]) {
      expect(stdout).toContain(part);
    }
    expect(stdout).not.toContain(HASH);
  });

  test('says of a charge whose training failed that nothing left for it', async () => {
    const ledger = await aLedger();
    await ledger.fail('c1');
    expect((await said(folder)).stdout).toMatch(/c1 .*nothing: failed/);
  });

  test('prints all of it as JSON', async () => {
    const ledger = await aLedgerWithCharges();
    const { stdout } = await said(folder, '--json');
    const { epsilon, rdp, pld } = ledger.spent();
    expect(JSON.parse(stdout)).toMatchObject({
      silo: 'hospital-a',
      budget: { epsilon: 8, delta: 1e-5 },
      spent: JSON.parse(
        JSON.stringify({ epsilon, rdp, pld, delta: 1e-5 }, (_, value: unknown) =>
          value === Number.POSITIVE_INFINITY ? 'Infinity' : value,
        ),
      ),
      remaining: 8 - epsilon,
      entries: [
        { id: 'c1', run: 'mine', round: 1, sealed: { sha256: HASH } },
        { id: 'c2', run: 'mine', round: 2, sealed: null },
      ],
    });
  });

  test('writes infinity as text', async () => {
    const ledger = await opened(Number.POSITIVE_INFINITY);
    await ledger.charge({
      run: 'r',
      purpose: 'align',
      round: 1,
      event: { type: 'nonPrivate', reason: 'no mechanism' },
    });
    expect(JSON.parse((await said(folder, '--json')).stdout)).toMatchObject({
      budget: { epsilon: 'Infinity' },
      spent: { epsilon: 'Infinity', rdp: 'Infinity', pld: 'Infinity' },
      remaining: 'Infinity',
    });
    expect((await said(folder)).stdout).toContain('no privacy: no mechanism');
  });

  test('remains at zero where the budget was set below what is spent', async () => {
    await aLedgerWithCharges();
    const { stdout } = await said(folder, '--budget-epsilon', '0.01', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ remaining: 0, budget: { epsilon: 0.01, delta: 1e-5 } });
  });

  test('changes nothing when it only shows', async () => {
    await aLedgerWithCharges();
    const before = await readFile(join(folder, 'ledger.jsonl'));
    await said(folder);
    await said(folder, '--json');
    expect(await readFile(join(folder, 'ledger.jsonl'))).toEqual(before);
  });
});

describe('align-fl ledger --budget-epsilon', () => {
  test('sets the budget, and says what it was', async () => {
    await aLedger();
    const { code, stdout } = await said(folder, '--budget-epsilon', '4', '--budget-delta', '1e-6');
    expect(code).toBe(0);
    expect(stdout).toContain('The budget was epsilon 8 at delta 0.00001, and is now epsilon 4 at delta 0.000001.');
    expect((await opened(100)).ledger.budget).toEqual({ epsilon: 4, delta: 1e-6 });
  });

  test('leaves alone what is not named, and takes Infinity for no limit', async () => {
    await aLedger();
    await said(folder, '--budget-delta', '1e-7');
    expect((await opened()).ledger.budget).toEqual({ epsilon: 8, delta: 1e-7 });
    await said(folder, '--budget-epsilon', 'Infinity');
    expect((await opened()).ledger.budget).toEqual({ epsilon: Number.POSITIVE_INFINITY, delta: 1e-7 });
  });

  test.each([
    ['--budget-epsilon', '-1'],
    ['--budget-epsilon', 'infinity'],
    ['--budget-epsilon', ''],
    ['--budget-delta', '0'],
    ['--budget-delta', '0.5'],
  ])('%s %s is refused, and the budget stands', async (flag, value) => {
    await aLedger();
    const { code, stderr } = await said(folder, flag, value);
    expect(code).toBe(2);
    expect(stderr).toContain(`${flag}: expected`);
    expect((await opened()).ledger.budget).toEqual({ epsilon: 8, delta: 1e-5 });
  });
});

describe('a folder without a ledger', () => {
  test('takes a budget, which is shown, can be changed, and holds for the first run', async () => {
    const { code, stdout } = await said(folder, '--budget-epsilon', '0.5', '--budget-delta', '1e-5');
    expect(code).toBe(0);
    expect(stdout).toContain(`There is no ledger in ${folder} yet.`);
    expect(stdout).toContain('epsilon 0.5 at delta 0.00001');
    await said(folder, '--budget-epsilon', '0.25');
    expect((await said(folder)).stdout).toContain('epsilon 0.25 at delta 0.00001');
    expect(JSON.parse((await said(folder, '--json')).stdout)).toMatchObject({
      silo: null,
      budget: { epsilon: 0.25, delta: 1e-5 },
      spent: { epsilon: 0 },
      remaining: 0.25,
      entries: [],
    });
    await expect(aLedger(1000)).rejects.toThrow(/would exceed the privacy budget/);
  });

  test.each(['--budget-epsilon', '--budget-delta'])('takes no half of a budget: only %s', async (flag) => {
    const { code, stderr } = await said(folder, flag, '0.01');
    expect(code).toBe(2);
    expect(stderr).toContain('The first budget of a ledger needs both');
    expect((await opened()).ledger.budget.epsilon).toBe(8);
  });

  test('is answered with what a silo folder looks like', async () => {
    const { code, stdout, stderr } = await said(root);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('runs/<name>/silos/<silo>');
  });

  test('is answered with the folders that are meant, where it is a run folder', async () => {
    await aLedger();
    for (const dir of [root, join(root, 'silos')]) {
      const { code, stderr } = await said(dir, '--budget-epsilon', '99');
      expect(code).toBe(1);
      expect(stderr).toContain(`Name one of them: ${folder}`);
    }
  });
});
