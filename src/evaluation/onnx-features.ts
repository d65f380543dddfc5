// Features by a network from an ONNX file: Inception's pool3 for numbers to set beside published ones, or any other.

import { basename } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, ModelProtoSchema, TensorProto_DataType, type ValueInfoProto } from 'onnx-buf';
import type { Engine } from '../engine/engine.ts';
import type { ModelProgram } from '../engine/program.ts';
import { AlignError, DataError, NumericalError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { contentHash } from '../storage/content-hash.ts';
import { type BatchRun, type FeatureExtractor, inBatches, wholeRows } from './feature-extractor.ts';
import { imagePreparation, type Normalisation, prepareImages } from './image-preparation.ts';

export interface OnnxFeatureOptions extends Partial<Normalisation> {
  readonly engine: Pick<Engine, 'openModel'>;
  /** Of the file, at most 1 GiB, weights inside. */
  readonly path: string;
  /** Of the images that will come. */
  readonly shape: ImageShape;
  /** Sides that the file leaves open: 299 for Inception. */
  readonly inputShape?: Partial<ImageShape>;
  /** Which output, where the file has several. */
  readonly output?: string;
  /** F, where the file leaves it open. */
  readonly featureSize?: number;
}

/** It holds the file's weights until it is closed. */
export interface OnnxFeatureExtractor extends FeatureExtractor {
  close(): Promise<void>;
}

/**
 * Opens a network that maps float32 images [n, C, H, W] to features [n, F] or [n, F, 1, 1], n free or fixed. Images are
 * prepared for it by `imagePreparation`: resized bilinearly to H x W, grey ones repeated for 3 channels, then
 * (x - mean) / std, both 0.5 unless said. Only files whose origin is trusted should be opened: the graph is executed in
 * this process. Throws DataError where the file is absent, no ONNX, or does not fit, with what was expected and found;
 * SpecError for images or a normalisation that do not fit it.
 */
export async function onnxFeatures(options: OnnxFeatureOptions): Promise<OnnxFeatureExtractor> {
  const { engine, path, shape, mean = 0.5, std = 0.5 } = options;
  const bytes = await readModel(path);
  const ports = portsOf(bytes, options);
  const prepare = imagePreparation(shape, ports.image, { mean, std });
  const program = await open(engine, bytes, { path, ports });
  const network = networkOf(program, path, ports);
  const hash = contentHash(bytes);
  const pixels = pixelCount(shape);
  return {
    name: `${basename(path)} (SHA-256 ${hash.slice(0, 12)})`,
    size: ports.features,
    async features(images) {
      const out = new Float32Array(wholeRows(images, pixels) * ports.features);
      for (let start = 0; start * pixels < images.length; start += ports.rows) {
        const part = images.subarray(start * pixels, (start + ports.rows) * pixels); // large images: a few at a time
        const prepared = prepareImages(part, prepare, { from: shape, to: ports.image });
        out.set(await inBatches(network, prepared), start * ports.features);
      }
      const odd = out.findIndex((value) => !Number.isFinite(value));
      if (odd === -1) return out;
      const image = Math.floor(odd / ports.features);
      throw new NumericalError(`${path} gave a feature of ${out[odd]} for image ${image}; expected numbers.`, {
        path,
        image,
      });
    },
    close: () => program.close(),
  };
}

// --- internal ---

const MAX_BYTES = 2 ** 30;
/** Numbers that go into one run where n is free: some 64 MiB. */
const MAX_INPUT_NUMBERS = 2 ** 24;
const MAX_ROWS = 250;

interface Ports {
  readonly input: string;
  readonly output: string;
  /** What the network takes. */
  readonly image: ImageShape;
  /** F */
  readonly features: number;
  /** Of the output, without n. */
  readonly outputSides: readonly number[];
  /** n of one run. */
  readonly rows: number;
}

async function readModel(path: string): Promise<Uint8Array> {
  try {
    return await readFileBounded(path, { maxBytes: MAX_BYTES });
  } catch (cause) {
    if (!(cause instanceof AlignError)) throw cause;
    throw new DataError(`The feature extractor could not be read. ${cause.message}`, { path }, { cause });
  }
}

function portsOf(bytes: Uint8Array, options: OnnxFeatureOptions): Ports {
  const { path, inputShape = {}, output, featureSize } = options;
  const graph = graphOf(bytes, path);
  const weights = new Set(graph.initializer.map(({ name }) => name)); // old files list them among the inputs
  const inputs = graph.input.filter(({ name }) => !weights.has(name));
  const image = only(inputs, { path, what: 'input' });
  const found = only(output === undefined ? graph.output : graph.output.filter(({ name }) => name === output), {
    path,
    what: output === undefined ? 'output' : `output '${output}'`,
    all: graph.output,
  });
  const sides = sidesOf(image, path);
  if (sides.length !== 4) {
    refuse(path, `its input '${image.name}' is ${written(sides)}; expected images [n, channels, height, width]`);
  }
  const [n = null, c = null, h = null, w = null] = sides;
  const side = (declared: number | null, axis: keyof ImageShape): number => {
    const given = inputShape[axis];
    if (declared !== null && given !== undefined && given !== declared) {
      refuse(path, `its input has ${axis} ${declared}, but ${given} was asked for`);
    }
    return (
      declared ??
      given ??
      refuse(
        path,
        `its input ${written(sides)} leaves the ${axis} open; export it with a fixed one, or give inputShape.${axis}`,
      )
    );
  };
  const taken = { channels: side(c, 'channels'), height: side(h, 'height'), width: side(w, 'width') };
  if (taken.channels !== 1 && taken.channels !== 3) {
    refuse(path, `its input '${image.name}' is ${written(sides)}; expected 1 or 3 channels, first`);
  }
  const free = Math.max(1, Math.min(MAX_ROWS, Math.floor(MAX_INPUT_NUMBERS / pixelCount(taken))));
  return {
    input: image.name,
    output: found.name,
    image: taken,
    rows: n ?? free,
    ...featuresOf(sidesOf(found, path), { path, name: found.name, featureSize, n }),
  };
}

/** F, from [n, F] or [n, F, 1, 1]. */
function featuresOf(
  sides: readonly (number | null)[],
  about: {
    readonly path: string;
    readonly name: string;
    readonly featureSize: number | undefined;
    readonly n: number | null;
  },
): { readonly features: number; readonly outputSides: readonly number[] } {
  const { path, name, featureSize, n } = about;
  const [rows = null, declared = null, ...rest] = sides;
  const fits = sides.length >= 2 && (rows === null || n === null || rows === n);
  if (!fits || rest.some((side) => side !== 1)) {
    refuse(path, `its output '${name}' is ${written(sides)}; expected features [n, F] or [n, F, 1, 1], pooled`);
  }
  if (declared !== null && featureSize !== undefined && featureSize !== declared) {
    refuse(path, `its output has ${declared} features, but ${featureSize} were asked for`);
  }
  const features =
    declared ??
    featureSize ??
    refuse(path, `its output '${name}' leaves the number of features open; give featureSize`);
  return { features, outputSides: [features, ...rest.map(() => 1)] };
}

function graphOf(bytes: Uint8Array, path: string): GraphProto {
  let graph: GraphProto | undefined;
  try {
    ({ graph } = fromBinary(ModelProtoSchema, bytes));
  } catch (cause) {
    return refuse(path, 'it is no ONNX file', cause);
  }
  return graph ?? refuse(path, 'it is no ONNX file, or one without a graph');
}

async function open(
  engine: Pick<Engine, 'openModel'>,
  bytes: Uint8Array,
  { path, ports }: { readonly path: string; readonly ports: Ports },
): Promise<ModelProgram> {
  const { rows, image, outputSides } = ports;
  const sides = [rows, image.channels, image.height, image.width];
  try {
    return await engine.openModel(bytes, {
      label: `feature extractor ${path}`,
      inputs: [{ name: ports.input, dtype: 'float32', shape: sides }],
      outputs: [{ name: ports.output, dtype: 'float32', shape: [rows, ...outputSides] }],
    });
  } catch (cause) {
    if (cause instanceof AlignError) throw cause;
    return refuse(path, `the runtime does not open it: ${said(cause)}`, cause);
  }
}

function networkOf(program: ModelProgram, path: string, { input, output, image, features, rows }: Ports): BatchRun {
  return {
    rows,
    inputs: pixelCount(image),
    outputs: features,
    async run(x, out) {
      try {
        await program.bind({ [input]: x }, { [output]: out })();
      } catch (cause) {
        if (cause instanceof AlignError) throw cause;
        refuse(path, `the runtime does not run it: ${said(cause)}`, cause);
      }
    },
  };
}

function only(
  ports: readonly ValueInfoProto[],
  { path, what, all = ports }: { readonly path: string; readonly what: string; readonly all?: typeof ports },
): ValueInfoProto {
  const [port] = ports;
  if (port && ports.length === 1) return port;
  const names = all.slice(0, 8).map(({ name }) => name.slice(0, 80));
  return refuse(path, `expected one ${what}, but it has [${names.join(', ')}]; name the output by \`output\``);
}

/** Sides of a float32 tensor; null where a side is open. */
function sidesOf({ name, type }: ValueInfoProto, path: string): readonly (number | null)[] {
  const value = type?.value;
  if (value?.case !== 'tensorType' || value.value.elemType !== TensorProto_DataType.FLOAT || !value.value.shape) {
    return refuse(path, `'${name}' is not declared as a float32 tensor with a shape; export it in float32`);
  }
  return value.value.shape.dim.map(({ value: side }) => {
    if (side.case !== 'dimValue') return null;
    return side.value > 0n && side.value < 1_000_000n ? Number(side.value) : null;
  });
}

function written(sides: readonly (number | null)[]): string {
  return `[${sides
    .slice(0, 8)
    .map((side) => side ?? '?')
    .join(', ')}]`;
}

function said(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
}

function refuse(path: string, problem: string, cause?: unknown): never {
  throw new DataError(`${path} cannot serve as a feature extractor: ${problem}.`, { path }, { cause });
}
