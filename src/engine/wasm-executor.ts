// jax-js's own WebAssembly backend as the executor: the fallback without ONNX Runtime, and the twin in tests.

import { setImmediate } from 'node:timers/promises';
import { jit, numpy as np } from '@jax-js/jax';
import { ONNXModel } from '@jax-js/onnx';
import { DeviceError } from '../errors.ts';
import { type ArraySpec, checkFits, type HostArray, isSpec, type Tree } from './array-spec.ts';
import type { BoundRun, Buffers, ModelProgram, Port, Program } from './program.ts';
import type { ArrayFunction, Traced } from './trace.ts';

/** The function itself, compiled by jax-js. `traced` gives the ports; `specs` the tree of its argument. */
export function wasmProgram(f: ArrayFunction, specs: Tree<ArraySpec>, traced: Traced): Program {
  const ports = portsOf(traced);
  ports.inputs.forEach((port) => checkPassable(traced.label, port));
  const compiled = jit(f as unknown as (inputs: object) => np.Array);
  return programOf(ports, (given) => leavesOf(compiled(argument(specs, given) as object)));
}

/**
 * A model file, read by jax-js's own ONNX loader, which knows the operators of dense decoders and not all others: a run
 * then throws DeviceError.
 */
export function wasmModelProgram(bytes: Uint8Array, ports: Ports): ModelProgram {
  const model = new ONNXModel(bytes.slice());
  const program = programOf(ports, (given) => {
    const arrays = ports.inputs.map((spec) => [spec.name, arrayOf(given[spec.name] as HostArray, spec)]);
    try {
      const results = model.run(Object.fromEntries(arrays) as Record<string, np.Array>);
      return ports.outputs.map(({ name }) => results[name] as np.Array);
    } catch (cause) {
      throw new DeviceError(
        `The WebAssembly backend cannot run the model file of '${ports.label}': ${String(cause)}. ` +
          'Install onnxruntime-node, which runs every decoder that passes inspection.',
        { label: ports.label },
        { cause },
      );
    }
  });
  return { ...program, close: async () => model.dispose() };
}

// --- internal ---

/** jax-js 0.1.25 looks for Float16Array, which came with Node 24, before it takes a Float64Array. */
function checkPassable(label: string, { name, dtype }: Port): void {
  if (dtype !== 'float64' || 'Float16Array' in globalThis) return;
  throw new DeviceError(
    `'${label}' takes '${name}' as float64, which the wasm executor cannot pass on before Node 24. ` +
      'Pass float32 and convert inside, or run it on ONNX Runtime.',
    { label, name },
  );
}

type Ports = Pick<Program, 'label' | 'inputs' | 'outputs'>;

function portsOf({ label, inputs, outputs }: Traced): Ports {
  return { label, inputs: inputs.map(({ spec }) => spec), outputs: outputs.map(({ spec }) => spec) };
}

/** A program that computes by `run`, which gives the outputs in order. */
function programOf(ports: Ports, run: (given: Buffers) => readonly np.Array[]): Program {
  return {
    ...ports,
    bind(given: Buffers, wanted: Buffers): BoundRun {
      ports.inputs.forEach((spec) => checkFits(given[spec.name], spec));
      ports.outputs.forEach((spec) => checkFits(wanted[spec.name], spec));
      return async () => {
        const results = run(given);
        for (const [i, spec] of ports.outputs.entries()) {
          const data = await (results[i] as np.Array).data();
          (wanted[spec.name] as HostArray).set(data as never);
        }
        await setImmediate(); // else a training would let no signal and no message in until its end
      };
    },
  };
}

function argument(specs: Tree<ArraySpec>, buffers: Buffers, path = ''): unknown {
  if (isSpec(specs)) return arrayOf(buffers[path === '' ? 'value' : path] as HostArray, specs);
  const entries = Object.entries(specs as { readonly [name: string]: Tree<ArraySpec> });
  return Object.fromEntries(
    entries.map(([name, child]) => [name, argument(child, buffers, path === '' ? name : `${path}.${name}`)]),
  );
}

function arrayOf(buffer: HostArray, spec: ArraySpec): np.Array {
  const dtype = spec.dtype as np.DType;
  // A fresh copy: jax-js may keep the buffer, and the caller refills it.
  if (spec.dtype === 'bool')
    return np.array([...(buffer as Uint8Array)].map(Boolean), { dtype }).reshape([...spec.shape]);
  return np.array(buffer.slice() as never, { dtype }).reshape([...spec.shape]);
}

function leavesOf(result: unknown): np.Array[] {
  if (result instanceof np.Array) return [result];
  return Object.values(result as Record<string, unknown>).flatMap(leavesOf);
}
