import type { GraphProto } from 'onnx-buf';
import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  floats,
  HAND_MADE_SHAPE,
  handMadeDecoder,
  handMadeLabelledDecoder,
  integer,
  integers,
  node,
  port,
} from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { normals, seedKey } from '../engine/keys.ts';
import { ReleaseError } from '../errors.ts';
import { exportLabelledDecoder, type LabelledDecoder } from '../models/labelled-decoder.ts';
import { sigmoid } from '../models/layers.ts';
import { linearGaussianOf } from '../models/linear-gaussian.ts';
import { normUpperBound } from '../models/spectral-norm.ts';
import { type ExpectedDecoder, inspectDecoder } from './inspect.ts';
import { lipschitzCertificate } from './lipschitz-certificate.ts';
import { requireOffers } from './offered-classes.ts';
import { drawnClasses, oneHotRows, probeDecoder } from './probe.ts';

const KEY = seedKey('labelled');
const W = Float32Array.of(1, -1, 0.5, 2, -0.5, 1, 1, -2); // as in the hand-made decoder

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

function reasonOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof ReleaseError) return error.facts['reason'];
    throw error;
  }
  return null;
}

const inspect = (bytes: Uint8Array, classes: ExpectedDecoder['classes'] = null) =>
  inspectDecoder(bytes, { shape: HAND_MADE_SHAPE, classes });

describe('a decoder that takes a class', () => {
  test('is accepted where its classes are expected, and described', () => {
    expect(inspect(handMadeLabelledDecoder(), 3)).toMatchObject({ latent: 2, classes: 3, batch: null });
    expect(inspect(handMadeLabelledDecoder(), 'any')).toMatchObject({ classes: 3 });
    const fixed = handMadeLabelledDecoder((graph) => {
      graph.input = [port('class', [5, 3]), port('z', [5, 2])]; // in any order
      graph.output = [port('x', [5, 1, 2, 2])];
    });
    expect(inspect(fixed, 3)).toMatchObject({ classes: 3, batch: 5 });
  });

  test('may be expected, and a decoder that takes none come instead', () => {
    expect(inspect(handMadeDecoder(), 3)).toMatchObject({ classes: null });
  });

  test('is refused where none is expected, with what to do', () => {
    expect(reasonOf(() => inspect(handMadeLabelledDecoder()))).toBe('class-input');
    expect(() => inspect(handMadeLabelledDecoder())).toThrow(/Send a decoder of z alone/);
  });

  test.each<readonly [string, string, (graph: GraphProto) => unknown]>([
    ['class-input', 'other classes than those of the federation', (g) => (g.input[1] = port('class', ['n', 4]))],
    ['class-input', 'too many classes', (g) => (g.input[1] = port('class', ['n', 257]))],
    ['class-input', 'classes that are left open', (g) => (g.input[1] = port('class', ['n', 'c']))],
    ['class-input', 'classes as numbers', (g) => (g.input[1] = port('class', ['n']))],
    ['class-input', 'classes as integers', (g) => (g.input[1] = port('class', ['n', 3], 7))],
    ['class-input', 'another n than that of z', (g) => (g.input[1] = port('class', [4, 3]))],
    ['input', 'a second input of another name', (g) => (g.input[1]!.name = 'label')],
    ['input', 'a third input', (g) => g.input.push(port('c', ['n', 3]))],
    ['input', 'the class twice', (g) => g.input.push(port('class', ['n', 3]))],
    ['input', 'no z', (g) => g.input.splice(0, 1)],
    ['ignores-class', 'a class that nothing reads', (g) => (g.node[2] = node('Neg', ['codes'], ['logits']))],
    ['ignores-latent', 'a z that nothing reads', (g) => (g.node[2] = node('Neg', ['labels'], ['logits']))],
  ])('is refused as %s: %s', (reason, _, change) => {
    expect(
      reasonOf(() =>
        inspect(
          handMadeLabelledDecoder((graph) => void change(graph)),
          3,
        ),
      ),
    ).toBe(reason);
  });
});

test.each([
  [3, 3, [0, 1, 2], null],
  [3, 3, [1], null],
  [null, 3, [1], null],
  [null, 3, [0, 1], 'offers'],
  [3, 3, [], 'offers'],
  [3, 3, [1, 0], 'offers'],
  [3, 3, [1, 1], 'offers'],
  [3, 3, [3], 'offers'],
  [3, 3, [0.5], 'offers'],
  [3, 4, [1], 'offers'],
] as const)('a file of %s classes that offers of %i these: %j', (classes, count, offered, reason) => {
  expect(reasonOf(() => requireOffers({ classes }, { count, offered }))).toBe(reason);
  expect(reasonOf(() => requireOffers({ classes }, null))).toBe('offers');
  expect(reasonOf(() => requireOffers({ classes }, { count, offered }, 5))).toBe('offers');
});

describe('a trial draw', () => {
  const probe = async (bytes: Uint8Array, offered?: readonly number[]) =>
    probeDecoder(engine, bytes, inspect(bytes, 3), { key: KEY, offered });
  /** Class 1 has the same image whatever z: (1 - class_1) * z W. */
  const constantInOne = handMadeLabelledDecoder((graph) => {
    graph.initializer.push(floats('u', [3, 4], Float32Array.of(1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1)));
    graph.node.splice(1, 2, node('MatMul', ['class', 'u'], ['mask']), node('Mul', ['codes', 'mask'], ['logits']));
  });

  test('passes a sound decoder, n free or fixed', async () => {
    await probe(handMadeLabelledDecoder());
    const fixed = handMadeLabelledDecoder((graph) => {
      graph.input = [port('z', [3, 2]), port('class', [3, 3])];
      graph.output = [port('x', [3, 1, 2, 2])];
    });
    await probe(fixed, [2]);
  });

  test('refuses images that are the same within a class, where that is offered', async () => {
    await expect(probe(constantInOne)).rejects.toMatchObject({ facts: { reason: 'constant' } });
    await expect(probe(constantInOne, [0, 1])).rejects.toThrow(/of class 1/);
    await probe(constantInOne, [0, 2]);
  });

  test('finds the classes that a file makes images of, in one session', async () => {
    let opened = 0;
    const counting: Pick<Engine, 'openModel'> = {
      openModel: (...given) => {
        opened += 1;
        return engine.openModel(...given);
      },
    };
    const found = (bytes: Uint8Array) => drawnClasses(counting, bytes, inspect(bytes, 3), KEY);
    expect(await found(constantInOne)).toEqual([0, 2]);
    expect(opened).toBe(1);
    expect(await found(handMadeLabelledDecoder())).toEqual([0, 1, 2]);
    expect(await found(handMadeDecoder())).toBeNull();
    const dead = handMadeLabelledDecoder(
      (graph) => void (graph.initializer[0] = floats('w', [2, 4], new Float32Array(8))),
    );
    await expect(found(dead)).rejects.toMatchObject({ facts: { reason: 'constant' } });
    const wild = handMadeLabelledDecoder((graph) => void (graph.node[3] = node('Identity', ['logits'], ['pixels'])));
    await expect(found(wild)).rejects.toMatchObject({ facts: { reason: 'out-of-range' } });
  });
});

test('the rows of a class are 1 there and 0 elsewhere', () => {
  expect(oneHotRows(1, 3, 2)).toEqual(Float32Array.of(0, 1, 0, 0, 1, 0));
});

describe('the certificate of a decoder that takes a class', () => {
  const alone = lipschitzCertificate(handMadeDecoder());
  const certified = (change: (graph: GraphProto) => unknown) =>
    lipschitzCertificate(handMadeLabelledDecoder((graph) => void change(graph)));

  test('is that of its codes alone where the class is added', () => {
    const { bound, perLayer } = lipschitzCertificate(handMadeLabelledDecoder());
    expect(bound / alone.bound).toBeCloseTo(1, 12);
    expect(perLayer).toEqual(alone.perLayer);
    const turned = certified((g) => (g.node[2] = node('Sub', ['labels', 'codes'], ['logits'])));
    expect(turned.bound / alone.bound).toBeCloseTo(1, 12);
  });

  test('is that of the whole first layer where the class stands beside the codes, as PyTorch writes it', () => {
    const values = Float32Array.of(...W, 3, 0, 0, 0, 0, -3, 0, 0, 0, 0, 1, -1); // [2 + 3, 4]
    const { bound } = certified((graph) => {
      graph.initializer.push(floats('both', [5, 4], values));
      const head = [
        node('Concat', ['z', 'class'], ['c'], [integer('axis', 1)]),
        node('MatMul', ['c', 'both'], ['logits']),
      ];
      graph.node.splice(0, 3, ...head);
    });
    expect(bound / (0.25 * normUpperBound({ values, rows: 5, columns: 4 }))).toBeCloseTo(1, 10);
  });

  test('is that of the steepest class where each has a map of its own, chosen by the class', () => {
    const maps = normals(KEY, 3 * 2 * 4);
    const means = normals(seedKey('means'), 3 * 4);
    const decoder: LabelledDecoder = {
      latent: 2,
      classes: 3,
      pixels: 4,
      parameters: {
        'decoder.maps': { shape: [6, 4], dtype: 'float32', fanIn: 2 },
        'decoder.means': { shape: [3, 4], dtype: 'float32', fanIn: 1 },
      },
      draw(parameters, z, classes) {
        const [n] = z.shape as [number];
        const chosen = z
          .reshape([n, 1, 2])
          .mul(classes.ref.reshape([n, 3, 1]))
          .reshape([n, 6]);
        const pixels = np
          .matmul(chosen, parameters['decoder.maps']!.ref)
          .add(np.matmul(classes, parameters['decoder.means']!.ref));
        return np.clip(pixels, 0, 1);
      },
    };
    const onnx = exportLabelledDecoder(decoder, { 'decoder.maps': maps, 'decoder.means': means }, HAND_MADE_SHAPE);
    const norms = [0, 1, 2].map((c) =>
      normUpperBound({ values: maps.subarray(8 * c, 8 * c + 8), rows: 2, columns: 4 }),
    );
    const { bound, perLayer } = lipschitzCertificate(onnx);
    expect(bound / Math.max(...norms)).toBeCloseTo(1, 10);
    expect(bound).toBeLessThan(0.99 * normUpperBound({ values: maps, rows: 6, columns: 4 }));
    expect(perLayer).toHaveLength(1);
  });

  test('is that of the steepest class of a linear-Gaussian generator, which offers two of three', () => {
    const shape = { channels: 1, height: 6, width: 4 };
    const generator = linearGaussianOf(
      { components: 1, frequencies: 3, rank: 4 },
      { shape, classes: 3, offered: [0, 2] },
    );
    const factors = normals(KEY, 2 * 4 * 9).map((value, at) => (at < 36 ? value : 3 * value));
    const parameters = {
      'decoder.offered': Float32Array.of(1, 0, 0, 0, 0, 1),
      'decoder.means': normals(seedKey('means'), 2 * 9),
      'decoder.factors': factors,
      'decoder.rows': Float32Array.from(generator.transform.rows),
      'decoder.columns': Float32Array.from(generator.transform.columns),
    };
    const certified = (values: Float32Array) =>
      lipschitzCertificate(exportLabelledDecoder(generator, { ...parameters, 'decoder.offered': values }, shape));
    const steepest = normUpperBound({ values: factors.subarray(36), rows: 4, columns: 9 });
    const { bound, perLayer } = certified(parameters['decoder.offered']);
    expect(bound / steepest).toBeCloseTo(1, 4); // the basis is orthonormal
    expect(bound).toBeGreaterThanOrEqual(steepest);
    expect(perLayer.map(({ layer }) => layer)).toEqual(['decoder.factors', 'decoder.columns', 'decoder.rows']);
    const both = normUpperBound({ values: factors, rows: 8, columns: 9 });
    for (const mixture of [Float32Array.of(1, 1, 0, 0, 0, 1), Float32Array.of(0.5, 0, 0, 0, 0, 1)]) {
      expect(() => certified(mixture)).toThrow(/not-certifiable|no bound/); // a class is sent to two maps, or to half of one
    }
    expect(both).toBeGreaterThan(bound);
  });

  test('reads what our own export writes of a layer of codes and class', () => {
    const weights = { 'decoder.z': W, 'decoder.class': normals(KEY, 12), 'decoder.bias': normals(KEY, 4) };
    const decoder: LabelledDecoder = {
      latent: 2,
      classes: 3,
      pixels: 4,
      parameters: {
        'decoder.z': { shape: [2, 4], dtype: 'float32', fanIn: 2 },
        'decoder.class': { shape: [3, 4], dtype: 'float32', fanIn: 2 },
        'decoder.bias': { shape: [4], dtype: 'float32', fanIn: 2 },
      },
      draw: (parameters, z, classes) =>
        sigmoid(
          np
            .matmul(z, parameters['decoder.z']!.ref)
            .add(np.matmul(classes, parameters['decoder.class']!.ref))
            .add(parameters['decoder.bias']!.ref),
        ),
    };
    const { bound } = lipschitzCertificate(exportLabelledDecoder(decoder, weights, HAND_MADE_SHAPE));
    expect(bound / alone.bound).toBeCloseTo(1, 10);
  });

  test.each<readonly [string, (graph: GraphProto) => unknown]>([
    [
      'a product of codes and what depends on the class',
      (g) => (g.node[2] = node('Mul', ['codes', 'labels'], ['logits'])),
    ],
    [
      'a class that goes from one image to another',
      (g) => {
        g.input = [port('z', [3, 2]), port('class', [3, 3])];
        g.output = [port('x', [3, 1, 2, 2])];
        g.node.splice(1, 1, node('Transpose', ['class'], ['turned']), node('MatMul', ['turned', 'v'], ['labels']));
      },
    ],
    [
      'codes that are spread over what a class has more of',
      (g) => {
        g.initializer[0] = floats('w', [2, 1], Float32Array.of(1, -1));
        g.initializer.push(floats('m', [4, 4], new Float32Array(16).fill(1)));
        g.node[2] = node('Add', ['codes', 'labels'], ['spread']);
        g.node.splice(3, 0, node('MatMul', ['spread', 'm'], ['logits']));
      },
    ],
    [
      'two ways from the codes beside a class',
      (g) => {
        g.initializer.push(floats('wide', [7, 4], new Float32Array(28).fill(1)));
        const both = node('Concat', ['z', 'class', 'z'], ['c'], [integer('axis', 1)]);
        g.node.splice(0, 3, both, node('MatMul', ['c', 'wide'], ['logits']));
      },
    ],
    [
      'classes put under the codes, as further images',
      (g) => {
        g.input = [port('z', [2, 3]), port('class', [2, 3])];
        const both = node('Concat', ['z', 'class'], ['c'], [integer('axis', 0)]);
        g.node.splice(0, 3, both, node('MatMul', ['c', 'v'], ['logits']));
      },
    ],
    [
      'a mask that is no longer the class itself',
      (g) => {
        g.initializer.push(integers('column', [-1, 3, 1]), integers('row', [-1, 1, 2]), integers('flat', [-1, 6]));
        g.initializer.push(
          floats('nine', [], Float32Array.of(9)),
          floats('maps', [6, 4], new Float32Array(24).fill(1)),
        );
        g.node.splice(
          0,
          3,
          node('Mul', ['class', 'nine'], ['more']),
          node('Reshape', ['more', 'column'], ['mask']),
          node('Reshape', ['z', 'row'], ['codes']),
          node('Mul', ['codes', 'mask'], ['chosen']),
          node('Reshape', ['chosen', 'flat'], ['long']),
          node('MatMul', ['long', 'maps'], ['logits']),
        );
      },
    ],
  ])('is refused for %s', (_, change) => {
    expect(reasonOf(() => certified(change))).toBe('not-certifiable');
  });
});
