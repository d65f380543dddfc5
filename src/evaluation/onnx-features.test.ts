// Networks from files: small ones made here, whose features can be worked out, and files that do not fit.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { numpy as np } from '@jax-js/jax';
import { type GraphProto, ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { float32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { DataError, NumericalError, ShapeError, SpecError } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { portableModel } from '../models/portable-model.ts';
import { onnxFeatures, type OnnxFeatureOptions } from './onnx-features.ts';

const folder = temporaryFolder();
const GREY: ImageShape = { channels: 1, height: 2, width: 2 };
const PLAIN = { mean: 0, std: 1 };

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

/** `image [n, C, H, W] -> features [n, 2]`: the sum of all pixels, and 10 times the sum of the first channel. */
function sums({ channels, height, width }: ImageShape, change: (graph: GraphProto) => void = () => {}): Uint8Array {
  const bytes = portableModel({
    label: 'sums',
    f: ({ image, weight }: Record<string, np.Array>) => {
      const pixels = (image as np.Array).reshape([(image as np.Array).shape[0] as number, channels * height * width]);
      return { features: np.matmul(pixels, weight as np.Array) };
    },
    inputs: (n) => ({ image: float32(n, channels, height, width) }),
    specs: { weight: { shape: [channels * height * width, 2], dtype: 'float32', fanIn: 1 } },
    parameters: {
      weight: Float32Array.from({ length: 2 * channels * height * width }, (_, at) =>
        at % 2 === 0 ? 1 : at < 2 * height * width ? 10 : 0,
      ),
    },
    description: 'sums',
  });
  const model = fromBinary(ModelProtoSchema, bytes);
  change(model.graph as GraphProto);
  return toBinary(ModelProtoSchema, model);
}

function stored(name: string, bytes: Uint8Array): string {
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, bytes);
  return path;
}

/** Changes the declared sides of a port; a text leaves a side open. */
function declare(graph: GraphProto, port: 'input' | 'output', sides: readonly (number | string)[]): void {
  const value = graph[port][0]?.type?.value;
  if (value?.case !== 'tensorType' || !value.value.shape) throw new Error('expected a tensor');
  const [first] = value.value.shape.dim;
  value.value.shape.dim = sides.map((side) => ({
    ...(first as NonNullable<typeof first>),
    value:
      typeof side === 'number'
        ? { case: 'dimValue' as const, value: BigInt(side) }
        : { case: 'dimParam' as const, value: side },
  }));
}

async function features(
  bytes: Uint8Array,
  images: Float32Array,
  options: Partial<OnnxFeatureOptions> = {},
): Promise<number[]> {
  const path = stored('features', bytes);
  const extractor = await onnxFeatures({ engine, path, shape: GREY, ...PLAIN, ...options });
  try {
    return [...(await extractor.features(images))];
  } finally {
    await extractor.close();
  }
}

describe('features by an ONNX file', () => {
  const IMAGES = Float32Array.of(1, 2, 3, 4, 0, 0, 0, 1);

  it('are what the network says, image by image', async () => {
    expect(await features(sums(GREY), IMAGES)).toEqual([10, 100, 1, 10]);
    expect(await features(sums(GREY), new Float32Array(0))).toEqual([]);
  });

  it('see images resized, repeated over three channels, and from -1 to 1 by default', async () => {
    const color = { channels: 3, height: 4, width: 4 };
    expect(await features(sums(color), IMAGES)).toEqual([120, 400, 12, 40]); // the mean pixel stays
    expect(await features(sums(GREY), IMAGES, { mean: 0.5, std: 0.5 })).toEqual([16, 160, -2, -20]);
    const path = stored('default', sums(GREY));
    const extractor = await onnxFeatures({ engine, path, shape: GREY });
    expect([...(await extractor.features(Float32Array.of(0, 0, 1, 1)))]).toEqual([0, 0]);
    await extractor.close();
  });

  it('come from networks that fix n as well, and from more images than one run takes', async () => {
    const three = sums(GREY, (graph) => {
      declare(graph, 'input', [3, 1, 2, 2]);
      declare(graph, 'output', [3, 2]);
    });
    const many = Float32Array.from({ length: 4 * 7 }, (_, at) => Math.floor(at / 4));
    const wanted = Array.from({ length: 7 }, (_, i) => [4 * i, 40 * i]).flat();
    expect(await features(three, many)).toEqual(wanted);
    const more = Float32Array.from({ length: 4 * 600 }, (_, at) => Math.floor(at / 4));
    const found = await features(sums(GREY), more);
    expect(found.filter((_, at) => at % 2 === 0)).toEqual(Array.from({ length: 600 }, (_, i) => 4 * i));
  });

  it('come from older files, which list weights among the inputs', async () => {
    const old = sums(GREY, (graph) => {
      declare(graph, 'input', ['n', 1, 2, 2]);
      const [image] = graph.input;
      const [weight] = graph.initializer;
      if (!image || !weight) throw new Error('expected an input and a weight');
      const before = structuredClone(image);
      graph.input.unshift({ ...before, name: weight.name });
      declare(graph, 'input', weight.dims.map(Number));
    });
    expect(await features(old, IMAGES)).toEqual([10, 100, 1, 10]);
  });

  it('need the sides that the file leaves open', async () => {
    const open = sums(GREY, (graph) => {
      declare(graph, 'input', ['n', 1, 'height', 'width']);
      declare(graph, 'output', ['n', 'features']);
    });
    await expect(features(open, IMAGES)).rejects.toThrow(/leaves the height open; export it .*give inputShape.height/);
    const inputShape = { height: 2, width: 2 };
    await expect(features(open, IMAGES, { inputShape })).rejects.toThrow(/features open; give featureSize/);
    expect(await features(open, IMAGES, { inputShape, featureSize: 2 })).toEqual([10, 100, 1, 10]);
    await expect(features(sums(GREY), IMAGES, { inputShape: { height: 3 } })).rejects.toThrow(/height 2, but 3/);
    await expect(features(sums(GREY), IMAGES, { featureSize: 3 })).rejects.toThrow(/has 2 features, but 3/);
  });

  it('name the file by its hash', async () => {
    const extractor = await onnxFeatures({ engine, path: stored('eye', sums(GREY)), shape: GREY });
    expect(extractor.name).toMatch(/^eye\.onnx \(SHA-256 [0-9a-f]{12}\)$/);
    expect(extractor.size).toBe(2);
    await extractor.close();
  });

  it.each([
    [/it is no ONNX file/, Uint8Array.of(1, 2, 3)],
    [/it is no ONNX file/, new Uint8Array(0)],
    [/input 'image' is \[\?, 4\]; expected images/, sums(GREY, (graph) => declare(graph, 'input', ['n', 4]))],
    [/1 or 3 channels/, sums({ channels: 2, height: 2, width: 2 })],
    [/expected features \[n, F\] or/, sums(GREY, (graph) => declare(graph, 'output', ['n', 2, 7, 7]))],
    [/expected features \[n, F\] or/, sums(GREY, (graph) => declare(graph, 'output', ['n']))],
    [/expected one output, but it has \[\]/, sums(GREY, (graph) => (graph.output = []))],
    [/expected one input/, sums(GREY, (graph) => graph.input.push(...graph.input))],
    [/'image' is not declared as a float32 tensor/, sums(GREY, toDoubles)],
    [/the runtime does not open it/, sums(GREY, (graph) => graph.node.forEach((node) => (node.opType = 'Nothing')))],
  ])('are refused with what is wrong: %s', async (message, bytes) => {
    const error: unknown = await features(bytes, IMAGES).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
    expect((error as DataError).message).toContain(join(folder, 'features.onnx'));
  });

  it('are refused where the file is absent, images do not fit, or features are not finite', async () => {
    const absent = onnxFeatures({ engine, path: join(folder, 'none.onnx'), shape: GREY });
    await expect(absent).rejects.toThrow(DataError);
    await expect(features(sums(GREY), new Float32Array(7))).rejects.toThrow(ShapeError);
    const color = { channels: 3, height: 2, width: 2 };
    await expect(features(sums(GREY), IMAGES, { shape: color })).rejects.toThrow(SpecError);
    await expect(features(sums(GREY), Float32Array.of(0, 0, 0, 1e38))).rejects.toThrow(NumericalError);
    await expect(features(sums(GREY), IMAGES, { output: 'other' })).rejects.toThrow(/'other', but it has \[features\]/);
  });
});

function toDoubles(graph: GraphProto): void {
  const value = graph.input[0]?.type?.value;
  if (value?.case === 'tensorType') value.value.elemType = TensorProto_DataType.DOUBLE;
}
