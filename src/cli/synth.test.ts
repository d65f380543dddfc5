// A synthetic set from a real run, through the command line, and from made-up ones where words are what matters.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { said } from '../../test/command-line.ts';
import { dpStatement } from '../../test/report-runs.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { decodeIdxImages } from '../data/idx.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { AbortedError } from '../errors.ts';
import { readDatasheet } from '../experiments/datasheet.ts';
import { readJournal, saveJournal } from '../experiments/journal.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { closeRunFolder, openRunFolder } from '../experiments/run-folder.ts';
import { runExperiment } from '../experiments/run.ts';
import type { SpecInput } from '../experiments/spec.ts';
import { synthesise } from '../experiments/synthesise.ts';
import { localPort } from '../federation/local-port.ts';
import { createSiloRunner } from '../silo/silo.ts';
import { contentHash } from '../storage/content-hash.ts';

const ROOT = temporaryFolder();
const RUN = join(ROOT, 'tiny');
const SPEC: SpecInput = {
  name: 'tiny_run',
  rounds: 1,
  data: {
    source: { kind: 'drawn-digits', train: 120, test: 50 },
    partition: { kind: 'class-disjoint', classes: [[0, 1], [2]] },
  },
  silos: [{ name: 'north' }, { name: 'east' }],
  model: { kind: 'mlp', hidden: [4], latent: 2 },
  local: { epochs: 1, batchSize: 10 },
  server: { epochs: 1, batchSize: 8, images: 8 },
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1, gridImages: 0 },
  engine: { silosAtOnce: 1 },
};

/** With labels; nobody offers class 3 or a higher one. */
const CLASSIFY: SpecInput = { ...SPEC, name: 'labelled', task: 'classify' };
const LABELLED = join(ROOT, 'labelled');

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  const runner = createSiloRunner(engine);
  for (const [path, spec] of [
    [RUN, SPEC],
    [LABELLED, CLASSIFY],
  ] as const) {
    const folder = await openRunFolder({ path, spec: parseSpec(spec) });
    await runExperiment({ folder, port: (config, diary) => localPort(runner, config, diary) });
  }
  const file = join(LABELLED, 'journal.json'); // as if east had been private
  const journal = await readJournal(file);
  const east = journal.strategies['align']?.[0]?.uploads.find(({ silo }) => silo === 'east');
  if (east) east.privacy = dpStatement(8);
  await saveJournal(file, journal);
});
afterAll(() => engine.close());
afterEach(() => vi.restoreAllMocks());

const synth = (...flags: readonly string[]) => said('synth', RUN, '--per-silo', '3', ...flags);

describe('align-fl synth', () => {
  test('writes the images with a datasheet, and hashes that sha256sum accepts', async () => {
    const out = join(ROOT, 'idx');
    const { code, stdout } = await synth('--format', 'idx', '--out', out);
    expect(code).toBe(0);
    expect(stdout).toContain('6 synthetic images without labels, 1 x 28 x 28');
    expect(stdout).toContain('NO formal privacy');
    expect(readdirSync(out).sort()).toEqual([
      'SHA256SUMS',
      'datasheet.json',
      'datasheet.md',
      'train-images-idx3-ubyte',
    ]);
    const { count, pixels } = decodeIdxImages(readFileSync(join(out, 'train-images-idx3-ubyte')), 'images');
    expect(count).toBe(6);
    expect(new Set(pixels).size).toBeGreaterThan(10);
    const sums = readFileSync(join(out, 'SHA256SUMS'), 'utf8').trimEnd().split('\n');
    expect(sums).toHaveLength(3);
    for (const line of sums) {
      const [, sha256 = '', file = ''] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
      expect(contentHash(readFileSync(join(out, file)))).toBe(sha256);
    }
  });

  test('says in the datasheet where the images are from, and of privacy no more than is claimed', async () => {
    const out = join(ROOT, 'sheet');
    const { stdout } = await synth('--out', out, '--json', '--seed', '5');
    const sheet = await readDatasheet(join(out, 'datasheet.json'));
    expect(JSON.parse(stdout)).toEqual(sheet);
    const uploads = (await readJournal(join(RUN, 'journal.json'))).strategies['align']?.[0]?.uploads;
    expect(sheet.silos.map(({ decoderSha256 }) => decoderSha256)).toEqual(uploads?.map(({ sha256 }) => sha256));
    expect(sheet).toMatchObject({
      command: 'align-fl synth tiny --per-silo 3 --format npz --seed 5',
      origin: { run: 'tiny_run', dataSet: 'drawn-digits', rounds: 1 },
      images: { count: 6, channels: 1, height: 28, width: 28, format: 'npz', quantisation: 'round(255 x)', seed: 5 },
      labels: null,
      silos: [
        { name: 'north', round: 1, images: 3, offers: null, privacy: { mechanism: 'none' } },
        { name: 'east', round: 1, images: 3 },
      ],
      formalPrivacy: { everySilo: false, without: ['north', 'east'] },
      utility: { testImages: 50 },
      licence: null,
      files: [{ path: 'synthetic.npz' }],
    });
    const page = readFileSync(join(out, 'datasheet.md'), 'utf8');
    expect(page).toContain('# Synthetic images from tiny\\_run');
    expect(page).toContain('**NO formal privacy');
    expect(page).toContain('| north | none: no formal privacy | infinite | – |');
    expect(page).toMatch(/accuracy of a linear probe on the run's representation \| \d+\.\d % \|/);
  });

  test('asks for classes where decoders take them, and keeps claims of one silo apart from those of another', async () => {
    const out = join(ROOT, 'labelled-png');
    const { code, stdout } = await said('synth', LABELLED, '--per-class', '2', '--format', 'png', '--out', out);
    expect(code).toBe(0);
    expect(stdout).toContain('6 synthetic images of 3 classes');
    expect(stdout).toContain('No silo offers class 3, 4, 5, 6, 7, 8, 9');
    expect(['0', '1', '2'].map((label) => readdirSync(join(out, label)))).toEqual(
      Array(3).fill(['00001.png', '00002.png']),
    );
    const sheet = await readDatasheet(join(out, 'datasheet.json'));
    expect(sheet.labels).toMatchObject({
      classes: 10,
      perClass: [0, 1, 2].map((label) => ({ class: label, count: 2 })),
    });
    expect(sheet.silos).toMatchObject([
      { name: 'north', offers: [0, 1], images: 4, privacy: { guarantee: 'none' } },
      { name: 'east', offers: [2], images: 2, privacy: { guarantee: 'epsilon-delta', delta: 1e-5 } },
    ]);
    expect(sheet.formalPrivacy).toMatchObject({ everySilo: false, without: ['north'] });
    expect(stdout).toMatch(/north +none \(no formal privacy\) +infinite/);
    expect(stdout).toMatch(/east +dp-sgd +8\S* +0.00001 +2/);
    expect(sheet.formalPrivacy.text).toContain('the releases of north do not claim differential privacy');
    expect(sheet.files.map(({ path }) => path)).toEqual(['metadata.csv']);
    const page = readFileSync(join(out, 'datasheet.md'), 'utf8');
    expect(page).toContain('There is no image of class 3, 4, 5, 6, 7, 8, 9');
    expect(page).toMatch(/accuracy of the classifier that the run trained \| \d+\.\d % \|/);
    expect((await said('synth', LABELLED, '--per-silo', '2')).stderr).toContain('Say --per-class 2');
  });

  test('gives the same files for the same seed, others for another', async () => {
    const hashes: string[] = [];
    for (const [i, seed] of [undefined, 0, 1].entries()) {
      const made = await synthesise({
        path: RUN,
        amount: { per: 'silo', count: 2 },
        format: 'parquet',
        out: join(ROOT, `seed-${i}`),
        seed,
        now: new Date(i),
      });
      hashes.push(made.datasheet.files[0]?.sha256 ?? '');
    }
    expect(hashes[1]).toBe(hashes[0]); // the run's own seed is 0
    expect(hashes[2]).not.toBe(hashes[0]);
  });

  test('replaces an earlier set only by --force, and nothing else ever', async () => {
    const out = join(ROOT, 'again');
    expect((await synth('--format', 'png', '--out', out)).code).toBe(0);
    expect(existsSync(join(out, 'images', '00006.png'))).toBe(true);
    const refused = await synth('--out', out);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--force') });
    expect((await synth('--out', out, '--force')).code).toBe(0);
    expect(existsSync(join(out, 'images'))).toBe(false);

    const other = join(ROOT, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'thesis.tex'), 'years of work');
    expect((await synth('--out', other, '--force')).stderr).toContain('no synthetic set: it holds thesis.tex');
    expect(readdirSync(other)).toEqual(['thesis.tex']);
    expect((await synth('--out', join(RUN, 'synthetic'))).stderr).toContain('lies in the run folder');
  });

  test('leaves nothing when it is stopped', async () => {
    const parent = join(ROOT, 'stopped');
    const stop = new AbortController();
    const onDrawn = () => stop.abort();
    const making = synthesise({
      path: RUN,
      amount: { per: 'silo', count: 2 },
      format: 'png',
      out: join(parent, 'set'),
      now: new Date(0),
      onDrawn,
      signal: stop.signal,
    });
    await expect(making).rejects.toThrow(AbortedError);
    expect(readdirSync(parent)).toEqual([]);
  });

  test('says what is wrong with an argument', async () => {
    const wrong = async (...argv: readonly string[]) => {
      const { code, stderr } = await said('synth', RUN, ...argv);
      expect(code, argv.join(' ')).toBe(2);
      return stderr;
    };
    expect(await wrong()).toContain('Expected --per-class or --per-silo, got neither');
    expect(await wrong('--per-class', '1', '--per-silo', '1')).toContain('got both');
    expect(await wrong('--per-class', '10')).toContain('Say --per-silo 10');
    expect(await wrong('--per-class', '10', '--out', ROOT)).toContain('Say --per-silo 10'); // before where it goes
    expect(await wrong('--per-silo', '0')).toContain('a whole number from 1 up');
    expect(await wrong('--per-silo', '400000')).toContain('expected at most 342392');
    expect(await wrong('--per-silo', '1', '--seed', '-1')).toContain('from 0 up');
    expect(await wrong('--per-silo', '1', '--format', 'parqet')).toContain('did you mean "parquet"');
  });

  test('says what is wrong with a folder', async () => {
    const copy = (name: string, change: (path: string) => void) => {
      const path = join(ROOT, name);
      cpSync(RUN, path, { recursive: true });
      change(path);
      return said('synth', path, '--per-silo', '1', '--out', join(ROOT, `${name}-out`));
    };
    expect((await said('synth', ROOT, '--per-silo', '1')).stderr).toContain('is no run folder');
    expect((await said('synth', join(RUN, 'summary.json'), '--per-silo', '1')).stderr).toContain('is no run folder');
    const half = await copy('half', (path) => rmSync(join(path, 'summary.json')));
    expect(half).toMatchObject({ code: 1, stderr: expect.stringContaining('align-fl run --resume') });
    const gone = await copy('gone', (path) => writeFileSync(join(path, 'forgotten.json'), '["east"]'));
    expect(gone.stderr).toContain(`${join(ROOT, 'gone')}-without-east`);
    const lost = await copy('lost', (path) => rmSync(join(path, 'decoders', 'round-1', 'east.onnx')));
    expect(lost).toMatchObject({ code: 1, stderr: expect.stringContaining('east.onnx') });
    const changed = await copy('changed', (path) => {
      const file = join(path, 'decoders', 'round-1', 'east.onnx');
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(file, bytes);
    });
    expect(changed.stderr).toContain('it was changed since');
    const averages = parseSpec({ ...SPEC, strategies: ['fedavg'] });
    const other = await openRunFolder({ path: join(ROOT, 'fedavg'), spec: averages });
    await closeRunFolder(other);
    expect((await said('synth', other.root, '--per-silo', '1')).stderr).toContain('only align makes decoders');
    expect(readdirSync(ROOT).filter((name) => name.endsWith('-out'))).toEqual([]);
  });
});
