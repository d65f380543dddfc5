import { readFileSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { floats, handMadeDecoder, integer, integers, node, port } from '../../test/hand-made-decoder.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { PrivacyError, ReleaseError } from '../errors.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { initialParameters } from '../models/initialise.ts';
import { normUpperBound } from '../models/spectral-norm.ts';
import { boundedLayers, SIGMOID_SLOPE, spectralProjection } from '../models/spectral-normalisation.ts';
import { decoderPart, type Vae, vaeOf } from '../models/vae.ts';
import { seal } from './gate.ts';
import { lipschitzCertificate, verifyCertificate } from './lipschitz-certificate.ts';
import { lipschitzStatement, NO_PRIVACY, withCertificate } from './privacy-statement.ts';
import { privacyStatementSchema } from './privacy-statement-schema.ts';
import { verifyClaims } from './verify-claims.ts';

const KEY = seedKey('certificate');
const SHAPE = { channels: 1, height: 8, width: 8 };
const VAES: readonly (readonly [string, Vae])[] = [
  ['dense', vaeOf({ kind: 'mlp', hidden: [12, 9], latent: 3 }, SHAPE)],
  ['convolutional', vaeOf({ kind: 'conv', channels: [3, 4], latent: 3 }, SHAPE)],
  ['linear', vaeOf({ kind: 'mlp', hidden: [], latent: 3 }, SHAPE)],
];
const TORCH = JSON.parse(
  readFileSync(new URL('../../test/reference/torch-decoders.json', import.meta.url), 'utf8'),
) as { name: string; onnx: string }[];

function initialOf(vae: Vae) {
  return initialParameters(vae.parameters, childKey(KEY, vae.architecture.kind));
}

function reasonOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof ReleaseError) return error.facts['reason'];
    throw error;
  }
  return null;
}

/** The file with one number of one weight changed. */
function tampered(onnx: Uint8Array, weight: string): Uint8Array {
  const model: ModelProto = fromBinary(ModelProtoSchema, onnx);
  const tensor = model.graph?.initializer.find(({ name }) => name === weight);
  if (!tensor) throw new Error(`no ${weight}`);
  const bytes = tensor.rawData.slice();
  new DataView(bytes.buffer).setFloat32(0, 100, true);
  tensor.rawData = bytes;
  return toBinary(ModelProtoSchema, model);
}

describe.each(VAES)('the certificate of a %s decoder, from its file,', (_, vae) => {
  const onnx = exportDecoder(vae, initialOf(vae), SHAPE);
  const certificate = lipschitzCertificate(onnx);

  test('is the product of the norms of its layers and the slope of the sigmoid', () => {
    const norms = boundedLayers(vae).map(({ weight, factor, matrix }) => ({
      layer: weight,
      norm: factor * normUpperBound(matrix(initialOf(vae)[weight]!)),
    }));
    expect(certificate.perLayer.map(({ layer }) => layer)).toEqual(norms.map(({ layer }) => layer));
    for (const [i, { norm }] of norms.entries()) expect(certificate.perLayer[i]!.norm / norm).toBeCloseTo(1, 5);
    expect(certificate.bound / norms.reduce((product, { norm }) => product * norm, SIGMOID_SLOPE)).toBeCloseTo(1, 5);
  });

  test('is believed where it is true or too large, and refused where it is too small', () => {
    expect(verifyCertificate(onnx, certificate)).toEqual(certificate);
    expect(verifyCertificate(onnx, { ...certificate, bound: 2 * certificate.bound }).bound).toBe(certificate.bound);
    const smaller = { ...certificate, bound: 0.999 * certificate.bound };
    expect(reasonOf(() => verifyCertificate(onnx, smaller))).toBe('certificate-false');
    const [first, ...rest] = certificate.perLayer;
    const shifted = { ...certificate, perLayer: [{ ...first!, norm: 0.999 * first!.norm }, ...rest] };
    expect(reasonOf(() => verifyCertificate(onnx, shifted))).toBe('certificate-false');
    expect(reasonOf(() => verifyCertificate(onnx, { ...certificate, perLayer: rest }))).toBe('certificate-false');
  });

  test('refuses a file in which any weight was made larger', () => {
    for (const { layer } of certificate.perLayer) {
      expect(
        reasonOf(() => verifyCertificate(tampered(onnx, layer), certificate)),
        layer,
      ).toBe('certificate-false');
    }
  });

  test('comes with the release of a normalised decoder, and its receiver agrees', () => {
    const bound = 0.05;
    const privacy = lipschitzStatement({ form: 'spectral-normalisation', bound });
    const parameters = spectralProjection(vae, bound).finish(initialOf(vae));
    const sealed = (weights: typeof parameters) => {
      const decoder = { onnx: exportDecoder(vae, weights, SHAPE), specs: decoderPart(vae.parameters), classes: null };
      return seal({ silo: 'a', round: 1, decoder, parameters: weights, shape: SHAPE, privacy });
    };
    const release = sealed(parameters);
    const found = verifyClaims(release.decoder.onnx, release.privacy);
    expect(found!.bound).toBeLessThanOrEqual(bound * (1 + 1e-9));
    expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(release.privacy)))).toEqual(release.privacy);
    expect(release.privacy).toMatchObject({
      guarantee: 'none',
      epsilon: 'Infinity',
      lipschitz: { certificate: found },
    });
    expect(release.privacy.text).toMatch(/^NO formal privacy guarantee/);
    expect(release.privacy.text).toContain('Certificate');
    // The gate itself refuses to seal what does not keep its bound.
    expect(() => sealed(initialOf(vae))).toThrow(PrivacyError);
  });
});

describe('what a statement claims', () => {
  const [, vae] = VAES[0]!;
  const onnx = exportDecoder(vae, initialOf(vae), SHAPE);
  const bare = lipschitzStatement({ form: 'spectral-normalisation', bound: 100 });

  test('is nothing where no certificate is due', () => {
    expect(verifyClaims(onnx, NO_PRIVACY)).toBeNull();
    expect(verifyClaims(onnx, lipschitzStatement({ form: 'paper-penalty', weight: 1 }))).toBeNull();
  });

  test('is refused without a certificate, and with one that is above the bound itself', () => {
    expect(reasonOf(() => verifyClaims(onnx, bare))).toBe('certificate-missing');
    const loose = withCertificate(bare, { ...lipschitzCertificate(onnx), bound: 101 });
    expect(reasonOf(() => verifyClaims(onnx, loose))).toBe('certificate-false');
  });
});

describe('decoders by PyTorch', () => {
  test('have certificates where they are chains of known operators', () => {
    const dense = TORCH.find(({ name }) => name === 'a dense decoder')!;
    const { bound, perLayer } = lipschitzCertificate(new Uint8Array(Buffer.from(dense.onnx, 'base64')));
    expect(perLayer.map(({ layer }) => layer)).toEqual(['0.weight', '2.weight']);
    expect(bound / (perLayer[0]!.norm * perLayer[1]!.norm * 0.25)).toBeCloseTo(1, 12);
  });

  test('are refused, not misjudged, where they are not', () => {
    const outcomes = TORCH.map(({ name, onnx }) => [
      name,
      reasonOf(() => lipschitzCertificate(new Uint8Array(Buffer.from(onnx, 'base64')))),
    ]);
    for (const [name, reason] of outcomes) expect([null, 'not-certifiable'], String(name)).toContain(reason);
  });
});

describe('a graph that stretches more than its weights show', () => {
  const certified = (change?: Parameters<typeof handMadeDecoder>[0]) => lipschitzCertificate(handMadeDecoder(change));
  const sound = certified();

  test('has the known bound where it is sound: x = sigmoid(z W)', () => {
    const w = Float32Array.of(1, -1, 0.5, 2, -0.5, 1, 1, -2);
    expect(sound.bound / (0.25 * normUpperBound({ values: w, rows: 2, columns: 4 }))).toBeCloseTo(1, 10);
  });

  test('counts factors that come from constants', () => {
    const scaled = certified((_, graph) => {
      graph.initializer.push(floats('c', [4], Float32Array.of(1, -3, 2, 0.5)));
      graph.node.splice(1, 1, node('Mul', ['logits', 'c'], ['scaled']), node('Sigmoid', ['scaled'], ['pixels']));
    });
    expect(scaled.bound / sound.bound).toBeCloseTo(3, 10);
    const halved = certified((_, graph) => {
      graph.initializer.push(floats('c', [], Float32Array.of(-2)));
      graph.node.splice(1, 1, node('Div', ['logits', 'c'], ['scaled']), node('Sigmoid', ['scaled'], ['pixels']));
    });
    expect(halved.bound / sound.bound).toBeCloseTo(0.5, 10);
  });

  test('reads a sigmoid that is written out, and only in one piece', () => {
    const written = (one: number) =>
      certified((_, graph) => {
        graph.initializer.push(floats('one', [], Float32Array.of(one)));
        const tail = [
          node('Exp', ['logits'], ['e']),
          node('Add', ['e', 'one'], ['f']),
          node('Reciprocal', ['f'], ['pixels']),
        ];
        graph.node.splice(1, 1, ...tail);
      });
    expect(written(1).bound / sound.bound).toBeCloseTo(1, 12);
    expect(reasonOf(() => written(0.5))).toBe('not-certifiable'); // 1 / (0.5 + exp(u)) is steeper
  });

  test.each([
    [
      'two ways from z',
      (graph: Graph) =>
        graph.node.splice(1, 1, node('Add', ['logits', 'logits'], ['d']), node('Sigmoid', ['d'], ['pixels'])),
    ],
    [
      'a product of two live tensors',
      (graph: Graph) =>
        graph.node.splice(1, 1, node('Mul', ['logits', 'logits'], ['d']), node('Sigmoid', ['d'], ['pixels'])),
    ],
    ['an exponential', (graph: Graph) => graph.node.splice(1, 1, node('Exp', ['logits'], ['pixels']))],
    [
      'a weight that is not finite',
      (graph: Graph) => {
        graph.initializer[0] = floats('w', [2, 4], Float32Array.of(1, Number.NaN, 0, 0, 0, 0, 0, 0));
      },
    ],
    [
      'a division by zero',
      (graph: Graph) => {
        graph.initializer.push(floats('c', [], Float32Array.of(0)));
        graph.node.splice(1, 1, node('Div', ['logits', 'c'], ['d']), node('Sigmoid', ['d'], ['pixels']));
      },
    ],
    [
      'copies made by broadcasting',
      (graph: Graph) => {
        graph.initializer[0] = floats('w', [2, 1], Float32Array.of(1, -1));
        graph.initializer.push(floats('c', [4], new Float32Array(4)));
        graph.node.splice(1, 1, node('Add', ['logits', 'c'], ['d']), node('Sigmoid', ['d'], ['pixels']));
      },
    ],
    [
      'copies made by an operator',
      (graph: Graph) => {
        graph.node.splice(
          1,
          1,
          node('Concat', ['logits', 'logits'], ['d'], [integer('axis', 1)]),
          node('Sigmoid', ['d'], ['pixels']),
        );
      },
    ],
    [
      'another image at each place of a batch, whose size is fixed',
      (graph: Graph) => {
        graph.input = [port('z', [2, 2])];
        graph.output = [port('x', [2, 1, 2, 2])];
        graph.initializer.push(floats('c', [2, 4], Float32Array.of(-9, -9, -9, -9, 9, 9, 9, 9)));
        graph.initializer.push(integers('known', [2, 4]));
        const tail = [node('Add', ['two', 'c'], ['d']), node('Sigmoid', ['d'], ['pixels'])];
        graph.node.splice(1, 1, node('Reshape', ['logits', 'known'], ['two']), ...tail);
      },
    ],
    [
      'two images treated as one',
      (graph: Graph) => {
        graph.initializer.push(integers('pairs', [-1, 8]));
        graph.initializer.push(floats('c', [8], Float32Array.of(-9, -9, -9, -9, 9, 9, 9, 9)));
        const tail = [node('Add', ['two', 'c'], ['d']), node('Sigmoid', ['d'], ['pixels'])];
        graph.node.splice(1, 1, node('Reshape', ['logits', 'pairs'], ['two']), ...tail);
      },
    ],
    [
      'all images treated as one',
      (graph: Graph) => {
        graph.node.splice(
          1,
          1,
          node('Flatten', ['logits'], ['one'], [integer('axis', 0)]),
          node('Sigmoid', ['one'], ['pixels']),
        );
      },
    ],
    [
      'images that change places with pixels',
      (graph: Graph) =>
        graph.node.splice(1, 1, node('Transpose', ['logits'], ['d']), node('Sigmoid', ['d'], ['pixels'])),
    ],
    [
      'a factor that is not finite',
      (graph: Graph) => {
        graph.initializer.push(floats('c', [4], Float32Array.of(Number.NaN, 1, 1, 1)));
        graph.node.splice(1, 1, node('Mul', ['logits', 'c'], ['d']), node('Sigmoid', ['d'], ['pixels']));
      },
    ],
    [
      'a weight that is computed from z',
      (graph: Graph) => {
        graph.node.splice(0, 1, node('MatMul', ['w', 'z'], ['logits']));
      },
    ],
  ] as const)('has no certificate: %s', (_, change) => {
    expect(reasonOf(() => certified((_model, graph) => void change(graph)))).toBe('not-certifiable');
  });
});

type Graph = Parameters<NonNullable<Parameters<typeof handMadeDecoder>[0]>>[1];
