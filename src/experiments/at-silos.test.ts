// Images at the silos: what a spec of them must leave out, what the server holds, and that a silo on its own machine is told
// what it would be told in a simulation.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import type { ImageSet } from '../data/image-set.ts';
import { seedKey } from '../engine/keys.ts';
import { type AlignError, DataError, SpecError } from '../errors.ts';
import { gatherMaterials } from './materials.ts';
import { parseSpec } from './parse-spec.ts';
import { openRunFolder } from './run-folder.ts';
import { runLayout } from './run-layout.ts';
import { runExperiment } from './run.ts';
import { siloConfigOf } from './silo-configs.ts';
import type { Spec, SpecInput } from './spec.ts';
import { siloConfigs } from './strategies.ts';

const ROOT = temporaryFolder();
const SHAPE = { channels: 1, height: 28, width: 28 } as const;
const TEST = { kind: 'drawn-digits', test: 60 } as const;
const AT_SILOS: SpecInput['data'] = {
  source: { kind: 'at-silos', shape: SHAPE, classes: 10, testSource: TEST },
  partition: { kind: 'at-silos' },
};
const DEALT: SpecInput['data'] = {
  source: { kind: 'drawn-digits', train: 200, test: 60 },
  partition: { kind: 'class-disjoint', classes: [[1, 3], [0, 2], [4]] },
};
const SMALL: SpecInput = {
  name: 'apart',
  rounds: 3,
  data: AT_SILOS,
  silos: [{ name: 'a' }, { name: 'b', participation: { from: 2 } }, { name: 'c', participation: { to: 2, lateBy: 1 } }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 1, batchSize: 8 },
  server: { epochs: 1, batchSize: 8, images: 20 },
  strategies: ['align'],
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1 },
};
const DP = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } as const;

function problemsOf(change: Partial<SpecInput>): string[] {
  try {
    parseSpec({ ...SMALL, ...change });
    return [];
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
}

describe('a spec with images at the silos', () => {
  test.each<[string, Partial<SpecInput>, RegExp]>([
    ['a partition', { data: { ...AT_SILOS, partition: { kind: 'iid' } } }, /^data\.partition\.kind: iid deals images/],
    ['its partition alone', { data: { ...DEALT, partition: AT_SILOS.partition } }, /^data\.partition\.kind: at-silos/],
    ['averaging', { strategies: ['align', 'fedavg'] }, /^strategies\.1: fedavg needs more of a silo/],
    ['local-only', { strategies: ['local-only'] }, /^strategies\.0: local-only/],
    ['a folder of ledgers', { privacy: { ...DP, ledgerDir: '/l' } }, /^privacy\.ledgerDir: is a place on one machine/],
    [
      'an extractor that learns',
      { evaluation: { generation: { images: 20 } } },
      /^evaluation\.generation\.extractor: /,
    ],
    [
      'foreign images',
      { data: { ...AT_SILOS, foreign: { source: { kind: 'mnist' }, rate: 0.1, silos: ['a'] } } },
      /^data\.foreign: cannot be mixed/,
    ],
    [
      'test images of another size',
      {
        data: {
          ...AT_SILOS,
          source: { kind: 'at-silos', shape: { ...SHAPE, channels: 3 }, classes: 10, testSource: TEST },
        },
      },
      /^data\.source\.testSource\.kind: drawn-digits has images of 1 x 28 x 28, but the silos have 3 x 28 x 28/,
    ],
    [
      'test images of other classes',
      { data: { ...AT_SILOS, source: { kind: 'at-silos', shape: SHAPE, classes: 3, testSource: TEST } } },
      /^data\.source\.testSource\.kind: drawn-digits has 10 classes, not 3/,
    ],
    [
      'scores beside no test images',
      {
        data: { ...AT_SILOS, source: { kind: 'at-silos', shape: SHAPE, classes: 3 } },
        evaluation: { generation: { images: 20, extractor: 'x.onnx' } },
      },
      /^evaluation\.generation: compares with test images/,
    ],
    [
      'layers that halve its images too often',
      { model: { kind: 'conv', channels: [2, 2, 2], latent: 2 } },
      /^model\.channels: 3 layers halve 28 x 28/,
    ],
    ['training images of a test set', { data: withTrain() }, /^data\.source\.testSource\.train: unknown key/],
  ])('refuses %s', (_, change, expected) => {
    const problems = problemsOf(change);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });

  test('is refused by align-fl run, and by whatever else needs the images', async () => {
    const folder = await openRunFolder({ path: join(ROOT, 'refused'), spec: parseSpec(SMALL) });
    await expect(runExperiment({ folder })).rejects.toThrow(/align-fl run needs them here.*align-fl server/s);
  });
});

describe("the server's materials", () => {
  test('hold the test images of a simulation, and no image of a silo', async () => {
    const { dataSet, silos, manifest, classes } = await gathered(parseSpec(SMALL));
    expect(dataSet.test).toEqual((await gathered(parseSpec({ ...SMALL, data: DEALT }))).dataSet.test);
    expect([dataSet.train.labels.length, dataSet.train.shape, classes]).toEqual([0, SHAPE, 10]);
    expect(silos.map(({ name, set }) => [name, set.images.length])).toEqual([['a', 0], ['b', 0], ['c', 0]]); // biome-ignore format: a table
    expect(manifest).toMatchObject({ disjoint: null, silos: [], dataSet: { examples: null } });
  });

  test('do without test images where the spec names none', async () => {
    const source = { kind: 'at-silos', shape: SHAPE, classes: 3 } as const;
    const { dataSet } = await gathered(parseSpec({ ...SMALL, data: { ...AT_SILOS, source } }));
    expect(dataSet.test.labels).toHaveLength(0);
    expect(dataSet.classNames).toEqual(['0', '1', '2']);
  });

  test('are refused where there are too few test images to judge by, or offers of classes that there are not', async () => {
    const few = { ...AT_SILOS, source: { ...AT_SILOS.source, testSource: { kind: 'drawn-digits', test: 5 } } };
    await expect(gathered(parseSpec({ ...SMALL, data: few as SpecInput['data'] }))).rejects.toThrow(
      /^data\.source\.testSource\.test: .* Raise it/,
    );
    const offers = parseSpec({ ...SMALL, task: 'classify', silos: [{ name: 'a', offers: [10] }] });
    await expect(gathered(offers)).rejects.toThrow(/^silos\.0\.offers: .*classes 0 to 9/);
  });
});

describe('what a silo is told on its own machine', () => {
  test.each<[string, Partial<SpecInput>]>([
    ['represent', {}],
    ['represent under DP-SGD', { privacy: { ...DP, records: 30 } }],
    ['classify, conditional autoencoders', { task: 'classify' }],
    [
      'classify, a flow and a warm start under DP-SGD with declared classes',
      {
        task: 'classify',
        privacy: DP,
        generator: { kind: 'vae', prior: { kind: 'flow' }, warmStart: { epsilon: 1, images: 200 } },
        silos: [
          { name: 'a', offers: [3, 1] },
          { name: 'b', offers: [0, 2] },
          { name: 'c', offers: [4] },
        ],
      },
    ],
    [
      'classify, linear-Gaussian generators under the Gaussian mechanism',
      {
        task: 'classify',
        generator: { kind: 'linear-gaussian', frequencies: 6, rank: 4 },
        privacy: { mechanism: 'gaussian', epsilon: 8, delta: 1e-5 },
        silos: [
          { name: 'a', offers: [1, 3] },
          { name: 'b', offers: [0, 2] },
          { name: 'c', privacy: { mechanism: 'none' } },
        ],
      },
    ],
    [
      'classify, nothing private: the classes that it has',
      { task: 'classify', generator: { kind: 'linear-gaussian' } },
    ],
  ])('is what a simulation tells it: %s', async (_, change) => {
    const simulated = parseSpec({ ...SMALL, ...change, data: DEALT });
    const apart = parseSpec({ ...SMALL, ...change });
    const layout = runLayout(join(ROOT, 'simulation'));
    const materials = await gathered(simulated);
    const configs = siloConfigs('align', { folder: { spec: simulated, layout } as never, materials });
    expect(configs.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    for (const config of configs) {
      const own = siloConfigOf(apart, config.name, config.images, config);
      for (const field of Object.keys(config) as (keyof typeof config)[]) {
        expect(own[field], `${config.name} ${field}`).toEqual(config[field]);
      }
      expect(Object.keys(own)).toEqual(Object.keys(config));
    }
  });

  test('offers all classes where something is private and nothing is declared', () => {
    const spec = parseSpec({ ...SMALL, task: 'classify', privacy: DP });
    const { model } = siloConfigOf(spec, 'a', imagesOf([0, 1]), { stateDir: 's', ledgerDir: 'l' });
    expect(model).toMatchObject({ classes: { count: 10, offered: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] } });
  });

  test.each<[string, Partial<SpecInput>, string, ImageSet, typeof AlignError, RegExp]>([
    ['a name that is not in the spec', {}, 'd', imagesOf([0]), SpecError, /no silo 'd'.* a, b, c/],
    ['images of another size', {}, 'a', { ...imagesOf([0]), shape: { ...SHAPE, width: 7 } }, DataError, /1 x 28 x 28/],
    ['a class too many', {}, 'a', imagesOf([10]), DataError, /labels from 0 to 9.* found 10/],
    ['less than a batch', {}, 'a', imagesOf([1], 7), SpecError, /a has 7 images/],
    [
      'images that the spec deals',
      { data: DEALT },
      'a',
      imagesOf([1]),
      SpecError,
      /^data\.source\.kind is drawn-digits/,
    ],
    ['a silo that never takes part', withC({ participation: null }), 'c', imagesOf([1]), SpecError, /never takes part/],
    [
      'a silo with a finished decoder',
      withC({ generator: { kind: 'release', dir: 'r' } }),
      'c',
      imagesOf([1]),
      SpecError,
      /brings a finished decoder/,
    ],
  ])('refuses %s', (_, change, name, images, kind, expected) => {
    const tell = () =>
      siloConfigOf(parseSpec({ ...SMALL, ...change }), name, images, { stateDir: 's', ledgerDir: 'l' });
    expect(tell).toThrow(kind as never);
    expect(tell).toThrow(expected);
  });
});

// --- internal ---

function gathered(spec: Spec) {
  return gatherMaterials(spec, { env: {} }, seedKey(7));
}

function withTrain(): SpecInput['data'] {
  const test = { ...TEST, train: 5 } as unknown as typeof TEST;
  return { ...AT_SILOS, source: { kind: 'at-silos', shape: SHAPE, classes: 10, testSource: test } };
}

function withC(change: Partial<SpecInput['silos'][number]>): Partial<SpecInput> {
  return { silos: [{ name: 'a' }, { name: 'b' }, { name: 'c', ...change }] };
}

/** So many empty images, of these classes in turn. */
function imagesOf(classes: readonly number[], count = 8): ImageSet {
  const labels = Uint8Array.from({ length: count }, (_, i) => classes[i % classes.length] as number);
  return { name: 'own', shape: SHAPE, images: new Uint8Array(count * 784), labels };
}
