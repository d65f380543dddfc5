// A trial draw from a decoder that passed inspection: does it make images?
//
// This executes a stranger's graph in this process. Where decoders come from a network, run it in a process of its own,
// with limits of memory and time.

import type { NamedSpec } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key, normals } from '../engine/keys.ts';
import type { ModelProgram, Program } from '../engine/program.ts';
import { AlignError } from '../errors.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import { pixelCount } from '../models/image-shape.ts';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';
import type { DecoderContract } from './inspect.ts';
import { refuse } from './refusal.ts';

/** How far a pixel may lie outside of [0, 1], for rounding. */
export const PIXEL_TOLERANCE = 1e-3;

export interface ProbeOptions {
  readonly key: Key;
  /** The classes to ask for, where the file takes one; of others nothing is looked at. The default is all it knows. */
  readonly offered?: readonly number[] | undefined;
}

/**
 * Draws a few images with z ~ N(0, I) from `key`, of each offered class a few. Throws ReleaseError with a `facts.reason` where
 * the file does not open or run, or where the images are not finite, not in [0, 1], or all the same within a class.
 */
export async function probeDecoder(
  engine: Pick<Engine, 'openModel'>,
  bytes: Uint8Array,
  contract: DecoderContract,
  { key, offered }: ProbeOptions,
): Promise<void> {
  const { classes } = contract;
  const asked = classes === null ? [null] : (offered ?? Array.from({ length: classes }, (_, label) => label));
  const trial = await openTrial(engine, bytes, contract);
  try {
    for (const label of asked) {
      if (!(await trial.varies(label, key))) refuseConstant(contract, label);
    }
  } finally {
    await trial.close();
  }
}

/**
 * The classes of which a decoder makes images, ascending; null where it takes none. A silo offers a few classes of the
 * federation, and a closed form leaves the others blank. Throws ReleaseError as `probeDecoder` does, of one image whatever the
 * code only where that holds for every class.
 */
export async function drawnClasses(
  engine: Pick<Engine, 'openModel'>,
  bytes: Uint8Array,
  contract: DecoderContract,
  key: Key,
): Promise<readonly number[] | null> {
  if (contract.classes === null) {
    await probeDecoder(engine, bytes, contract, { key });
    return null;
  }
  const drawn: number[] = [];
  const trial = await openTrial(engine, bytes, contract);
  try {
    for (let label = 0; label < contract.classes; label++) if (await trial.varies(label, key)) drawn.push(label);
  } finally {
    await trial.close();
  }
  if (drawn.length === 0) refuseConstant(contract, null);
  return drawn;
}

/** `[rows, classes]`, every row 1 at `label` and 0 elsewhere: what a decoder's `class` takes. */
export function oneHotRows(label: number, classes: number, rows: number): Float32Array {
  return Float32Array.from({ length: rows * classes }, (_, i) => (i % classes === label ? 1 : 0));
}

/** Throws ReleaseError unless all pixels of `x` are finite and in [0, 1], give or take rounding. */
export function checkPixels(x: Float32Array): void {
  for (const value of x) {
    if (!Number.isFinite(value)) refuse('non-finite', `An image has a pixel of ${value}.`);
    if (value < -PIXEL_TOLERANCE || value > 1 + PIXEL_TOLERANCE) {
      refuse('out-of-range', `An image has a pixel of ${value}.`, { value });
    }
  }
}

// --- internal ---

const PROBE_IMAGES = 8;

/** Below this spread over draws, of every pixel, a decoder counts as constant. */
const LEAST_SPREAD = 1e-6;

interface Trial {
  /** Whether draws with different codes differ. Throws ReleaseError where they are no images. */
  varies(label: number | null, key: Key): Promise<boolean>;
  close(): Promise<void>;
}

/** A decoder opened for draws of any class, one session for all of them. */
async function openTrial(
  engine: Pick<Engine, 'openModel'>,
  bytes: Uint8Array,
  { latent, shape, batch, classes }: DecoderContract,
): Promise<Trial> {
  const n = batch ?? PROBE_IMAGES;
  const sides = [shape.channels, shape.height, shape.width];
  const program = await open(engine, bytes, {
    inputs: [
      { name: DECODER_INPUT, dtype: 'float32', shape: [n, latent] },
      ...(classes === null ? [] : [{ name: DECODER_CLASS, dtype: 'float32', shape: [n, classes] } as const]),
    ],
    output: { name: DECODER_OUTPUT, dtype: 'float32', shape: [n, ...sides] },
  });
  const sizes = { latent, n, pixels: pixelCount(shape) };
  return {
    async varies(label, key) {
      const x = await drawImages(program, label === null ? key : childKey(key, `class-${label}`), {
        ...sizes,
        labels: label === null || classes === null ? null : oneHotRows(label, classes, n),
      });
      checkPixels(x);
      return x.some((value, i) => Math.abs(value - (x[i % sizes.pixels] as number)) > LEAST_SPREAD);
    },
    close: () => program.close(),
  };
}

/** At least `PROBE_IMAGES` images in runs of n. */
async function drawImages(
  program: Program,
  key: Key,
  {
    latent,
    n,
    pixels,
    labels,
  }: {
    readonly latent: number;
    readonly n: number;
    readonly pixels: number;
    readonly labels: Float32Array | null;
  },
): Promise<Float32Array> {
  const runs = Math.ceil(PROBE_IMAGES / n);
  const z = normals(key, runs * n * latent); // [runs, n, L]
  const x = new Float32Array(runs * n * pixels); // [runs, n, D]
  for (let run = 0; run < runs; run++) {
    await draw(program, part(z, run, runs), { labels, x: part(x, run, runs) });
  }
  return x;
}

async function open(
  engine: Pick<Engine, 'openModel'>,
  bytes: Uint8Array,
  { inputs, output }: { readonly inputs: readonly NamedSpec[]; readonly output: NamedSpec },
): Promise<ModelProgram> {
  try {
    return await engine.openModel(bytes, { label: 'decoder', inputs, outputs: [output] });
  } catch (cause) {
    return notOurs('does-not-load', cause);
  }
}

async function draw(
  program: Program,
  z: Float32Array,
  { labels, x }: { readonly labels: Float32Array | null; readonly x: Float32Array },
): Promise<void> {
  x.fill(Number.NaN); // so that what a run leaves out is seen
  try {
    await program.bind({ [DECODER_INPUT]: z, ...(labels && { [DECODER_CLASS]: labels }) }, { [DECODER_OUTPUT]: x })();
  } catch (cause) {
    notOurs('does-not-run', cause);
  }
}

/** Errors of the product pass; what the runtime says about the file is a refusal. */
function notOurs(reason: 'does-not-load' | 'does-not-run', cause: unknown): never {
  if (cause instanceof AlignError) throw cause;
  const said = (cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
  return refuse(reason, `The runtime said: ${said}.`, {}, cause);
}

function part(array: Float32Array, index: number, parts: number): Float32Array {
  const length = array.length / parts;
  return array.subarray(index * length, (index + 1) * length);
}

function refuseConstant({ batch }: DecoderContract, label: number | null): never {
  const n = batch ?? PROBE_IMAGES;
  const of = label === null ? '' : ` of class ${label}`;
  return refuse('constant', `${n * Math.ceil(PROBE_IMAGES / n)} draws${of} with different z gave one image.`);
}
