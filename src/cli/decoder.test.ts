import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, describe, expect, test } from 'vitest';
import { said } from '../../test/command-line.ts';
import { floats, handMadeDecoder, handMadeLabelledDecoder, port } from '../../test/hand-made-decoder.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-decoder-cli-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

const file = (name: string, bytes: Uint8Array) => {
  const path = join(ROOT, name);
  writeFileSync(path, bytes);
  return path;
};
const LABELLED = file('labelled.onnx', handMadeLabelledDecoder());
const PLAIN = file('plain.onnx', handMadeDecoder());
const OPEN = file(
  'open.onnx',
  handMadeDecoder((_, graph) => {
    graph.output = [port('x', ['n', 'a', 'b', 'c'])];
  }),
);
/** Offers classes 0 and 2 of three: the logits of class 1 are beyond what a sigmoid tells from 0. */
const BLANK = file(
  'blank.onnx',
  handMadeLabelledDecoder((graph) => {
    const v = graph.initializer.findIndex(({ name }) => name === 'v');
    graph.initializer[v] = floats('v', [3, 4], Float32Array.of(3, 0, 0, 0, -200, -200, -200, -200, 0, 0, 1, -1));
  }),
);
const PICTURE = join(ROOT, 'picture.png');

describe('align-fl decoder inspect', () => {
  test('tells the contract, also as JSON', async () => {
    const { code, stdout } = await said('decoder', 'inspect', LABELLED);
    expect(code).toBe(0);
    for (const words of ['[n, 2]', '[n, 3], one-hot', '[n, 1, 2, 2]', 'MatMul 2', 'within a class']) {
      expect(stdout).toContain(words);
    }
    const json = JSON.parse((await said('decoder', 'inspect', PLAIN, '--json')).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({
      contract: { latent: 2, classes: null, shape: { channels: 1, height: 2, width: 2 } },
      parameters: 8,
      opset: 18,
      whyNone: null,
    });
  });

  test('asks for the shape that a file leaves open, and takes no other than a file says', async () => {
    expect(await said('decoder', 'inspect', OPEN)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--shape is missing') as string,
    });
    expect((await said('decoder', 'inspect', OPEN, '--shape', '1x2x2')).code).toBe(0);
    const other = await said('decoder', 'inspect', PLAIN, '--shape', '1x4x1');
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('another output') as string });
    expect((await said('decoder', 'inspect', OPEN, '--shape', '2x2')).stderr).toContain('Write 1x28x28');
  });

  test('says why a file is refused, and what to do', async () => {
    const { code, stderr } = await said('decoder', 'inspect', file('picture.onnx', Uint8Array.of(0x89, 0x50)));
    expect(code).toBe(1);
    expect(stderr).toContain('Export it again as one ONNX file');
    for (const path of [join(ROOT, 'nosuch.onnx'), join(PLAIN, 'nosuch.onnx')]) {
      const missing = await said('decoder', 'inspect', path);
      expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining(`There is no file ${path}`) as string });
      expect(missing.stderr).not.toMatch(/ENO/);
    }
  });
});

describe('align-fl decoder sample', () => {
  test('draws a row for each class, the same for the same seed', async () => {
    const sample = async (...more: string[]) => {
      const { code, stdout } = await said('decoder', 'sample', LABELLED, '--count', '4', '--out', PICTURE, ...more);
      expect(code).toBe(0);
      return { stdout, bytes: readFileSync(PICTURE) };
    };
    const { bytes, stdout } = await sample();
    expect(stdout).toContain('12 images, from the top classes 0, 1, 2');
    expect(decode(bytes)).toMatchObject({ width: 2 + 4 * 6, height: 2 + 3 * 6 }); // two pixels, twice as large, and a gap
    expect((await sample()).bytes.equals(bytes)).toBe(true);
    expect((await sample('--seed', '1')).bytes.equals(bytes)).toBe(false);
    expect(decode((await sample('--class', '1')).bytes)).toMatchObject({ height: 2 + 6 });
  });

  test('draws a square where there is no class to ask for', async () => {
    const { code } = await said('decoder', 'sample', PLAIN, '--count', '9', '--out', PICTURE);
    expect(code).toBe(0);
    expect(decode(readFileSync(PICTURE))).toMatchObject({ width: 2 + 3 * 6, height: 2 + 3 * 6 });
    expect((await said('decoder', 'sample', PLAIN, '--class', '1')).stderr).toContain('takes no class');
    expect((await said('decoder', 'sample', LABELLED, '--class', '3')).stderr).toContain('classes from 0 to 2');
  });
});

describe('a decoder that leaves a class blank, which its silo does not offer', () => {
  test('is drawn without that class, and told to be', async () => {
    const { code, stdout } = await said('decoder', 'sample', BLANK, '--count', '4', '--out', PICTURE);
    expect(code).toBe(0);
    expect(stdout).toContain('8 images, from the top classes 0, 2\n');
    expect(stdout).toContain('Class 1: left out');
    expect(decode(readFileSync(PICTURE))).toMatchObject({ height: 2 + 2 * 6 });
  });

  test('is drawn blank where that class is asked for, and said to be', async () => {
    const { code, stdout } = await said('decoder', 'sample', BLANK, '--class', '0,1', '--out', PICTURE);
    expect(code).toBe(0);
    expect(stdout).toContain('Class 1: one image, whatever the code');
    expect(stdout).toContain('it draws 0, 2.');
    expect((await said('decoder', 'sample', BLANK, '--class', '0,2', '--out', PICTURE)).stdout).not.toContain('Class');
  });

  test('is timed', async () => {
    expect((await said('decoder', 'bench', BLANK, '--batch', '2', '--seconds', '0.01')).code).toBe(0);
  });

  test('is refused where it leaves all of them blank', async () => {
    const none = file(
      'none.onnx',
      handMadeLabelledDecoder((graph) => {
        const v = graph.initializer.findIndex(({ name }) => name === 'v');
        graph.initializer[v] = floats('v', [3, 4], new Float32Array(12).fill(-200));
      }),
    );
    const { code, stderr } = await said('decoder', 'sample', none, '--out', PICTURE);
    expect(code).toBe(1);
    expect(stderr).toContain('8 draws with different z gave one image');
  });
});

test('align-fl decoder bench measures each batch size', async () => {
  const { code, stdout } = await said('decoder', 'bench', LABELLED, '--batch', '8,2', '--seconds', '0.01', '--json');
  expect(code).toBe(0);
  const { measured } = JSON.parse(stdout) as {
    measured: { batch: number; imagesPerSecond: number; peakMemoryMiB: number }[];
  };
  expect(measured.map(({ batch }) => batch)).toEqual([8, 2]); // as they were asked for
  expect(measured.every(({ imagesPerSecond, peakMemoryMiB }) => imagesPerSecond > 0 && peakMemoryMiB > 1)).toBe(true);
  expect((await said('decoder', 'bench', PLAIN, '--seconds', '0.01')).stdout).toContain('images a second');
  expect((await said('decoder', 'bench', PLAIN, '--batch', '0')).code).toBe(2);
});
