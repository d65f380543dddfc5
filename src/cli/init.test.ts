import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { said } from '../../test/command-line.ts';
import { byteArray, npz } from '../../test/npz-writer.ts';
import { seedKey, childKey } from '../engine/keys.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { gatherMaterials } from '../experiments/materials.ts';

let dir = '';
let images = '';
const out = (name: string) => join(dir, name);

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'align-fl-init-'));
  mkdirSync(out('my scans'));
  images = join(dir, 'my scans', 'scans.npz');
  const part = (count: number, from: number) => ({
    x: byteArray(
      [count, 8, 8, 3],
      Uint8Array.from({ length: count * 192 }, (_, i) => from + Math.floor(i / 192)),
    ),
    y: byteArray(
      [count, 1],
      Uint8Array.from({ length: count }, (_, i) => i % 3),
    ),
  });
  const [train, held] = [part(90, 0), part(30, 89)]; // the first test image is the last training image
  writeFileSync(images, npz({ x_train: train.x, y_train: train.y, x_test: held.x, y_test: held.y }));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('align-fl init', () => {
  test('without a privacy mechanism says what is there and how to choose one, and writes nothing', async () => {
    const { code, stdout, stderr } = await said('init', images, '--out', out('none.yaml'));
    expect(code).toBe(2);
    expect(stdout).toContain('90 training and 30 test images of 3 classes, 8 x 8 pixels in colour');
    expect(stdout).toContain('1 test images are also training images');
    expect(stderr).toMatch(/No privacy mechanism is chosen, so nothing was written\. Choose --privacy none/);
    expect(existsSync(out('none.yaml'))).toBe(false);
  });

  test('writes a spec that loads, and deals as it said', async () => {
    const file = out('scans.yaml');
    const { code, stdout } = await said('init', join(dir, 'my scans'), '--privacy', 'none', '--out', file, '--json');
    expect(code).toBe(0);
    const spec = await loadSpec(file);
    expect(spec).toMatchObject({ name: 'my-scans', model: { kind: 'conv' }, privacy: { mechanism: 'none' } });
    const { manifest } = await gatherMaterials(spec, { env: {} }, childKey(seedKey(spec.seed), 'data'));
    const told = JSON.parse(stdout) as { silos: unknown; decoderBytes: readonly number[] };
    expect(told.silos).toEqual(manifest.silos);
    expect(manifest.silos.map(({ examples }) => examples)).toEqual([30, 30, 30]);
  });

  test('never replaces a file unless told to', async () => {
    const file = out('mine.yaml');
    writeFileSync(file, 'mine');
    const { code, stderr } = await said('init', images, '--privacy', 'none', '--out', file);
    expect([code, readFileSync(file, 'utf8')]).toEqual([1, 'mine']);
    expect(stderr).toContain('is there already, and was left as it is');
    expect((await said('init', images, '--privacy', 'none', '--out', file, '--force')).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('source: { kind: folder');
  });

  test('takes silos by name and a guarantee in numbers, and warns of a delta that is none', async () => {
    const file = out('private.yaml');
    const asked = [
      '--privacy',
      'dp-sgd',
      '--epsilon',
      '8',
      '--delta',
      '0.05',
      '--silos',
      'north, south',
      '--out',
      file,
    ];
    const { code, stdout } = await said('init', images, ...asked);
    expect(code).toBe(0);
    expect(stdout).toContain('DP-SGD, epsilon 8 at delta 0.05 a silo for all rounds');
    expect(stdout).toContain('giving one record away entirely would count as private');
    const { silos, privacy } = await loadSpec(file);
    expect(silos.map(({ name }) => name)).toEqual(['north', 'south']);
    expect(privacy).toMatchObject({ mechanism: 'dp-sgd', epsilon: 8, delta: 0.05 });
  });

  test('drafts generators of classes, tells what they cost a trial, and how large their files are', async () => {
    const file = out('classes.yaml');
    const asked = ['--task', 'classify', '--privacy', 'gaussian', '--epsilon', '8', '--delta', '1e-5', '--out', file];
    const { code, stdout } = await said('init', images, ...asked);
    expect(code).toBe(0);
    expect(stdout).toContain('1 round: each silo computes its generator');
    expect(stdout).toContain('Gaussian mechanism, epsilon 8 at delta 0.00001 a silo');
    expect(stdout).toContain('Every run on these images spends that budget, a trial of one round all of it');
    expect(stdout).toContain('The classifier of the server is judged');
    const spec = await loadSpec(file);
    expect(spec).toMatchObject({ task: 'classify', generator: { kind: 'linear-gaussian', frequencies: 8 } });
    const bytesOf = async (...more: string[]) => {
      const { stdout: json } = await said('init', images, ...more, '--out', file, '--force', '--json');
      return (JSON.parse(json) as { decoderBytes: readonly number[] }).decoderBytes[0];
    };
    // Three classes, one of them at each silo: a choice, a mean and 48 factors of 3 x 8 x 8 numbers, and two bases.
    expect(await bytesOf(...asked)).toBe(4 * (3 * 1 + (1 + 48) * 192 + 2 * 8 * 8));
    const plain = await bytesOf('--privacy', 'dp-sgd', '--epsilon', '8', '--delta', '1e-5');
    const labelled = await bytesOf('--task', 'classify', '--privacy', 'dp-sgd', '--epsilon', '8', '--delta', '1e-5');
    const firstLayer = 32 * 2 * 2; // what the codes are taken to: 32 channels, halved twice
    expect((labelled as number) - (plain as number)).toBe(4 * (3 + 1) * firstLayer); // weights and biases of the class
  });

  test.each([
    [
      'half a guarantee',
      ['--privacy', 'dp-sgd', '--epsilon', '8'],
      '--privacy: expected none, or dp-sgd or gaussian with --epsilon',
    ],
    ['numbers beside none', ['--privacy', 'none', '--delta', '1e-5'], '--privacy: expected none'],
    [
      'a release that pays for no training',
      ['--privacy', 'gaussian', '--epsilon', '8', '--delta', '1e-5'],
      'which are for --task classify',
    ],
    ['another mechanism', ['--privacy', 'lipschitz'], 'got lipschitz'],
    ['no silos', ['--privacy', 'none', '--silos', '0'], '--silos: expected a whole number'],
    ['a silo twice', ['--privacy', 'none', '--silos', 'a,a'], '"a" is also the name'],
    ['another task', ['--privacy', 'none', '--task', 'sort'], '--task: expected represent or classify'],
    ['a name that is none', ['--privacy', 'none', '--name', '../x'], '--name: expected letters'],
    ['another kind of file', ['--privacy', 'none', '--out', 'spec.txt'], '--out: expected a file that ends in .yaml'],
  ])('refuses %s', async (_, asked, message) => {
    const { code, stderr } = await said(
      'init',
      images,
      ...asked,
      ...(asked.includes('--out') ? [] : ['--out', out('x.yaml')]),
    );
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(existsSync(out('x.yaml'))).toBe(false);
  });
});
