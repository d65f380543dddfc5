import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PrivacyError, StateError } from '../errors.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';
import { type LedgerHandle, type LedgerOptions, openLedger, readLedger, setBudget } from './ledger.ts';
import type { Account } from './ledger-charges.ts';
import type { Budget } from './ledger-entry.ts';

const NOW = () => new Date('2026-01-02T03:04:05.000Z');
const HASH = 'cd'.repeat(32);
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-ledger-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A stand-in accountant in which a charge costs 1. */
const onePerCharge: Account = (event) => {
  const epsilon = event.type === 'composed' ? event.events.length : 1;
  return { epsilon, rdp: epsilon, pld: epsilon };
};
const budgetOf = (epsilon: number): Budget => ({ epsilon, delta: 1e-5 });
function open(options: Partial<LedgerOptions> = {}): Promise<LedgerHandle> {
  return openLedger({
    folder,
    silo: 'hospital-a',
    dataFingerprint: 'ab'.repeat(32),
    neighbours: 'zero-out-one',
    budget: budgetOf(3),
    now: NOW,
    account: onePerCharge,
    ...options,
  });
}
const event = dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1, steps: 100 });
const round = (number: number, what: DpEvent = event) => ({ run: 'r', purpose: 'align', round: number, event: what });
const text = () => readFile(join(folder, 'ledger.jsonl'), 'utf8');

describe('openLedger', () => {
  it('begins nothing; the first charge that is allowed does, with its header and the given budget, in a folder that it makes', async () => {
    const inside = join(folder, 'silos', 'a');
    const handle = await open({ folder: inside });
    expect(await readdir(folder)).toEqual([]);
    await expect(handle.charge(round(1, { type: 'nonPrivate', reason: 'none' }))).resolves.toBeDefined();
    expect(await readdir(inside)).toEqual(['ledger.jsonl']);
    const ledger = await readLedger(inside);
    expect(ledger).toEqual(handle.ledger);
    expect(ledger).toMatchObject({ folder: inside, budget: budgetOf(3), entries: [{ id: 'c1' }] });
    expect(ledger.header).toMatchObject({ silo: 'hospital-a', unit: 'record', date: '2026-01-02T03:04:05.000Z' });
  });

  it('is bound to nothing by a round that was refused', async () => {
    await expect((await open({ budget: budgetOf(0) })).charge(round(1))).rejects.toThrow(PrivacyError);
    expect(await readdir(folder)).toEqual([]);
    await (await open({ neighbours: 'add-or-remove-one' })).charge(round(1));
    expect((await readLedger(folder)).header.neighbours).toBe('add-or-remove-one');
  });

  it('finds what was charged before, and lets a given budget neither raise nor lower the one that stands', async () => {
    await (await open()).charge(round(1));
    for (const epsilon of [1000, 0.1, Number.POSITIVE_INFINITY]) {
      const again = await open({ budget: budgetOf(epsilon) });
      expect(again.ledger.budget).toEqual(budgetOf(3));
      expect(again.spent().epsilon).toBe(1);
    }
    expect((await text()).split('\n')).toHaveLength(4);
  });

  it.each([
    ['another silo', { silo: 'hospital-b' }, 'silo'],
    ['other records', { dataFingerprint: 'ef'.repeat(32) }, 'dataFingerprint'],
    ['other neighbours', { neighbours: 'add-or-remove-one' as const }, 'neighbours'],
  ])('refuses %s, and says what changed', async (_, change, key) => {
    await (await open()).charge(round(1));
    const refused = open(change);
    await expect(refused).rejects.toThrow(PrivacyError);
    await expect(refused).rejects.toMatchObject({ facts: { changed: [key] } });
  });

  it.each([budgetOf(Number.NaN), budgetOf(-1), { epsilon: 1, delta: 0 }, { epsilon: 1, delta: 0.1 }])(
    'begins nothing with the budget %o',
    async (budget) => {
      await expect(open({ budget })).rejects.toThrow(/A privacy budget is/);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('lets one of many begin it', async () => {
    const handles = await Promise.all([3, 4, 5].map((epsilon) => open({ budget: budgetOf(epsilon) })));
    await Promise.all(handles.map((handle, i) => handle.charge(round(i + 1))));
    expect((await text()).split('\n')).toHaveLength(6);
    const { budget, entries } = await readLedger(folder);
    expect([3, 4, 5]).toContain(budget.epsilon);
    expect(entries).toHaveLength(3);
  });

  it.skipIf(process.platform === 'win32')('takes a ledger that cannot be looked at for no absent one', async () => {
    await symlink(join(folder, 'unmounted', 'ledger.jsonl'), join(folder, 'ledger.jsonl'));
    await expect(open()).rejects.toThrow(StateError);
    await expect(open({ folder: join(folder, 'x'.repeat(300)) })).rejects.toThrow(/Could not look at/);
  });
});

describe('charge', () => {
  it('is on disk when it resolves, with what all charges cost together', async () => {
    const handle = await open();
    expect(await handle.charge(round(1))).toEqual({ id: 'c1', bounds: { epsilon: 1, rdp: 1, pld: 1 } });
    expect(await handle.charge(round(2))).toMatchObject({ id: 'c2', bounds: { epsilon: 2 } });
    const { entries } = await readLedger(folder);
    const date = '2026-01-02T03:04:05.000Z';
    expect(entries).toEqual([
      { id: 'c1', ...round(1), date, sealed: null, isFailed: false },
      { id: 'c2', ...round(2), date, sealed: null, isFailed: false },
    ]);
  });

  it('pays once for a round that was interrupted before anything left, also after a restart', async () => {
    const first = await (await open()).charge(round(1));
    const keysInOtherOrder = {
      count: 100,
      event: { event: { noiseMultiplier: 1, type: 'gaussian' }, samplingRate: 0.01, type: 'poissonSampled' },
      type: 'selfComposed',
    } as const;
    const before = await text();
    expect(await (await open()).charge(round(1, keysInOtherOrder))).toEqual(first);
    expect(await text()).toBe(before);
  });

  it('pays again for a round that is played anew after something left', async () => {
    const handle = await open();
    const { id } = await handle.charge(round(1));
    await handle.seal(id, HASH);
    expect(await handle.charge(round(1))).toMatchObject({ id: 'c2', bounds: { epsilon: 2 } });
  });

  it('pays again for a round whose training failed, also after a restart, and takes nothing back', async () => {
    const handle = await open();
    const { id } = await handle.charge(round(1));
    await handle.fail(id);
    await handle.fail(id); // no matter
    expect(await (await open()).charge(round(1))).toMatchObject({ id: 'c2', bounds: { epsilon: 2 } });
    await handle.seal('c2', HASH);
    await handle.fail('c2'); // what left, left
    expect((await readLedger(folder)).entries).toMatchObject([
      { sealed: null, isFailed: true },
      { sealed: { sha256: HASH }, isFailed: false },
    ]);
  });

  it('writes nothing over budget, and still lets an interrupted round go on', async () => {
    const handle = await open({ budget: budgetOf(1) });
    const { id } = await handle.charge(round(1));
    const before = await text();
    await expect(handle.charge(round(2))).rejects.toThrow(/would exceed the privacy budget of hospital-a/);
    expect(await text()).toBe(before);
    expect((await handle.charge(round(1))).id).toBe(id);
  });

  it('sees what others charged meanwhile', async () => {
    const [one, other] = [await open({ budget: budgetOf(1) }), await open()];
    await one.charge(round(1));
    await expect(other.charge(round(2))).rejects.toThrow(PrivacyError);
    expect(other.spent().epsilon).toBe(1);
  });

  it('refuses an event that JSON or an accountant would not understand, before anything is written', async () => {
    const handle = await open();
    const strange = [
      dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: Number.NaN, steps: 1 }),
      dpSgdEvent({ samplingRate: 1.5, noiseMultiplier: 1, steps: 1 }),
      dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1, steps: 0.5 }),
      { type: 'shuffled', noiseMultiplier: 1 } as unknown as DpEvent,
    ];
    for (const what of strange) await expect(handle.charge(round(1, what))).rejects.toThrow(PrivacyError);
    expect(await readdir(folder)).toEqual([]);
  });

  it('accounts with the real accountant where none is put in its place', async () => {
    const steps = (count: number) => dpSgdEvent({ samplingRate: 1, noiseMultiplier: 20, steps: count });
    const options = {
      folder,
      silo: 'a',
      dataFingerprint: 'ab'.repeat(32),
      neighbours: 'zero-out-one',
      now: NOW,
    } as const;
    const handle = await openLedger({ ...options, budget: budgetOf(2) });
    const { bounds } = await handle.charge(round(1, steps(5)));
    expect(bounds.epsilon).toBeGreaterThan(0);
    expect(bounds.epsilon).toBeLessThan(2);
    const tooMuch = round(2, steps(10_000));
    const refused = await handle.charge(tooMuch).catch((error: unknown) => error);
    const fits = (refused as PrivacyError).facts['stepsThatFit'] as number;
    expect(fits).toBeGreaterThan(0);
    const { bounds: full } = await handle.charge(round(2, steps(fits)));
    expect(full.epsilon).toBeLessThanOrEqual(2);
    expect(full.epsilon).toBeGreaterThan(1.9);
    await expect(handle.charge(round(3, { type: 'nonPrivate', reason: 'none' }))).rejects.toThrow(/would be infinite/);
  });
});

describe('seal', () => {
  it('writes down what left, and is content to hear the same again', async () => {
    const handle = await open();
    const { id } = await handle.charge(round(1));
    await handle.seal(id, HASH);
    expect(await handle.seal(id, HASH)).toEqual(await readLedger(folder));
    expect((await readLedger(folder)).entries[0]?.sealed).toMatchObject({ sha256: HASH });
    expect((await text()).split('\n')).toHaveLength(5);
  });

  it('lets one release leave for a charge, even if two processes took the charge for theirs', async () => {
    const [one, other] = [await open(), await open()];
    const { id } = await one.charge(round(1));
    expect((await other.charge(round(1))).id).toBe(id);
    await one.seal(id, HASH);
    const second = other.seal(id, 'ef'.repeat(32));
    await expect(second).rejects.toThrow(PrivacyError);
    await expect(second).rejects.toThrow(`has paid for a release already (${HASH})`);
  });

  it('returns the ledger as it is when the release is sealed, with what others charged meanwhile', async () => {
    const [one, other] = [await open(), await open()];
    const { id } = await one.charge(round(1));
    await other.charge(round(2));
    expect((await one.seal(id, HASH)).entries).toHaveLength(2);
  });

  it('lets nothing leave for a charge that failed', async () => {
    const handle = await open();
    const { id } = await handle.charge(round(1));
    await handle.fail(id);
    await expect(handle.seal(id, HASH)).rejects.toThrow(/is of a training that failed/);
  });

  it('knows no charge that was not made', async () => {
    await expect((await open()).seal('c7', HASH)).rejects.toThrow(/has no charge c7/);
  });

  it('refuses a hash that is none', async () => {
    const handle = await open();
    const { id } = await handle.charge(round(1));
    await expect(handle.seal(id, 'abc')).rejects.toThrow(StateError);
    expect((await readLedger(folder)).entries[0]?.sealed).toBeNull();
  });
});

describe('setBudget', () => {
  it('changes the budget for whoever has the ledger open, also below what is spent', async () => {
    const handle = await open({ budget: budgetOf(1) });
    await handle.charge(round(1));
    expect((await setBudget(folder, { epsilon: Number.POSITIVE_INFINITY, delta: 1e-6 }, NOW))?.budget).toEqual({
      epsilon: Number.POSITIVE_INFINITY,
      delta: 1e-6,
    });
    await handle.charge(round(2));
    await setBudget(folder, budgetOf(0), NOW);
    await expect(handle.charge(round(3))).rejects.toThrow(PrivacyError);
    expect(handle.ledger.budget).toEqual(budgetOf(0));
  });

  it('before there is a ledger is what the first charge begins it with, whatever the run asks for', async () => {
    expect(await setBudget(folder, budgetOf(7), NOW)).toBeNull();
    expect(await setBudget(folder, { epsilon: 1, delta: 1e-6 }, NOW)).toBeNull(); // the last one counts
    const handle = await open({ budget: budgetOf(1000) });
    await handle.charge(round(1));
    expect((await readLedger(folder)).budget).toEqual({ epsilon: 1, delta: 1e-6 });
    await expect(handle.charge(round(2))).rejects.toThrow(PrivacyError);
    expect(await readdir(folder)).toEqual(['ledger.jsonl']);
  });

  it('before there is a ledger counts for whoever opened one already, and may be without limit', async () => {
    const handle = await open({ budget: budgetOf(1) });
    await setBudget(folder, budgetOf(Number.POSITIVE_INFINITY), NOW);
    await handle.charge(round(1));
    await handle.charge(round(2));
    expect(handle.ledger.budget).toEqual(budgetOf(Number.POSITIVE_INFINITY));
  });

  it('that is damaged before there is a ledger stops everything', async () => {
    await setBudget(folder, budgetOf(1), NOW);
    const path = join(folder, 'budget.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"epsilon": 1', '"epsilon": null'));
    await expect(open()).rejects.toThrow(/budget\.json is damaged/);
  });

  it('takes no budget that is none', async () => {
    await expect(setBudget(folder, budgetOf(Number.NaN), NOW)).rejects.toThrow(PrivacyError);
    expect(await readdir(folder)).toEqual([]);
    await (await open()).charge(round(1));
    await expect(setBudget(folder, budgetOf(Number.NaN), NOW)).rejects.toThrow(PrivacyError);
    expect((await readLedger(folder)).budget).toEqual(budgetOf(3));
  });
});

describe('a ledger on disk', () => {
  it('that ends in the middle of a line goes on as if that line had never been begun', async () => {
    const handle = await open();
    await handle.charge(round(1));
    const whole = await text();
    await writeFile(join(folder, 'ledger.jsonl'), `${whole}{"previous":"torn off by a po`);
    expect((await readLedger(folder)).entries).toHaveLength(1);
    expect(await handle.charge(round(2))).toMatchObject({ id: 'c2' });
    expect((await text()).startsWith(`${whole}{"previous"`)).toBe(true);
    expect((await readLedger(folder)).entries).toHaveLength(2);
  });

  it('that is damaged stops everything, and stays as it is', async () => {
    const handle = await open();
    await handle.charge(round(1));
    const changed = (await text()).replace('"count":100', '"count":1');
    await writeFile(join(folder, 'ledger.jsonl'), changed);
    const tries = [
      () => handle.charge(round(2)),
      () => handle.seal('c1', HASH),
      () => open(),
      () => readLedger(folder),
      () => setBudget(folder, budgetOf(9), NOW),
    ];
    for (const attempt of tries) {
      await expect(attempt()).rejects.toThrow(/damaged in line 3: it is not as it was written.*Put back a copy/);
    }
    expect(await text()).toBe(changed);
    expect(await readdir(folder)).toEqual(['ledger.jsonl']);
  });

  it('that was emptied or taken away is not begun anew by those who had it open', async () => {
    const handle = await open();
    await handle.charge(round(1));
    await writeFile(join(folder, 'ledger.jsonl'), '');
    await expect(handle.charge(round(1))).rejects.toThrow(/the header is missing/);
    await expect(open()).rejects.toThrow(/the header is missing/);
    await rm(join(folder, 'ledger.jsonl'));
    await expect(handle.charge(round(1))).rejects.toThrow(StateError);
  });

  it('that is not there is explained by what a silo folder looks like', async () => {
    await expect(readLedger(folder)).rejects.toThrow('runs/<name>/silos/<silo>');
  });
});
