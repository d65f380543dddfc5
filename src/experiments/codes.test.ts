// Codes of test images on disk: bounded, replaced where a round is repeated, and refused where damaged.

import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { StateError } from '../errors.ts';
import { MAX_POINTS, readCodes, saveRoundCodes } from './codes.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'align-fl-codes-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const align = (round: number) => ({ strategy: 'align', round });

describe('saveRoundCodes', () => {
  it('keeps codes of two numbers as they are, to four digits', async () => {
    const path = join(root, 'plain.json');
    const codes = Float32Array.of(1.23456, -2, 3, 4);
    await saveRoundCodes(path, align(1), { codes, dim: 2, labels: Uint8Array.of(7, 8) });
    expect(await readCodes(path)).toEqual({
      format: 'align-fl/codes@1',
      strategy: 'align',
      testImages: 2,
      labels: [7, 8],
      rounds: [{ round: 1, axes: 'code', explained: null, x: [1.235, 3], y: [-2, 4] }],
    });
  });

  it('draws a code of one number on a line', async () => {
    const path = join(root, 'line.json');
    await saveRoundCodes(path, align(1), { codes: Float32Array.of(1, 2, 3), dim: 1, labels: [0, 1, 2] });
    expect((await readCodes(path))?.rounds[0]).toMatchObject({ x: [1, 2, 3], y: [0, 0, 0] });
  });

  it('shows larger codes along their two widest directions, and says how much of them that is', async () => {
    const path = join(root, 'wide.json');
    const count = 400;
    const z = normals(childKey(seedKey('codes'), 'test'), 4 * count);
    const scales = [1, 10, 0.1, 5]; // variances 1, 100, 0.01, 25
    const codes = z.map((value, i) => value * (scales[i % 4] as number));
    await saveRoundCodes(path, align(1), { codes, dim: 4, labels: new Uint8Array(count) });
    const [round] = (await readCodes(path))?.rounds ?? [];
    expect(round?.axes).toBe('pca');
    expect(round?.explained).toBeCloseTo(125 / 126.01, 2);
    const alike = (round?.x ?? []).map((x, i) => Math.abs(x) - Math.abs(codes[4 * i + 1] as number));
    expect(Math.max(...alike.map(Math.abs))).toBeLessThan(2); // the mean aside, x is the second number of the code
  });

  it('selects at most a thousand points at equal distances', async () => {
    const path = join(root, 'many.json');
    const labels = Uint32Array.from({ length: 2500 }, (_, i) => i);
    await saveRoundCodes(path, align(1), { codes: new Float32Array(5000), dim: 2, labels });
    const saved = await readCodes(path);
    expect(saved?.labels).toHaveLength(MAX_POINTS);
    expect(saved?.labels.slice(0, 3)).toEqual([0, 2, 5]);
    expect(saved?.testImages).toBe(2500);
  });

  it('adds rounds, and replaces those that a stopped run plays again', async () => {
    const path = join(root, 'rounds.json');
    const test = (value: number) => ({ codes: Float32Array.of(value, value), dim: 2, labels: [0] });
    for (const [round, value] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [2, 9],
    ] as const) {
      await saveRoundCodes(path, align(round), test(value));
    }
    expect((await readCodes(path))?.rounds.map(({ round, x }) => [round, x[0]])).toEqual([
      [1, 1],
      [2, 9],
    ]);
  });
});

describe('readCodes', () => {
  it('is null where there are none', async () => {
    expect(await readCodes(join(root, 'missing.json'))).toBeNull();
  });

  it('refuses what is no codes file, and rounds that have other points than labels', async () => {
    const path = join(root, 'damaged.json');
    const round = { round: 1, axes: 'code', explained: null, x: [1], y: [1, 2] };
    const codes = { format: 'align-fl/codes@1', strategy: 'align', testImages: 2, labels: [0, 1], rounds: [round] };
    for (const content of [codes, { ...codes, rounds: [], extra: 1 }]) {
      await writeFile(path, JSON.stringify(content));
      await expect(readCodes(path)).rejects.toThrow(StateError);
    }
  });
});
