import { numpy as np } from '@jax-js/jax';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../test/twins.ts';
import { LoweringError, ShapeError } from '../errors.ts';
import { type AdamOptions, optimizerOf, type SgdOptions } from '../training/optimizer.ts';
import { createArena } from './arena.ts';
import { childKey, normals, seedKey } from './keys.ts';
import { compileSweep } from './sweep.ts';

type Vectors = Record<string, np.Array>;

/** Runs `f` once over vectors of any one length; gives the named vectors afterwards. */
function sweepOnce(
  f: (inputs: never) => unknown,
  vectors: Record<string, readonly number[]>,
  { scalars = {}, outputs = [] }: { scalars?: Record<string, number>; outputs?: readonly string[] } = {},
) {
  const length = Math.max(...Object.values(vectors).map((values) => values.length));
  const names = [...Object.keys(vectors), ...outputs];
  const arena = createArena(Object.fromEntries(names.map((name) => [name, length])));
  for (const [name, values] of Object.entries(vectors)) arena.vector(name).set(values);
  const ports = { vectors: Object.keys(vectors), scalars: Object.keys(scalars) };
  compileSweep('test', f, ports).bind(arena, {}, {})(scalars);
  return (name: string) => [...arena.vector(name)];
}

describe('a sweep', () => {
  const x = [-2.5, -1, -0, 0.5, 3, 7.25, 1e-3];

  it.each<[string, (inputs: Vectors) => np.Array, (x: number, y: number, s: number) => number]>([
    ['add', ({ x: a, y }) => a!.add(y!), (a, y) => a + y],
    ['sub', ({ x: a, y }) => a!.sub(y!), (a, y) => a - y],
    ['mul', ({ x: a, y }) => a!.mul(y!), (a, y) => a * y],
    ['div', ({ x: a, y }) => a!.div(y!), (a, y) => a / y],
    ['scalar', ({ x: a, s }) => a!.mul(s!), (a, _, s) => a * s],
    ['literal', ({ x: a }) => a!.mul(0.5).add(3), (a) => a * 0.5 + 3],
    ['neg', ({ x: a }) => np.negative(a!), (a) => -a],
    ['sqrt', ({ y }) => np.sqrt(y!), (_, y) => Math.sqrt(y)],
    ['floor', ({ x: a }) => np.floor(a!), (a) => Math.floor(a)],
    ['ceil', ({ x: a }) => np.ceil(a!), (a) => Math.ceil(a)],
    ['min', ({ x: a, y }) => np.minimum(a!, y!), (a, y) => Math.min(a, y)],
    ['max', ({ x: a, y }) => np.maximum(a!, y!), (a, y) => Math.max(a, y)],
    [
      'clip',
      ({ x: a, s }) => np.minimum(np.maximum(a!, np.negative(s!.ref)), s!),
      (a, _, s) => Math.max(Math.min(a, s), -s),
    ],
    ['abs', ({ x: a }) => np.abs(a!), (a) => Math.abs(a)],
    ['less', ({ x: a, y }) => np.where(a!.less(y!), 1, 0), (a, y) => Number(a < y)],
    ['less or equal', ({ x: a }) => np.where(a!.lessEqual(0.5), 1, 0), (a) => Number(a <= 0.5)],
    ['greater', ({ x: a, y }) => np.where(a!.greater(y!), 1, 0), (a, y) => Number(a > y)],
    ['equal', ({ x: a }) => np.where(a!.equal(3), 1, 0), (a) => Number(a === 3)],
    ['not equal', ({ x: a }) => np.where(a!.notEqual(3), 1, 0), (a) => Number(a !== 3)],
    ['where', ({ x: a, y, s }) => np.where(a!.ref.less(s!), a!, y!.mul(2)), (a, y, s) => (a < s ? a : y * 2)],
    ['where by a scalar', ({ x: a, y, s }) => np.where(s!.less(1), a!, y!), (a, y, s) => (s < 1 ? a : y)],
  ])('computes %s, the last elements of an odd length too', (_, f, wanted) => {
    const y = x.map((_value, i) => 0.25 + i);
    const read = sweepOnce(
      (inputs: Vectors) => ({ out: f(inputs) }),
      { x, y },
      { scalars: { s: 1.5 }, outputs: ['out'] },
    );
    expectClose(
      'out',
      Float32Array.from(read('out')),
      Float32Array.from(x, (value, i) => wanted(Math.fround(value), y[i] as number, 1.5)),
      { relative: 2e-7, absolute: 0 }, // one rounding more where x / y is x * (1 / y)
    );
  });

  it('lets NaN through min and max, and takes it for neither side of a comparison', () => {
    const f = ({ x: a }: Vectors) => ({
      max: np.maximum(a!.ref, 0),
      min: np.minimum(a!.ref, 0),
      less: np.where(a!.ref.less(0), 1, 0),
      notEqual: np.where(a!.ref.notEqual(a!), 1, 0),
    });
    const read = sweepOnce(f, { x: [NaN, 1] }, { outputs: ['max', 'min', 'less', 'notEqual'] });
    expect(read('max')).toEqual([NaN, 1]);
    expect(read('min')).toEqual([NaN, 0]);
    expect(read('less')).toEqual([0, 0]);
    expect(read('notEqual')).toEqual([1, 0]);
  });

  it('works in place, and may even exchange two vectors', () => {
    const read = sweepOnce(({ a, b }: Vectors) => ({ a: b!, b: a!.add(1) }), {
      a: [1, 2, 3, 4, 5],
      b: [10, 20, 30, 40, 50],
    });
    expect(read('a')).toEqual([10, 20, 30, 40, 50]);
    expect(read('b')).toEqual([2, 3, 4, 5, 6]);
  });

  it('leaves the vectors after its own alone, whatever the length', () => {
    for (let length = 1; length <= 17; length++) {
      const arena = createArena({ x: length, next: 4 });
      arena.vector('next').fill(9);
      compileSweep('fill', ({ x: a }: Vectors) => ({ x: a!.add(1) }), { vectors: ['x'], scalars: [] }).bind(
        arena,
        {},
        {},
      )({});
      expect([...arena.vector('x')]).toEqual(Array<number>(length).fill(1));
      expect([...arena.vector('next')]).toEqual([9, 9, 9, 9]);
    }
  });

  it('binds to vectors of other names', () => {
    const arena = createArena({ p: 3, q: 3 });
    arena.vector('p').set([1, 2, 3]);
    const double = compileSweep('double', ({ x: a }: Vectors) => ({ y: a!.mul(2) }), { vectors: ['x'], scalars: [] });
    double.bind(arena, { x: 'p' }, { y: 'q' })({});
    expect([...arena.vector('q')]).toEqual([2, 4, 6]);
  });

  it('does the same as its description on a million elements', () => {
    const values = normals(seedKey('sweep'), 1_000_003);
    const arena = createArena({ x: values.length });
    arena.vector('x').set(values);
    compileSweep('scale', ({ x: a }: Vectors) => ({ x: a!.mul(3) }), { vectors: ['x'], scalars: [] }).bind(
      arena,
      {},
      {},
    )({});
    expectClose(
      'x',
      arena.vector('x'),
      values.map((value) => value * 3),
      { relative: 0, absolute: 0 },
    );
  });
});

describe('a sweep refuses', () => {
  const captured = np.array(Float32Array.of(1, 2, 3, 4));

  it.each<[string, (inputs: Vectors) => unknown, RegExp]>([
    ['exp', ({ x }) => ({ y: np.exp(x!) }), /'my update'.*'exp'/],
    ['sums over elements', ({ x }) => ({ y: x!.ref.sub(x!.sum()) }), /'reduce'/],
    ['moving elements', ({ x }) => ({ y: np.flip(x!) }), /'flip'/],
    ['other shapes', ({ x }) => ({ y: x!.reshape([4, 1]).mul(2).reshape([4]) }), /float32\[4, 1\]/],
    ['captured arrays', ({ x }) => ({ y: x!.add(captured.ref) }), /captured array/],
    ['other element types', ({ x }) => ({ y: x!.astype(np.int32).astype(np.float32) }), /'cast'/],
    ['masks as results', ({ x }) => ({ y: x!.less(0) }), /bool\[4\] as 'y'/],
    [
      'arithmetic on masks',
      ({ x }) => ({ y: np.where(np.logicalAnd(x!.ref.less(1), x!.ref.greater(0)), x!, 0) }),
      /'mul' on bool/,
    ],
    ['comparing masks', ({ x }) => ({ y: np.where(np.logicalNot(x!.ref.less(1)), x!, 0) }), /'compare' on bool/],
  ])('%s', (_, f, message) => {
    const job = () => compileSweep('my update', f, { vectors: ['x'], scalars: [] });
    expect(job).toThrow(LoweringError);
    expect(job).toThrow(message);
  });

  it('vectors of different lengths, unknown vectors and missing scalars', () => {
    const add = compileSweep('sum', ({ x, y, s }: Vectors) => ({ x: x!.add(y!).mul(s!) }), {
      vectors: ['x', 'y'],
      scalars: ['s'],
    });
    expect(() => add.bind(createArena({ x: 8, y: 7 }), {}, {})).toThrow(/8 elements, but one has 7/);
    expect(() => add.bind(createArena({ x: 8 }), {}, {})).toThrow(ShapeError);
    const run = add.bind(createArena({ x: 8, y: 8 }), {}, {});
    expect(() => run({})).toThrow(/'sum' needs the scalar 's'/);
  });
});

describe('optimizer updates as sweeps', () => {
  const length = 1003; // three elements past the last full lane
  const start = normals(childKey(seedKey('optimizer'), 'start'), length);
  const gradientAt = (step: number) => normals(childKey(seedKey('optimizer'), 'gradient', step), length);

  /** Steps of the sweep beside the same steps by `reference`, in float64. */
  function compare(options: AdamOptions | SgdOptions, reference: Reference, steps: number) {
    const optimizer = optimizerOf(options);
    const arena = createArena(
      Object.fromEntries(['parameter', 'gradient', ...optimizer.memory].map((name) => [name, length])),
    );
    const sweep = compileSweep('update', optimizer.update as never, {
      vectors: ['parameter', 'gradient', ...optimizer.memory],
      scalars: optimizer.scalars,
    }).bind(arena, {}, {});
    arena.vector('parameter').set(start);
    const slow = { parameter: Float64Array.from(start), memory: optimizer.memory.map(() => new Float64Array(length)) };
    for (let step = 1; step <= steps; step++) {
      arena.vector('gradient').set(gradientAt(step));
      sweep(optimizer.scalarsAt(step, options.learningRate));
      reference(slow.parameter, gradientAt(step), slow.memory, step);
    }
    return { fast: arena.vector('parameter'), slow: Float32Array.from(slow.parameter) };
  }
  type Reference = (parameter: Float64Array, gradient: Float32Array, memory: Float64Array[], step: number) => void;

  const adam: AdamOptions = { kind: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
  const adamReference: Reference = (parameter, gradient, [mean, square], step) => {
    gradient.forEach((g, i) => {
      mean![i] = adam.beta1 * mean![i]! + (1 - adam.beta1) * g;
      square![i] = adam.beta2 * square![i]! + (1 - adam.beta2) * g * g;
      const meanHat = mean![i]! / (1 - adam.beta1 ** step);
      const squareHat = square![i]! / (1 - adam.beta2 ** step);
      parameter[i] = parameter[i]! - (adam.learningRate * meanHat) / (Math.sqrt(squareHat) + adam.eps);
    });
  };

  it('Adam follows algorithm 1 of Kingma and Ba in float64 over 100 steps', () => {
    const { fast, slow } = compare(adam, adamReference, 100);
    // 100 additions of about 1e-2 to values about 1, each rounded to 6e-8: at worst 6e-6.
    expectClose('parameter', fast, slow, { relative: 0, absolute: 6e-6 });
  });

  it('Adam moves every parameter by the learning rate at step 1, against the sign of its gradient', () => {
    const { fast } = compare(adam, adamReference, 1);
    const wanted = start.map((value, i) => value - adam.learningRate * Math.sign(gradientAt(1)[i] as number));
    expectClose('parameter', fast, wanted, { relative: 1e-6, absolute: 1e-6 });
  });

  it('SGD with momentum adds up velocities; without, it is plain gradient descent', () => {
    const heavy: SgdOptions = { kind: 'sgd', learningRate: 1e-2, momentum: 0.9 };
    const reference: Reference = (parameter, gradient, [velocity]) => {
      gradient.forEach((g, i) => {
        velocity![i] = heavy.momentum * velocity![i]! + g;
        parameter[i] = parameter[i]! - heavy.learningRate * velocity![i]!;
      });
    };
    const { fast, slow } = compare(heavy, reference, 100);
    expectClose('parameter', fast, slow, { relative: 0, absolute: 1e-5 });
    const plain = compare({ ...heavy, momentum: 0 }, (p, g) => g.forEach((v, i) => (p[i] = p[i]! - 1e-2 * v)), 3);
    expectClose('parameter', plain.fast, plain.slow, { relative: 0, absolute: 3e-7 });
  });

  it.each<[string, AdamOptions | SgdOptions, readonly number[]]>([
    ['Adam', { ...adam, learningRate: 0.1 }, [0.7986246, 2.0172884]],
    ['SGD', { kind: 'sgd', learningRate: 0.1, momentum: 0.9 }, [0.8755, 1.8209999]],
  ])('%s gives the numbers of PyTorch', (_, options, wanted) => {
    // p = torch.tensor([1.0, 2.0]); o = torch.optim.Adam([p], lr=0.1)  # or SGD([p], lr=0.1, momentum=0.9)
    // for g in ([0.5, -1.0], [0.1, 2.0], [-0.3, 0.7]): p.grad = torch.tensor(g); o.step()
    const optimizer = optimizerOf(options);
    const vectors = ['parameter', 'gradient', ...optimizer.memory];
    const arena = createArena(Object.fromEntries(vectors.map((name) => [name, 2])));
    const ports = { vectors, scalars: optimizer.scalars };
    const sweep = compileSweep('update', optimizer.update as never, ports).bind(arena, {}, {});
    arena.vector('parameter').set([1, 2]);
    for (const [i, gradient] of [
      [0.5, -1],
      [0.1, 2],
      [-0.3, 0.7],
    ].entries()) {
      arena.vector('gradient').set(gradient);
      sweep(optimizer.scalarsAt(i + 1, 0.1));
    }
    expectClose('parameter', arena.vector('parameter'), Float32Array.from(wanted), { relative: 3e-7 });
  });
});
