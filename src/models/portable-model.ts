// A part of a model as an ONNX file of standard operators, with its weights inside and the leading axis n free.

import { type ArraySpec, checkFits } from '../engine/array-spec.ts';
import { lower } from '../engine/lower.ts';
import { type ArrayFunction, trace } from '../engine/trace.ts';
import type { ParameterSpecs } from './layers.ts';

export interface PortableModel {
  readonly label: string;
  /** Takes one record: the open inputs, and the parameters by name. */
  readonly f: ArrayFunction;
  /** Specs of the open inputs for a given n. */
  readonly inputs: (n: number) => Readonly<Record<string, ArraySpec>>;
  /** The parameters to write into the file; nothing else of a model gets in. */
  readonly specs: ParameterSpecs;
  /** May hold more than `specs` names. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  /** Readable by anyone who opens the file. */
  readonly description: string;
}

/**
 * The file's bytes: equal parameters give equal bytes, whatever the order of their record. Throws ShapeError where a
 * parameter is missing or ill-sized.
 */
export function portableModel({ label, f, inputs, specs, parameters, description }: PortableModel): Uint8Array {
  const weights: Record<string, Float32Array> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const values = parameters[name];
    checkFits(values, { ...spec, name });
    weights[name] = values as Float32Array;
  }
  const sides = [...Object.values(specs), ...Object.values(inputs(1))].flatMap(({ shape }) => shape);
  const length = freeLength(sides);
  const traced = trace(label, f, { ...inputs(length), ...specs });
  return lower(traced, { weights, description, freeAxis: { name: 'n', length } }).bytes;
}

// --- internal ---

/**
 * Stands for n while tracing: the smallest prime above every side of the model, and above the product of an image's
 * sides, so no side can be taken for it.
 */
function freeLength(sides: readonly number[]): number {
  let candidate = Math.max(MIN_LENGTH, ...sides) + 1;
  while (!isPrime(candidate)) candidate++;
  return candidate;
}

/** Above D of the largest images taken, 3 x 64 x 64. */
const MIN_LENGTH = 12_288;

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}
