// The two executors side by side: the same traced function on ONNX Runtime and on jax-js's WebAssembly backend.

import { expect } from 'vitest';
import { allocate, type ArraySpec, type HostArray, isSpec, flattenTree, type Tree } from '../src/engine/array-spec.ts';
import { type Engine, openEngine } from '../src/engine/engine.ts';
import { childKey, fillBits, type Key, seedKey, uniforms } from '../src/engine/keys.ts';
import type { Buffers } from '../src/engine/program.ts';
import type { ArrayFunction } from '../src/engine/trace.ts';

/** ONNX Runtime and its slow twin. */
export interface Twins {
  readonly native: Engine;
  readonly wasm: Engine;
}

export async function openTwins(threads = 1): Promise<Twins> {
  return {
    native: await openEngine({ executor: 'onnxruntime', threads }),
    wasm: await openEngine({ executor: 'wasm' }),
  };
}

/** A function with what it takes. */
export interface Case {
  readonly f: ArrayFunction;
  readonly specs: Tree<ArraySpec>;
  /** Drawn by name from a fixed key where not given. */
  readonly inputs?: Buffers;
}

/** Compiles and runs once; gives every output by name. */
export async function runOn(engine: Engine, label: string, { f, specs, inputs }: Case): Promise<Buffers> {
  const program = await engine.compile(label, f, specs);
  const outputs = Object.fromEntries(program.outputs.map((spec) => [spec.name, allocate(spec)]));
  await program.bind(inputs ?? draw(specs), outputs)();
  return outputs;
}

export interface Tolerance {
  /** Of the larger value; the default allows for other orders of summation and other polynomials in float32. */
  readonly relative?: number;
  /** Where values are near zero. */
  readonly absolute?: number;
}

/** Runs both and expects the same names, types and numbers; NaN equals NaN. Returns ONNX Runtime's outputs. */
export async function expectTwins(twins: Twins, label: string, job: Case, tolerance: Tolerance = {}): Promise<Buffers> {
  const inputs = job.inputs ?? draw(job.specs);
  const native = await runOn(twins.native, label, { ...job, inputs });
  const wasm = await runOn(twins.wasm, label, { ...job, inputs });
  expect(Object.keys(native), label).toEqual(Object.keys(wasm));
  for (const [name, values] of Object.entries(native)) expectClose(`${label}: ${name}`, values, wasm[name], tolerance);
  return native;
}

/** Expects two arrays to agree element by element. */
export function expectClose(
  label: string,
  actual: HostArray,
  wanted: HostArray | undefined,
  tolerance: Tolerance = {},
) {
  const { relative = 2e-5, absolute = 2e-6 } = tolerance;
  expect(actual.constructor.name, label).toBe(wanted?.constructor.name);
  expect(actual.length, label).toBe(wanted?.length);
  const odd = actual.findIndex((value, i) => {
    const other = wanted?.[i] as number;
    if (Object.is(value, other) || value === other) return false;
    return !(Math.abs(value - other) <= absolute + relative * Math.max(Math.abs(value), Math.abs(other)));
  });
  if (odd !== -1) expect.fail(`${label}[${odd}] of ${actual.length}: ${actual[odd]} where ${wanted?.[odd]} is wanted`);
}

export interface DrawOptions {
  readonly key?: Key;
  /** Of floats; integers fill [-9, 9], or [0, 18] unsigned. */
  readonly range?: readonly [number, number];
}

/** Fixed inputs for specs, each leaf from its own key. */
export function draw(specs: Tree<ArraySpec>, { key = seedKey('twins'), range = [-2, 2] }: DrawOptions = {}): Buffers {
  const [low, high] = range;
  return Object.fromEntries(
    flattenTree(specs, isSpec).map(({ name, leaf }) => {
      const array = allocate(leaf);
      const own = childKey(key, name);
      if (leaf.dtype === 'float32' || leaf.dtype === 'float64') {
        array.set(uniforms(own, array.length).map((u) => low + u * (high - low)));
      } else {
        const modulus = leaf.dtype === 'bool' ? 2 : 19;
        const shift = leaf.dtype === 'int32' ? 9 : 0;
        array.set([...fillBits(own, new Uint32Array(array.length))].map((word) => (word % modulus) - shift));
      }
      return [name, array];
    }),
  );
}
