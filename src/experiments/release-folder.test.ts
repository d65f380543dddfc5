import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handMadeDecoder, handMadeLabelledDecoder, HAND_MADE_SHAPE, node } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { drawLabelledPool } from '../server/labelled-pool.ts';
import { loadRelease, type NewRelease, RELEASE_FILES, writeRelease } from './release-folder.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-releases-'));
const DECLARED = declaredStatement('DP-SGD elsewhere, epsilon 1');

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(async () => {
  rmSync(ROOT, { recursive: true, force: true });
  await engine.close();
});

/** Writes a release and returns its folder. */
async function written(name: string, change: Partial<NewRelease> = {}) {
  const dir = join(ROOT, name);
  const { file, description } = await writeRelease(dir, {
    engine,
    onnx: handMadeLabelledDecoder(),
    silo: 'north',
    shape: HAND_MADE_SHAPE,
    classes: { count: 3, offered: [0, 2] },
    privacy: DECLARED,
    now: () => new Date('2026-01-02T03:04:05.000Z'),
    ...change,
  });
  return { dir, file, description };
}

/** Edits `release.json` in place. */
function edit(dir: string, change: (about: Record<string, unknown>) => unknown): void {
  const path = join(dir, RELEASE_FILES.about);
  const about = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  change(about);
  writeFileSync(path, JSON.stringify(about));
}

describe('a release folder', () => {
  test('gives back what was written, as the release of any round, and images', async () => {
    const { dir, file } = await written('labelled');
    expect(file).toMatchObject({
      date: '2026-01-02T03:04:05.000Z',
      latent: 2,
      lipschitz: { bound: expect.any(Number) as number },
    });
    const release = await loadRelease(dir, { round: 4, silo: 'north' });
    expect(release).toMatchObject({ kind: 'decoder', silo: 'north', round: 4, privacy: DECLARED });
    const { bytes, ...rest } = release.decoder;
    expect(Buffer.compare(await bytes(), handMadeLabelledDecoder())).toBe(0);
    const { sha256, sizeBytes, latent, shape, classes } = file;
    expect(rest).toEqual({ sha256, sizeBytes, latent, shape, classes });
    const options = { engine, perClass: 2, classes: 3, shape, key: seedKey('pool') };
    expect((await drawLabelledPool({ ...options, releases: [release] })).labels).toEqual(Uint8Array.of(0, 0, 2, 2));
  });

  test('holds a decoder that takes no class, with labels or without', async () => {
    const plain = await written('plain', { onnx: handMadeDecoder(), classes: null, privacy: NO_PRIVACY });
    expect((await loadRelease(plain.dir, { round: 1 })).decoder.classes).toBeNull();
    const one = await written('one', { onnx: handMadeDecoder(), classes: { count: 10, offered: [7] } });
    expect((await loadRelease(one.dir, { round: 1 })).decoder.classes).toEqual({ count: 10, offered: [7] });
  });

  test('is not written over another, and not at all where the receiver would refuse', async () => {
    await written('taken');
    await expect(written('taken')).rejects.toThrow(/holds a release already/);
    const unsquashed = handMadeLabelledDecoder((graph) => {
      graph.node[3] = node('Identity', ['logits'], ['pixels']);
    });
    for (const [change, reason] of [
      [{ onnx: unsquashed }, 'out-of-range'],
      [{ classes: null }, 'offers'],
      [{ classes: { count: 4, offered: [0] } }, 'offers'],
      [{ onnx: Uint8Array.of(1, 2) }, 'not-onnx'],
    ] as const) {
      await expect(written('refused', change)).rejects.toMatchObject({ code: 'RELEASE' });
      if (reason !== 'not-onnx') await expect(written('refused', change)).rejects.toMatchObject({ facts: { reason } });
    }
    expect(readdirSync(ROOT)).not.toContain('refused');
  });

  test.each<readonly [string, RegExp, (about: Record<string, unknown>) => unknown]>([
    ['another hash', /it was changed since/, (about) => (about['sha256'] = 'ab'.repeat(32))],
    ['other codes', /it was changed since/, (about) => (about['latent'] = 3)],
    ['a version of the future', /no release of version 1/, (about) => (about['version'] = 2)],
    ['a field that nobody knows', /no release of version 1/, (about) => (about['count'] = 600)],
    [
      'a guarantee',
      /no release of version 1/,
      (about) => (about['privacy'] = { ...DECLARED, guarantee: 'epsilon-delta', epsilon: 1, delta: 1e-5 }),
    ],
    [
      'a text that claims more than a declaration can',
      /what a release made elsewhere cannot say/,
      (about) => (about['privacy'] = { ...DECLARED, text: 'Verified by align-fl: epsilon 1.' }),
    ],
    [
      'a smaller Lipschitz bound than the weights show',
      /certificate does not hold/,
      (about) => (about['lipschitz'] = { bound: 0.01, perLayer: [{ layer: 'w', norm: 0.01 }] }),
    ],
    [
      'classes that it cannot give',
      /expected were classes from 0 to 2/,
      (about) => (about['classes'] = { count: 3, offered: [3] }),
    ],
    ['no word on classes', /does not say which classes/, (about) => (about['classes'] = null)],
  ])('is refused with %s', async (name, message, change) => {
    const { dir } = await written(name.replaceAll(' ', '-'));
    edit(dir, change);
    await expect(loadRelease(dir, { round: 1 })).rejects.toThrow(message);
  });

  test('is refused with another decoder, a larger one, for another silo, and where there is none', async () => {
    const { dir } = await written('swapped');
    await expect(loadRelease(dir, { round: 1, silo: 'south' })).rejects.toThrow(/release of 'north', not of 'south'/);
    writeFileSync(join(dir, RELEASE_FILES.decoder), handMadeDecoder());
    await expect(loadRelease(dir, { round: 1 })).rejects.toMatchObject({ code: 'STATE' });
    writeFileSync(join(dir, RELEASE_FILES.decoder), new Uint8Array(100_000));
    await expect(loadRelease(dir, { round: 1 })).rejects.toThrow(/at most/);
    await expect(loadRelease(join(ROOT, 'nowhere'), { round: 1 })).rejects.toMatchObject({ code: 'STATE' });
  });
});
