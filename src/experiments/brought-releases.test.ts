import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HAND_MADE_SHAPE, handMadeLabelledDecoder } from '../../test/hand-made-decoder.ts';
import { openEngine } from '../engine/engine.ts';
import { SpecError, StateError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { openBroughtReleases } from './brought-releases.ts';
import { parseSpec } from './parse-spec.ts';
import { RELEASE_FILES, writeRelease } from './release-folder.ts';
import type { SpecInput } from './spec.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-brought-'));
const RELEASE = join(ROOT, 'north');
const IMAGES = { shape: HAND_MADE_SHAPE, classes: 3 };
const spec = (silo: object = {}, change: Partial<SpecInput> = {}) =>
  parseSpec({
    name: 'bringing',
    task: 'classify',
    data: { source: { kind: 'drawn-digits', train: 40, test: 40 }, partition: { kind: 'iid' } },
    silos: [{ name: 'east' }, { name: 'north', generator: { kind: 'release', dir: RELEASE }, ...silo }],
    local: { batchSize: 8 },
    privacy: { mechanism: 'none' },
    ...change,
  });

beforeAll(async () => {
  const engine = await openEngine({ executor: 'onnxruntime' });
  for (const dir of [RELEASE, join(ROOT, 'cut')]) {
    await writeRelease(dir, {
      engine,
      onnx: handMadeLabelledDecoder(),
      silo: 'north',
      shape: HAND_MADE_SHAPE,
      classes: { count: 3, offered: [0, 2] },
      privacy: NO_PRIVACY,
      now: () => new Date(0),
    });
  }
  await engine.close();
  truncateSync(join(ROOT, 'cut', RELEASE_FILES.decoder), 100);
});
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

describe('what a silo brings along', () => {
  test('is the same in every round, with all that it offers', async () => {
    const brought = await openBroughtReleases(spec(), IMAGES);
    expect(brought.origin).toMatch(/^north [0-9a-f]{64}$/);
    const [first, third] = [await brought.of('north', 1), await brought.of('north', 3)];
    expect([first.round, third.round]).toEqual([1, 3]);
    expect(third.decoder).toEqual(first.decoder);
    expect(first.decoder.classes).toEqual({ count: 3, offered: [0, 2] });
    await expect(brought.of('east', 1)).rejects.toThrow(StateError);
  });

  test('offers no more than the spec lets it', async () => {
    const brought = await openBroughtReleases(spec({ offers: [2] }), IMAGES);
    expect((await brought.of('north', 1)).decoder.classes).toEqual({ count: 3, offered: [2] });
  });

  test('is not read where nobody asks for it', async () => {
    const nowhere = { kind: 'release', dir: join(ROOT, 'nowhere') };
    expect((await openBroughtReleases(spec({ generator: nowhere }, { strategies: ['fedavg'] }), IMAGES)).origin).toBe(
      'none',
    );
    expect((await openBroughtReleases(spec({ generator: nowhere, participation: null }), IMAGES)).origin).toBe('none');
    expect((await openBroughtReleases(spec({ generator: { kind: 'vae' } }), IMAGES)).origin).toBe('none');
  });

  test.each([
    [
      'offers that it does not give',
      spec({ offers: [1, 2] }),
      IMAGES,
      /^silos\.1\.offers: the release of north offers 0, 2, but the spec also 1/,
    ],
    [
      'images of another size',
      spec(),
      { ...IMAGES, shape: { channels: 1, height: 28, width: 28 } },
      /^silos\.1\.generator\.dir: .* 1x2x2, .* 1x28x28/,
    ],
    [
      'another number of classes',
      spec(),
      { ...IMAGES, classes: 10 },
      /^silos\.1\.generator\.dir: .* the 10 classes .* it knows 3 classes/,
    ],
    [
      'a folder that is not there',
      spec({ generator: { kind: 'release', dir: join(ROOT, 'nowhere') } }),
      IMAGES,
      /^silos\.1\.generator\.dir: north brings .*nowhere has none .*--silo north/,
    ],
  ] as const)('is refused by its path in the spec: %s', async (_, asked, images, message) => {
    await expect(openBroughtReleases(asked, images)).rejects.toThrow(message);
    await expect(openBroughtReleases(asked, images)).rejects.toThrow(SpecError);
  });

  test('is refused with the name of its silo where the file is damaged', async () => {
    const cut = openBroughtReleases(spec({ generator: { kind: 'release', dir: join(ROOT, 'cut') } }), IMAGES);
    await expect(cut).rejects.toThrow(/^The release of north in .*cut: Decoder refused/);
    await expect(cut).rejects.toMatchObject({ code: 'RELEASE', facts: { silo: 'north' } });
  });
});
