// What a silo does when it is asked, what it refuses, and what it knows of itself after a restart.

import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { handMadeLabelledDecoder, HAND_MADE_SHAPE } from '../../test/hand-made-decoder.ts';
import { DIGITS, HAND_MADE, HOOKS, siloNorth, welcomeTo } from '../../test/silo-folder.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { openEngine } from '../engine/engine.ts';
import { PrivacyError, SpecError } from '../errors.ts';
import { declaredStatement } from '../exchange/privacy-statement.ts';
import { writeRelease } from '../experiments/release-folder.ts';
import { openDepartures } from '../net/departures.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { readLedger } from '../privacy/ledger.ts';
import { contentHash } from '../storage/content-hash.ts';
import { nameBudget } from './silo-budget.ts';
import { changeSiloSettings, defaultLedgerDir, readSiloSettings } from './silo-home.ts';

const ROOT = temporaryFolder();

/** A folder as `align-fl release` writes it. */
async function broughtDecoder(): Promise<string> {
  const dir = mkdtempSync(join(ROOT, 'release-'));
  const engine = await openEngine({ executor: 'onnxruntime' });
  const about = { silo: 'north', shape: HAND_MADE_SHAPE, classes: { count: 3, offered: [0, 2] } };
  const privacy = declaredStatement('trained under lock and key');
  await writeRelease(dir, { engine, onnx: handMadeLabelledDecoder(), ...about, privacy, now: () => new Date(0) });
  await engine.close();
  return dir;
}

describe('a silo with images', () => {
  test('plays no round that is not in the plan it agreed to', async () => {
    const { open } = await siloNorth(ROOT);
    const work = await open();
    await work.agree(welcomeTo({}), false);
    for (const round of [0, 2]) {
      await expect(work.play(round, HOOKS)).rejects.toThrow(PrivacyError);
    }
    await work.close();
  });

  test('plays no round before or after it takes part', async () => {
    const { open } = await siloNorth(ROOT);
    const work = await open();
    const silos = [{ name: 'north', participation: { from: 2, to: 2 } }, { name: 'east' }];
    await work.agree(welcomeTo({ rounds: 3, silos }), false);
    for (const round of [1, 3]) {
      await expect(work.play(round, HOOKS)).rejects.toThrow(`Round ${round} is none in which`);
    }
    expect((await work.play(2, HOOKS)).round).toBe(2);
    await work.close();
  });

  test('answers a changed plan by what was trained under it alone', async () => {
    const { open } = await siloNorth(ROOT);
    const work = await open();
    await work.agree(welcomeTo({}), false);
    const one = await work.play(1, HOOKS);
    const changed = welcomeTo({ local: { epochs: 2, batchSize: 8 } });
    await work.agree(changed, false);
    expect(await work.state()).toEqual({ plan: changed.plan, round: null });
    const two = await work.play(1, HOOKS);
    expect(two.decoder.sha256).not.toBe(one.decoder.sha256);
    await work.close();
  });

  test('asks again for other images, and goes on with none but those it began with', async () => {
    const { open, shown, dataOf } = await siloNorth(ROOT);
    const welcome = welcomeTo({ rounds: 2 });
    const work = await open();
    await work.agree(welcome, false);
    await work.close();
    const same = await open();
    await same.agree(welcome, false);
    await same.close();
    expect(shown).toHaveLength(1);
    const other = { data: dataOf('east'), ledger: defaultLedgerDir(dataOf('east'), 'north') };
    const again = await open(other);
    await again.agree(welcome, false);
    expect(shown[1]).toContain('ANOTHER SET OF IMAGES');
    await again.play(1, HOOKS);
    await again.close();
    await expect(open()).rejects.toThrow('These images');
  });

  test('leaves the plan to be read, the wish of meanwhile alone, and the agreed plan whole', async () => {
    const { open, layout } = await siloNorth(ROOT);
    const work = await open({}, { ask: async () => false });
    const welcome = welcomeTo({});
    await expect(work.agree(welcome, false)).rejects.toThrow('Not agreed');
    expect(readFileSync(layout.proposed, 'utf8')).toBe(welcome.planText);
    const planText = '{"a":';
    await expect(work.agree({ ...welcome, planText, plan: contentHash(planText) }, false)).rejects.toThrow(SpecError);
    await work.close();
    const pausing = await open({}, { ask: () => changeSiloSettings(layout, { wish: 'paused' }).then(() => true) });
    await pausing.agree(welcome, false);
    expect(await readSiloSettings(layout)).toMatchObject({ agreed: welcome.plan, wish: 'paused' });
    expect(readFileSync(layout.plan(welcome.plan), 'utf8')).toBe(welcome.planText);
    await pausing.close();
  });

  test.each([
    ['an escape in a key', { '\u001b[2Jname': 1 }],
    ['a line end in a key', { 'a\rb': 1 }],
    ['an escape of one character in a value', { name: 'fed\u009b31m' }],
    ['a turned text in a value', { local: { epochs: 1, batchSize: '\u202e8' } }],
  ])('shows its owner nothing of a plan with %s, and keeps none of it', async (_, change) => {
    const { open, layout, shown } = await siloNorth(ROOT);
    const work = await open();
    const welcome = welcomeTo({});
    const planText = JSON.stringify({ ...(JSON.parse(welcome.planText) as object), ...change });
    const agreeing = work.agree({ ...welcome, planText, plan: contentHash(planText) }, false);
    const error = await agreeing.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SpecError);
    expect((error as SpecError).message).toMatch(/^\P{C}+$/u);
    expect(shown).toEqual([]);
    expect(existsSync(layout.proposed)).toBe(false);
    await work.close();
  });

  test('tells of a plan that is wrong in words that end', async () => {
    const { open } = await siloNorth(ROOT);
    const work = await open();
    const planText = JSON.stringify(Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`key${i}`, i])));
    const agreeing = work.agree({ ...welcomeTo({}), planText, plan: contentHash(planText) }, false);
    const { message } = (await agreeing.catch((reason: unknown) => reason)) as SpecError;
    expect(message).toContain('the plan of the server has');
    expect(message.length).toBeLessThan(5000);
    await work.close();
  });

  test('keeps to the budget that its owner named, whatever the plan says and whoever agreed meanwhile', async () => {
    const { open, settings } = await siloNorth(ROOT);
    const name = (epsilon: number) => nameBudget(settings.ledger, { epsilon, delta: 1e-5 }, () => new Date(0));
    const welcome = welcomeTo({ privacy: { mechanism: 'dp-sgd', epsilon: 4, delta: 1e-5 } });
    await name(2);
    const small = await open();
    await expect(small.agree(welcome, false)).rejects.toThrow('exceed the privacy budget');
    await small.close();
    await name(5);
    const no = await open({}, { ask: async () => false });
    await expect(no.agree(welcome, false)).rejects.toThrow('Not agreed');
    await no.close();
    const yes = await open();
    await yes.agree(welcome, false);
    expect(await firstBudget(settings.ledger)).toEqual({ epsilon: 5, delta: 1e-5 });
    await yes.play(1, HOOKS);
    await yes.close();
    await expect(name(6)).rejects.toThrow(`align-fl ledger ${settings.ledger}`);
    await name(5);
    expect((await readLedger(settings.ledger)).budget).toEqual({ epsilon: 5, delta: 1e-5 });
  });
});

test('a silo that brings its decoder along knows what left after a restart, so that its server lets it in again', async () => {
  const { open, layout } = await siloNorth(ROOT);
  const release = await broughtDecoder();
  const welcome = welcomeTo({ rounds: 3 }, HAND_MADE);
  const work = await open({ data: null, release });
  await work.agree(welcome, false);
  expect(await work.state()).toEqual({ plan: welcome.plan, round: null });
  const { privacy, decoder } = await work.play(1, HOOKS);
  const departures = await openDepartures(layout.departures, () => new Date(0));
  const of = { run: 'tiny', plan: welcome.plan, round: 1, privacy };
  await departures.note({ ...of, decoder: { ...decoder, classes: null } }, 'leaving');
  await departures.noteFailure({ ...of, round: 2, task: 2 }, 'STATE');
  await work.close();
  const again = await open({ data: null, release });
  expect(await again.state()).toEqual({ plan: welcome.plan, round: 1 });
  await again.close();
});

test('whoever brings a decoder along is shown what that says of itself, and that the plan asks more of others', async () => {
  const { open, shown } = await siloNorth(ROOT);
  const release = await broughtDecoder();
  const work = await open({ data: null, release });
  await work.agree(welcomeTo({ privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } }, HAND_MADE), false);
  expect(shown[0]).toContain(`the decoder in ${release}`);
  expect(shown[0]).toContain('trained under lock and key');
  expect(shown[0]).toMatch(/claimed of its privacy: (?!.*epsilon 8).*\n {2}the plan asks of those who train epsilon 8/);
  expect(shown[0]).not.toMatch(/trained 1 epoch/);
  await work.close();
});

describe('a decoder that is brought along', () => {
  const labelled = (offers: readonly number[] | null) => ({
    task: 'classify',
    silos: [{ name: 'north', ...(offers && { offers }) }, { name: 'east' }],
    data: { source: { kind: 'drawn-digits', train: 80, test: 60 }, partition: { kind: 'iid' } },
  });

  test.each([
    ['other images', {}, DIGITS, 'draws images of 1x2x2, but those of data.source are 1x28x28'],
    [
      'other classes',
      labelled(null),
      { ...HAND_MADE, classes: 4 },
      'should offer some of the 4 classes of data.source, but it knows 3',
    ],
    ['classes that it does not offer', labelled([0, 1]), HAND_MADE, 'offers 0, 2, but the spec also 1'],
  ])('is not taken to a plan of %s: nobody is asked and nothing leaves', async (_, over, images, words) => {
    const { open, shown } = await siloNorth(ROOT);
    const release = await broughtDecoder();
    const work = await open({ data: null, release });
    await expect(work.agree(welcomeTo(over, images), false)).rejects.toThrow(
      `--release: the decoder in ${release} ${words}`,
    );
    expect(shown).toEqual([]);
    await work.close();
  });

  test('gives the classes alone that the plan asks for', async () => {
    const { open } = await siloNorth(ROOT);
    const work = await open({ data: null, release: await broughtDecoder() });
    await work.agree(welcomeTo(labelled([2]), HAND_MADE), false);
    expect((await work.play(1, HOOKS)).decoder.classes).toEqual({ count: 3, offered: [2] });
    await work.close();
  });
});
