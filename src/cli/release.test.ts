import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { said } from '../../test/command-line.ts';
import { handMadeDecoder, handMadeLabelledDecoder } from '../../test/hand-made-decoder.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-release-cli-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

const file = (name: string, bytes: Uint8Array) => {
  const path = join(ROOT, name);
  writeFileSync(path, bytes);
  return path;
};
const LABELLED = file('labelled.onnx', handMadeLabelledDecoder());
const PLAIN = file('plain.onnx', handMadeDecoder());

describe('align-fl release', () => {
  const release = (onnx: string, out: string, ...more: string[]) =>
    said('release', onnx, '--silo', 'north', '--out', join(ROOT, out), ...more);

  test('writes a folder that says what was said', async () => {
    const { code, stdout } = await release(LABELLED, 'a', '--offers', '0-1', '--privacy', 'none');
    expect(code).toBe(0);
    expect(stdout).toContain('labels 0, 1 (of 3 classes in all)');
    expect(stdout).toContain('No privacy mechanism was applied');
    const declared = ['--classes', '10', '--offers', '7', '--privacy', 'declared', 'DP-SGD, epsilon 1'];
    const json = JSON.parse((await release(PLAIN, 'b', ...declared, '--json')).stdout) as Record<string, unknown>;
    expect(json).toEqual(JSON.parse(readFileSync(join(ROOT, 'b', 'release.json'), 'utf8')));
    expect(json).toMatchObject({
      classes: { count: 10, offered: [7] },
      privacy: {
        guarantee: 'none',
        epsilon: null,
        text: expect.stringContaining('not verified by align-fl') as string,
      },
    });
  });

  test.each<readonly [string, string, readonly string[]]>([
    [LABELLED, '--offers is missing', ['--privacy', 'none']],
    [PLAIN, '--classes is missing', ['--offers', '7', '--privacy', 'none']],
    [PLAIN, '--offers is missing', ['--classes', '10', '--privacy', 'none']],
    [PLAIN, "required option '--privacy", []],
    [PLAIN, '--privacy: expected none, or declared', ['--privacy', 'dp-sgd']],
    [PLAIN, '--privacy: expected none, or declared', ['--privacy', 'declared', 'two', 'texts']],
    [PLAIN, 'A privacy declaration is one line', ['--privacy', 'declared', ' ']],
    [LABELLED, '--offers: expected classes from 0 to 2', ['--offers', '2-1', '--privacy', 'none']],
    [PLAIN, '--silo: expected small letters', ['--silo', 'North', '--privacy', 'none']],
  ])('asks for what is missing: %s, %s', async (onnx, message, flags) => {
    const { code, stderr } = await release(onnx, 'never', ...flags);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test('refuses what a receiver would', async () => {
    expect(await release(PLAIN, 'never', '--classes', '10', '--offers', '1,7', '--privacy', 'none')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('It takes no class, so it can offer one') as string,
    });
    expect(await release(LABELLED, 'never', '--classes', '10', '--offers', '1', '--privacy', 'none')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('It knows 3 classes') as string,
    });
  });
});
