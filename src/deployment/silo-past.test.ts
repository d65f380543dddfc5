// What a silo that lost its folder, or came back with an older one, does not do a second time.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HOOKS, siloNorth, welcomeTo } from '../../test/silo-folder.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { PrivacyError } from '../errors.ts';
import { openDepartures } from '../net/departures.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import { spentOf } from '../privacy/ledger-charges.ts';
import { loadState, saveState, type StoredState } from '../training/state-file.ts';
import { defaultLedgerDir, makeSiloFolder, readSiloSettings, saveSiloSettings } from './silo-home.ts';

const ROOT = temporaryFolder();

describe('a silo that lost its folder and kept its ledger', () => {
  const EPSILON = 4;
  const privacy = { mechanism: 'dp-sgd', epsilon: EPSILON, delta: 1e-5 };
  const welcome = welcomeTo({ rounds: 3, privacy });
  // As the invite names the run for which the ledger is asked.
  const named = { federation: 'tiny' };

  /** A silo that gave round 1, and so far nothing but its ledger and its images is left of it. */
  async function lostNorth() {
    const silo = await siloNorth(ROOT);
    const work = await silo.open(named);
    expect(await work.seals()).toEqual([]);
    await work.agree(welcome, false);
    const { round, decoder } = await work.play(1, HOOKS);
    expect(await work.seals()).toEqual([{ round, sha256: decoder.sha256 }]);
    await work.close();
    rmSync(silo.layout.root, { recursive: true });
    await makeSiloFolder(silo.layout);
    await saveSiloSettings(silo.layout, { ...silo.settings, ...named });
    const charges = async () => (await readLedger(silo.settings.ledger)).entries;
    return { ...silo, charges };
  }

  test('is asked anew, and pays for the rounds that are to come out of a budget that was exactly right', async () => {
    const { open, shown, charges } = await lostNorth();
    const work = await open();
    await work.agree(welcome, true);
    await work.agree(welcome, true);
    expect(shown).toHaveLength(2);
    expect(shown[1]).toContain('it begins a new model');
    for (const round of [2, 3]) expect((await work.play(round, HOOKS)).round).toBe(round);
    await work.close();
    const entries = await charges();
    expect(entries.map(({ round, sealed }) => [round, sealed !== null])).toEqual(
      [1, 2, 3].map((round) => [round, true]),
    );
    expect(spentOf(entries, 1e-5).epsilon).toBeLessThanOrEqual(EPSILON);
    const undisturbed = entries.slice(0, 1).flatMap((charge) => [charge, charge, charge]);
    expect(spentOf(entries, 1e-5)).toEqual(spentOf(undisturbed, 1e-5));
  });

  test('trains no round a second time that has left it, also after a restart', async () => {
    const { open, charges } = await lostNorth();
    const work = await open();
    await work.agree(welcome, true);
    await expect(work.play(1, HOOKS)).rejects.toThrow(/A decoder of round 1 .* has left this silo/);
    await work.close();
    const again = await open(); // charged, and without a state
    await again.agree(welcome, true);
    await expect(again.play(1, HOOKS)).rejects.toThrow(PrivacyError);
    await again.play(2, HOOKS);
    await again.close();
    expect((await charges()).map(({ round }) => round)).toEqual([1, 2]);
  });

  test('trains no sealed round anew though the server has nothing of it', async () => {
    const { open, charges } = await lostNorth();
    const work = await open();
    await work.agree(welcome, false);
    await expect(work.play(1, HOOKS)).rejects.toThrow(/was sealed by its ledger/);
    expect((await work.play(2, HOOKS)).round).toBe(2);
    await work.close();
    expect((await charges()).map(({ round }) => round)).toEqual([1, 2]);
  });

  test('trains no sealed round anew where the folder was put back as of the middle of it', async () => {
    const { open, layout, settings, charges } = await lostNorth();
    const work = await open();
    await work.agree(welcome, false);
    await work.play(2, HOOKS);
    const file = join(layout.state(welcome.plan), 'state.safetensors');
    const ended = await loadState(file);
    await saveState(`${file}.complete`, { ...(ended as StoredState), round: 1 });
    await saveState(file, { ...(ended as StoredState), finished: false });
    expect(await work.state()).toEqual({ plan: welcome.plan, round: 1 });
    await expect(work.play(2, HOOKS)).rejects.toThrow(/was sealed by its ledger/);
    expect((await work.play(3, HOOKS)).round).toBe(3);
    await work.close();
    expect((await charges()).map(({ round }) => round)).toEqual([1, 2, 3]);
    expect((await readLedger(settings.ledger)).entries.every(({ plan }) => plan === welcome.plan)).toBe(true);
  });

  test('an older copy of the folder has its owner asked again, once, and goes on with the model that is there', async () => {
    const { open, layout, shown } = await lostNorth();
    const work = await open();
    await work.agree(welcome, false);
    await work.play(2, HOOKS);
    await work.agree(welcome, true);
    expect(shown).toHaveLength(3);
    expect(shown[2]).toMatch(/knows of round 2 at most.*from what is here/s);
    expect(shown[2]).not.toMatch(/ANOTHER SET OF IMAGES|HAS CHANGED/);
    await work.close();
    const again = await open();
    await again.agree(welcome, true);
    expect(shown).toHaveLength(3);
    expect(await readSiloSettings(layout)).toMatchObject({ agreed: welcome.plan, agreedByLedger: welcome.plan });
    await again.close();
  });

  test('counts no round of a run of the same name under another plan', async () => {
    const { open, settings, charges } = await lostNorth();
    await setBudget(settings.ledger, { epsilon: 40, delta: 1e-5 }, () => new Date(0));
    const other = welcomeTo({ rounds: 3, privacy, seed: 2 });
    const work = await open();
    await work.agree(other, false);
    const { privacy: said } = await work.play(1, HOOKS);
    await work.play(2, HOOKS);
    await work.close();
    const entries = await charges();
    expect(entries.map(({ plan, round }) => [plan === other.plan, round])).toEqual([
      [false, 1],
      [true, 1],
      [true, 2],
    ]);
    expect(said.epsilon).toBeCloseTo(spentOf(entries.slice(0, 2), 1e-5).epsilon, 9);
    await setBudget(settings.ledger, { epsilon: EPSILON, delta: 1e-5 }, () => new Date(0));
    const third = await open();
    await expect(third.agree(welcomeTo({ rounds: 3, privacy, seed: 3 }), false)).rejects.toThrow(
      'All planned rounds of tiny',
    );
    await third.close();
  });

  test('shows nothing of another run, or of another ledger', async () => {
    const { open, settings, dataOf } = await lostNorth();
    const work = await open();
    expect(await work.seals()).toHaveLength(1);
    await work.close();
    const elsewhere = { ledger: defaultLedgerDir(dataOf('east'), 'north') };
    for (const change of [{ federation: 'another' }, { silo: 'east' }, elsewhere]) {
      const other = await open({ ...settings, ...named, ...change });
      expect(await other.seals()).toEqual([]);
      await other.close();
    }
  });
});

test('a silo whose state alone is lost goes on by what its ledger knows, and not without', async () => {
  const noted = async (privacy: object) => {
    const { open, layout, settings } = await siloNorth(ROOT);
    const welcome = welcomeTo({ rounds: 2, privacy });
    const work = await open();
    await work.agree(welcome, false);
    const { privacy: said, decoder } = await work.play(1, HOOKS);
    const departures = await openDepartures(layout.departures, () => new Date(0));
    const of = { run: 'tiny', plan: welcome.plan, round: 1, privacy: said };
    await departures.note({ ...of, decoder: { ...decoder, classes: null } }, 'leaving');
    await work.close();
    rmSync(layout.state(welcome.plan), { recursive: true });
    return { work: await open(), settings };
  };
  const counted = await noted({ mechanism: 'dp-sgd', epsilon: 4, delta: 1e-5 });
  expect(await counted.work.state()).toMatchObject({ round: 1 });
  await expect(counted.work.play(1, HOOKS)).rejects.toThrow(PrivacyError);
  await counted.work.play(2, HOOKS);
  await counted.work.close();
  expect((await readLedger(counted.settings.ledger)).entries).toHaveLength(2);
  const uncounted = await noted({ mechanism: 'none' });
  await expect(uncounted.work.play(2, HOOKS)).rejects.toThrow(/The decoder of round 1 left .*Put back the folder/);
  await uncounted.work.close();
});
