// ONNX Runtime as the executor: model bytes become sessions, sessions run on preallocated buffers.

import { createHash } from 'node:crypto';
import { DeviceError } from '../errors.ts';
import { checkFits, type HostArray } from './array-spec.ts';
import { type BoundRun, type Buffers, type Port, type Program, tensorName } from './program.ts';

/** Where ONNX Runtime computes. */
export type Device = 'cpu' | 'webgpu' | 'cuda';

export interface SessionOptions {
  readonly device: Device;
  /** Threads inside one operator. */
  readonly threads: number;
}

/** The runtime library, loaded, with the sessions that are open. */
export interface OnnxRuntime {
  /** Opens the session of a model, or finds the one opened before: it stays open until `close`. */
  shared(bytes: Uint8Array, options: SessionOptions): Promise<OnnxSession>;
  /** Opens a session of its own for a model that is used once; its owner releases it. */
  single(bytes: Uint8Array, options: SessionOptions): Promise<OnnxSession>;
  close(): Promise<void>;
}

type Ort = typeof import('onnxruntime-node');
export type OnnxSession = Awaited<ReturnType<Ort['InferenceSession']['create']>>;

/** Loads onnxruntime-node, or null where it is not installed or does not load on this machine. */
export async function loadOnnxRuntime(): Promise<{ runtime: OnnxRuntime; ort: Ort } | null> {
  let ort: Ort;
  try {
    ort = await import('onnxruntime-node');
    ort.env.logLevel = 'fatal'; // errors arrive as exceptions; nothing is to be printed here
  } catch {
    return null;
  }
  const sessions = new Map<string, Promise<OnnxSession>>();
  const runtime: OnnxRuntime = {
    shared(bytes, options) {
      const identity = `${createHash('sha256').update(bytes).digest('hex')}/${options.device}/${options.threads}`;
      const known = sessions.get(identity);
      if (known) return known;
      const opened = createSession(ort, bytes, options);
      sessions.set(identity, opened);
      opened.catch(() => sessions.delete(identity)); // a failure must not be remembered
      return opened;
    },
    single: (bytes, options) => createSession(ort, bytes, options),
    async close() {
      const opened = [...sessions.values()];
      sessions.clear();
      for (const session of await Promise.allSettled(opened)) {
        if (session.status === 'fulfilled') await session.value.release();
      }
    },
  };
  return { runtime, ort };
}

/** A session as a program. */
export function onnxProgram(
  ort: Ort,
  session: OnnxSession,
  ports: Pick<Program, 'label' | 'inputs' | 'outputs'>,
): Program {
  const tensors = (group: readonly Port[], buffers: Buffers) =>
    Object.fromEntries(group.map((port) => [tensorName(port), tensorOn(ort, buffers[port.name], port)]));
  return {
    ...ports,
    bind(inputs, outputs): BoundRun {
      const feeds = tensors(ports.inputs, inputs);
      const fetches = tensors(ports.outputs, outputs);
      return async () => {
        await session.run(feeds, fetches);
      };
    },
  };
}

// --- internal ---

function tensorOn(ort: Ort, buffer: HostArray | undefined, spec: Port) {
  checkFits(buffer, spec);
  return new ort.Tensor(spec.dtype, buffer as never, spec.shape);
}

async function createSession(ort: Ort, bytes: Uint8Array, options: SessionOptions): Promise<OnnxSession> {
  try {
    return await ort.InferenceSession.create(bytes, {
      executionProviders: [options.device],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
    });
  } catch (cause) {
    if (options.device === 'cpu') throw cause;
    const bundled = ort.listSupportedBackends().flatMap(({ name, bundled: inside }) => (inside ? [name] : []));
    throw new DeviceError(
      `The device '${options.device}' could not be opened on this machine (the installed onnxruntime-node brings the ` +
        `libraries of ${bundled.join(', ')}). Set engine.device to cpu, or install what '${options.device}' needs. ` +
        `ONNX Runtime said: ${cause instanceof Error ? cause.message : String(cause)}`,
      { device: options.device },
      { cause },
    );
  }
}
