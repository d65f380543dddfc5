// The engine: takes pure jax-js functions, gives programs that run at native speed.

import type { numpy as np } from '@jax-js/jax';
import { AlignError, DeviceError, LoweringError } from '../errors.ts';
import { type ArraySpec, float32, type Tree } from './array-spec.ts';
import { lower } from './lower.ts';
import { type Device, loadOnnxRuntime, onnxProgram } from './onnx-executor.ts';
import type { ModelProgram, Program } from './program.ts';
import { type ArrayFunction, trace } from './trace.ts';
import { wasmModelProgram, wasmProgram } from './wasm-executor.ts';

export interface EngineOptions {
  /** `auto` takes ONNX Runtime where it is installed, else jax-js's WebAssembly backend. */
  readonly executor?: 'auto' | 'onnxruntime' | 'wasm';
  readonly device?: Device;
  /** Threads inside one operator; 1 where several engines run side by side. */
  readonly threads?: number;
}

/** Compiles functions and owns what they compile to, until `close`. */
export interface Engine {
  readonly executor: 'onnxruntime' | 'wasm';
  readonly device: Device;
  /**
   * Compiles `f`, a function of one record of arrays shaped like `specs`. `label` names it in messages.
   * Throws LoweringError where `f` cannot be traced or lowered.
   */
  compile(label: string, f: ArrayFunction, specs: Tree<ArraySpec>): Promise<Program>;
  /** Opens a model file as a program with the given ports; the caller closes it. */
  openModel(bytes: Uint8Array, ports: Ports): Promise<ModelProgram>;
  /** Closes what was compiled. */
  close(): Promise<void>;
}

/** What a program takes and gives. */
export type Ports = Pick<Program, 'label' | 'inputs' | 'outputs'>;

/** Line for the user when `auto` had to fall back. */
export const FALLBACK_NOTICE =
  'onnxruntime-node is not installed or does not load here, so training runs on the slower WebAssembly backend (about five times slower for ' +
  'dense models, far more for convolutions). To mend it: npm install onnxruntime-node@1.30.0 --onnxruntime-node-install=skip';

/** Opens an engine. Throws DeviceError where the asked-for executor or device is not to be had. */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const { executor = 'auto', device = 'cpu', threads = 1 } = options;
  const loaded = executor === 'wasm' ? null : await loadOnnxRuntime();
  if (loaded) {
    const { runtime, ort } = loaded;
    const compiled = async (bytes: Uint8Array, ports: Ports) =>
      onnxProgram(ort, await runtime.shared(bytes, { device, threads }), ports);
    if (device !== 'cpu') await compiled(...probe()); // a missing device shows here, not at the first training step
    return {
      executor: 'onnxruntime',
      device,
      async compile(label, f, specs) {
        const { bytes, inputs, outputs } = lower(trace(label, f, specs));
        try {
          return await compiled(bytes, { label, inputs, outputs });
        } catch (cause) {
          throw cause instanceof AlignError ? cause : refused(label, cause);
        }
      },
      async openModel(bytes, ports) {
        const session = await runtime.single(bytes, { device, threads });
        return { ...onnxProgram(ort, session, ports), close: () => session.release() };
      },
      close: () => runtime.close(),
    };
  }
  if (executor === 'wasm' && device !== 'cpu') {
    throw new DeviceError(
      `The executor 'wasm' runs on the CPU only, but device '${device}' was asked for. ` +
        'Set engine.executor to onnxruntime, or engine.device to cpu.',
      { executor, device },
    );
  }
  if (executor === 'onnxruntime' || device !== 'cpu') {
    const wanted = executor === 'onnxruntime' ? "executor 'onnxruntime'" : `device '${device}'`;
    throw new DeviceError(`The ${wanted} needs onnxruntime-node. ${FALLBACK_NOTICE}`, { executor, device });
  }
  return {
    executor: 'wasm',
    device: 'cpu',
    compile: async (label, f, specs) => wasmProgram(f, specs, trace(label, f, specs)),
    openModel: async (bytes, ports) => wasmModelProgram(bytes, ports),
    close: async () => {},
  };
}

// --- internal ---

/** The smallest model there is. */
function probe(): [Uint8Array, Ports] {
  const label = 'device check';
  const { bytes, ...ports } = lower(trace(label, (x: np.Array) => x, float32()));
  return [bytes, { label, ...ports }];
}

function refused(label: string, cause: unknown): LoweringError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LoweringError(
    `'${label}' was lowered to a graph that ONNX Runtime does not run: ${reason}. ` +
      'Often an element type is to blame: compute in float32, or run the function on the wasm executor.',
    { label },
    { cause },
  );
}
