import { numpy as np } from '@jax-js/jax';
import * as ort from 'onnxruntime-node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DeviceError, LoweringError, ShapeError } from '../errors.ts';
import { float32 } from './array-spec.ts';
import { type Engine, type EngineOptions, FALLBACK_NOTICE, openEngine } from './engine.ts';

type Inputs = Record<'x', np.Array>;
const double = ({ x }: Inputs) => ({ y: x.mul(2) });
const specs = { x: float32(3) };

const opened: Engine[] = [];
async function open(options: EngineOptions = {}): Promise<Engine> {
  const engine = await openEngine(options);
  opened.push(engine);
  return engine;
}

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

describe('an engine', () => {
  it('takes ONNX Runtime where it is installed, on the CPU', async () => {
    expect(await open()).toMatchObject({ executor: 'onnxruntime', device: 'cpu' });
  });

  it.each(['onnxruntime', 'wasm'] as const)('runs what it compiles, with %s', async (executor) => {
    const engine = await open({ executor });
    const program = await engine.compile('double', double, specs);
    expect(program).toMatchObject({
      label: 'double',
      inputs: [{ name: 'x', shape: [3], dtype: 'float32' }],
      outputs: [{ name: 'y', shape: [3], dtype: 'float32' }],
    });
    const y = new Float32Array(3);
    await program.bind({ x: Float32Array.of(1, 2, 3) }, { y })();
    expect([...y]).toEqual([2, 4, 6]);
  });

  it('opens one session for equal functions, another for other ones', async () => {
    const create = vi.spyOn(ort.InferenceSession, 'create');
    const engine = await open();
    await Promise.all([engine.compile('double', double, specs), engine.compile('double', double, specs)]);
    await engine.compile('double', ({ x }: Inputs) => ({ y: x.mul(2) }), specs);
    expect(create).toHaveBeenCalledTimes(1);
    await engine.compile('double', double, { x: float32(4) });
    await engine.compile('triple', ({ x }: Inputs) => ({ y: x.mul(3) }), specs);
    expect(create).toHaveBeenCalledTimes(3);
  });

  it('releases its sessions when it is closed: what was bound runs no more', async () => {
    const engine = await openEngine();
    const run = (await engine.compile('double', double, specs)).bind(
      { x: new Float32Array(3) },
      { y: new Float32Array(3) },
    );
    await run();
    await engine.close();
    await expect(run()).rejects.toThrow(/disposed/);
    await engine.close();
  });
});

describe.each(['onnxruntime', 'wasm'] as const)('a program on %s', (executor) => {
  const compile = async () => (await open({ executor })).compile('double', double, specs);

  it('reads and writes the bound buffers at each run, parts of larger ones too', async () => {
    const memory = Float32Array.of(0, 1, 2, 3, 0, 0, 0, 9);
    const run = (await compile()).bind({ x: memory.subarray(1, 4) }, { y: memory.subarray(4, 7) });
    await run();
    expect([...memory]).toEqual([0, 1, 2, 3, 2, 4, 6, 9]);
    memory[1] = 50;
    await run();
    expect([...memory]).toEqual([0, 50, 2, 3, 100, 4, 6, 9]);
  });

  it('may be bound twice and take turns, each feeding the other', async () => {
    const program = await compile();
    const [a, b] = [Float32Array.of(1, 2, 3), new Float32Array(3)];
    const [there, back] = [program.bind({ x: a }, { y: b }), program.bind({ x: b }, { y: a })];
    for (let i = 0; i < 5; i++) {
      await there();
      await back();
    }
    expect([...a]).toEqual([1024, 2048, 3072]);
  });

  it('may run several bindings at once', async () => {
    const program = await compile();
    const results = Array.from({ length: 16 }, () => new Float32Array(3));
    await Promise.all(results.map((y, i) => program.bind({ x: Float32Array.of(i, 0, 1) }, { y })()));
    expect(results.map(([first]) => first)).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i));
  });

  it('says what is wrong with a buffer when it is bound', async () => {
    const program = await compile();
    const y = new Float32Array(3);
    expect(() => program.bind({}, { y })).toThrow(ShapeError);
    expect(() => program.bind({}, { y })).toThrow("Array 'x' is missing; expected float32[3] (3 elements).");
    expect(() => program.bind({ x: y }, {})).toThrow("Array 'y' is missing");
    expect(() => program.bind({ x: new Float32Array(4) }, { y })).toThrow(
      "Array 'x' should be float32[3] (3 elements), but is a Float32Array of 4 elements.",
    );
    expect(() => program.bind({ x: new Float64Array(3) }, { y })).toThrow(/float32.*but is a Float64Array/);
  });
});

describe('float64 at the ports', () => {
  const precise = { x: { shape: [2], dtype: 'float64' } } as const;

  it.each(['onnxruntime', 'wasm'] as const)('keeps all digits on %s, or is refused by name', async (executor) => {
    const job = (await open({ executor })).compile('double', double, precise);
    if (executor === 'wasm' && !('Float16Array' in globalThis)) {
      await expect(job).rejects.toThrow(/'double' takes 'x' as float64.*Node 24/);
      return;
    }
    const y = new Float64Array(2);
    await (await job).bind({ x: Float64Array.of(Math.PI, 1 / 3) }, { y })();
    expect([...y]).toEqual([2 * Math.PI, 2 / 3]);
  });
});

describe('a missing device', () => {
  it.each(['webgpu', 'cuda'] as const)(
    '%s is either there and right, or refused when the engine is opened',
    async (device) => {
      const engine = await open({ device }).catch((error: unknown) => error as DeviceError);
      if (engine instanceof Error) {
        expect(engine).toBeInstanceOf(DeviceError);
        expect(engine.message).toMatch(
          new RegExp(`device '${device}' could not be opened.*Set engine.device to cpu`, 's'),
        );
        expect(engine.facts).toEqual({ device });
        return;
      }
      const y = new Float32Array(3);
      await (await engine.compile('double', double, specs)).bind({ x: Float32Array.of(1, 2, 3) }, { y })();
      expect([...y]).toEqual([2, 4, 6]);
    },
  );

  it('leaves the CPU usable', async () => {
    await open({ device: 'cuda' }).catch(() => null);
    await expect((await open()).compile('double', double, specs)).resolves.toBeDefined();
  });

  it('is named where the executor has the CPU only', async () => {
    await expect(openEngine({ executor: 'wasm', device: 'cuda' })).rejects.toThrow(
      /'wasm' runs on the CPU only.*'cuda'/,
    );
  });
});

describe('a function that cannot run', () => {
  it.each<[string, (inputs: Inputs) => unknown, RegExp]>([
    ['sort', ({ x }) => np.sort(x), /'my step' uses the primitive 'sort'/],
    [
      'cholesky',
      ({ x }) => np.linalg.cholesky(np.outer(x.ref, x)),
      /'my step' uses the primitive 'cholesky' on float32\[3, 3\]/,
    ],
    ['a branch on contents', ({ x }) => (x.ref.sum().js() > 0 ? x : x.mul(2)), /Tracing 'my step' failed/],
  ])('is a LoweringError that names it: %s', async (_, f, message) => {
    const job = (await open()).compile('my step', f, specs);
    await expect(job).rejects.toThrow(LoweringError);
    await expect(job).rejects.toThrow(message);
  });
});

describe('without onnxruntime-node', () => {
  const openWithout = async (options: EngineOptions) => {
    vi.resetModules();
    vi.doMock('onnxruntime-node', () => {
      throw new Error("Cannot find package 'onnxruntime-node'");
    });
    try {
      return await (await import('./engine.ts')).openEngine(options);
    } finally {
      vi.doUnmock('onnxruntime-node');
      vi.resetModules();
    }
  };

  it('falls back to WebAssembly, which gives the same numbers', async () => {
    const engine = await openWithout({});
    expect(engine).toMatchObject({ executor: 'wasm', device: 'cpu' });
    const y = new Float32Array(3);
    await (await engine.compile('double', double, specs)).bind({ x: Float32Array.of(1, 2, 3) }, { y })();
    expect([...y]).toEqual([2, 4, 6]);
    await engine.close();
  });

  it('refuses what needs it, and says how to install it', async () => {
    const error = { code: 'DEVICE', message: expect.stringContaining(FALLBACK_NOTICE) as string };
    await expect(openWithout({ executor: 'onnxruntime' })).rejects.toMatchObject(error);
    await expect(openWithout({ device: 'webgpu' })).rejects.toMatchObject(error);
  });
});
