import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { DataError, SpecError } from '../errors.ts';
import { loadSpec } from './load-spec.ts';
import { gatherMaterials } from './materials.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'align-fl-materials-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** What the quick start gathers, with less data and these changes. */
async function gather(...changes: readonly string[]) {
  const small = ['data.source.train=200', 'data.source.test=100', 'local.batchSize=8'];
  const spec = await loadSpec('quickstart', [...small, ...changes]);
  return gatherMaterials(spec, { env: {} }, seedKey('materials'));
}

/** Four IDX files of 2 x 2 images. */
function ownImages(name: string, { train, test }: { readonly train: number[]; readonly test: number[] }): string {
  const dir = mkdtempSync(join(FOLDER, name));
  const header = (magic: number, ...sizes: readonly number[]) => {
    const bytes = Buffer.alloc(4 + 4 * sizes.length);
    bytes.writeUInt32BE(magic);
    for (const [i, size] of sizes.entries()) bytes.writeUInt32BE(size, 4 + 4 * i);
    return bytes;
  };
  for (const [part, labels] of Object.entries({ train, t10k: test })) {
    const images = Buffer.concat([header(0x803, labels.length, 2, 2), Buffer.alloc(4 * labels.length, 7)]);
    writeFileSync(join(dir, `${part}-images-idx3-ubyte`), images);
    writeFileSync(
      join(dir, `${part}-labels-idx1-ubyte`),
      Buffer.concat([header(0x801, labels.length), Buffer.from(labels)]),
    );
  }
  return dir;
}

async function refusalOf(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.catch((caught: unknown) => caught);
  if (!(error instanceof Error)) throw new Error('expected a refusal');
  return error;
}

describe('the materials of a run', () => {
  test('are dealt as the spec says, with as many classes as the data set has, whoever got which', async () => {
    const { classes, silos, manifest } = await gather();
    expect(classes).toBe(10);
    expect(silos.map(({ set }) => set.labels.length)).toEqual([40, 40, 40, 40, 40]);
    expect(manifest).toMatchObject({ disjoint: true, dataSet: { examples: 200 } });
  });

  test('may be many: half a million labels are no arguments of a call', async () => {
    const many = Array.from({ length: 500_000 }, (_, i) => i % 3);
    const dir = ownImages('many', { train: many, test: many });
    const one = ['silos=[{name: a}]', 'data.partition={kind: iid}', 'strategies=[align]', 'server.images=200'];
    const { classes } = await gather(`data.source={kind: folder, dir: ${dir}}`, ...one);
    expect(classes).toBe(3);
  });

  test('have images enough to judge with: 13 for ten classes', async () => {
    const error = await refusalOf(gather('data.source.test=12'));
    expect(error).toBeInstanceOf(SpecError);
    expect(error.message).toMatch(
      /^data\.source\.test: drawn-digits has 12 test images, expected at least 13: .*10 classes/,
    );
    expect((await gather('data.source.test=13')).dataSet.test.labels).toHaveLength(13);
  });

  test('are judged by no probe where a classifier learns: one image of each class will do', async () => {
    const classify = ['task=classify', 'strategies=[align]'];
    const error = await refusalOf(gather(...classify, 'data.source.test=9'));
    expect(error.message).toMatch(/^data\.source\.test: .* 9 test images, expected at least 10: the classifier/);
    expect(error.message).not.toContain('probe');
    expect((await gather(...classify, 'data.source.test=10')).dataSet.test.labels).toHaveLength(10);
  });

  test('of an own folder with too few test images are the fault of the data', async () => {
    const dir = ownImages('few', { train: Array.from({ length: 40 }, (_, i) => i % 2), test: [0, 1, 0, 1] });
    const one = ['silos=[{name: a}]', 'data.partition={kind: iid}', 'strategies=[align]', 'server.images=200'];
    const error = await refusalOf(gather(`data.source={kind: folder, dir: ${dir}}`, ...one));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain('4 test images, expected at least 5');
  });

  test('fill a batch in every silo: no image is shown many times in one step', async () => {
    const error = await refusalOf(gather('data.partition={kind: dirichlet, alpha: 0.1}', 'local.batchSize=60'));
    expect(error).toBeInstanceOf(SpecError);
    expect(error.message).toMatch(/local\.batchSize: silo-[a-e] was dealt \d+ images, fewer than one batch of 60\./);
    expect((error as SpecError).facts).toMatchObject({ path: 'local.batchSize', batchSize: 60 });
  });

  test('show the classes that silos offer, and as many frequencies as are kept', async () => {
    const dir = ownImages('two', { train: Array(40).fill([0, 1]).flat(), test: Array(20).fill([0, 1]).flat() });
    const two = [
      `data.source={kind: folder, dir: ${dir}}`,
      'data.partition={kind: iid}',
      'silos=[{name: a}, {name: b}]',
    ];
    const classify = (...more: string[]) =>
      gather(...two, 'task=classify', 'strategies=[align]', 'server.images=200', ...more);
    await classify('silos.b.offers=[1]');
    expect(await refusalOf(classify('silos.b.offers=[0, 2, 3]'))).toMatchObject({
      code: 'SPEC',
      message: expect.stringMatching(/^silos\.1\.offers: .* classes 0 to 1, but b offers 2, 3/) as string,
      facts: { path: 'silos.1.offers' },
    });
    const closed = '{kind: linear-gaussian, frequencies: 2}';
    await classify(`generator=${closed}`);
    for (const [path, ...sets] of [
      ['generator.frequencies', 'generator={kind: linear-gaussian, frequencies: 3}'],
      [
        'silos.1.generator.frequencies',
        `generator=${closed}`,
        'silos.b.generator={kind: linear-gaussian, frequencies: 3}',
      ],
      ['generator.warmStart.frequencies', 'generator.warmStart={frequencies: 3}'],
    ] as const) {
      const error = await refusalOf(classify(...sets));
      expect(error).toMatchObject({ code: 'SPEC', facts: { path } });
      expect(error.message).toMatch(/: 3 low frequencies .* 2 x 2 pixels\. .* to 2\./);
    }
    await classify(
      'generator={kind: linear-gaussian, frequencies: 3}',
      'silos.a.generator=' + closed,
      'silos.b.generator=' + closed,
    );
  });

  test('leave memory for the synthetic images', async () => {
    const error = await refusalOf(gather('server.images=10000000'));
    expect(error).toBeInstanceOf(SpecError);
    expect(error.message).toContain('50000000 synthetic images of 784 pixels take 146.0 GiB, expected at most 8 GiB');
    // 2 ** 33 bytes / (784 pixels * 4 bytes) / 5 silos = 547827.5
    const most = 547_827;
    expect((error as SpecError).facts).toMatchObject({ path: 'server.images', most });
    await gather(`server.images=${most}`);
    expect(await refusalOf(gather(`server.images=${most + 1}`))).toBeInstanceOf(SpecError);
    await gather('server.images=10000000', 'strategies=[fedavg]'); // draws none
  });
});
