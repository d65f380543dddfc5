import { lax, numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { draw, expectClose, expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { LoweringError } from '../errors.ts';
import { type ArraySpec, type DType, float32 } from './array-spec.ts';
import type { ArrayFunction } from './trace.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

type Pair = { x: np.Array; y: np.Array };

/** Names that share one program, so that a table costs one compilation: every entry reads its own references. */
function table<Inputs extends Record<string, np.Array>>(entries: Record<string, (inputs: Inputs) => np.Array>) {
  return ((inputs: Inputs) => {
    const again = () => Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, x.ref])) as Inputs;
    return Object.fromEntries(Object.entries(entries).map(([name, f]) => [name, f(again())]));
  }) as ArrayFunction;
}

const pair = (dtype: DType): Record<'x' | 'y', ArraySpec> => ({
  x: { shape: [3, 5], dtype },
  y: { shape: [3, 5], dtype },
});

const arithmetic = {
  add: ({ x, y }: Pair) => x.add(y),
  mul: ({ x, y }: Pair) => x.mul(y),
  sub: ({ x, y }: Pair) => x.sub(y),
  min: ({ x, y }: Pair) => np.minimum(x, y),
  max: ({ x, y }: Pair) => np.maximum(x, y),
  neg: ({ x }: Pair) => np.negative(x),
  floor: ({ x }: Pair) => np.floor(x),
  ceil: ({ x }: Pair) => np.ceil(x),
  stop: ({ x }: Pair) => lax.stopGradient(x),
  where: ({ x, y }: Pair) => np.where(x.ref.less(y.ref), x, y),
};
const comparisons = {
  less: ({ x, y }: Pair) => x.less(y),
  lessEqual: ({ x, y }: Pair) => x.lessEqual(y),
  greater: ({ x, y }: Pair) => x.greater(y),
  greaterEqual: ({ x, y }: Pair) => x.greaterEqual(y),
  equal: ({ x, y }: Pair) => x.equal(y),
  notEqual: ({ x, y }: Pair) => x.notEqual(y),
  equalToItself: ({ x }: Pair) => x.ref.equal(x),
};
const bitwise = {
  and: ({ x, y }: Pair) => np.bitwiseAnd(x, y),
  or: ({ x, y }: Pair) => np.bitwiseOr(x, y),
  xor: ({ x, y }: Pair) => np.bitwiseXor(x, y),
  not: ({ x }: Pair) => np.invert(x),
};

describe('arithmetic and comparisons agree on both executors', () => {
  it.each<DType>(['float32', 'int32', 'uint32'])('for %s', async (dtype) => {
    const f = table<Pair>({ ...arithmetic, ...comparisons });
    await expectTwins(twins, dtype, { f, specs: pair(dtype) });
  });

  it('for bool: sums are or, products are and', async () => {
    const f = table<Pair>({
      sum: ({ x, y }) => x.add(y),
      product: ({ x, y }) => x.mul(y),
      min: arithmetic.min,
      max: arithmetic.max,
      equal: comparisons.equal,
      notEqual: comparisons.notEqual,
      logicalNot: ({ x }) => np.logicalNot(x),
      where: ({ x, y }) => np.where(x.ref, y, x),
      ...bitwise,
    });
    await expectTwins(twins, 'bool', { f, specs: pair('bool') });
  });

  it('for float64 inside a float32 function', async () => {
    const doubled = ({ x, y }: Pair) => ({ x: x.astype(np.float64), y: y.astype(np.float64) });
    const entries = { ...arithmetic, ...comparisons };
    const f = table<Pair>(
      Object.fromEntries(Object.entries(entries).map(([name, g]) => [name, (p: Pair) => g(doubled(p))])),
    );
    const outputs = await expectTwins(twins, 'float64', { f, specs: pair('float32') }, { relative: 1e-14 });
    expect(outputs['add']).toBeInstanceOf(Float64Array);
  });

  it('for division and remainder, which truncate in integers', async () => {
    const f = table<Pair>({ div: ({ x, y }) => x.div(y), mod: ({ x, y }) => x.mod(y) });
    const x = Int32Array.of(7, -7, 7, -7, 0);
    const y = Int32Array.of(2, 2, -2, -2, 5);
    const five: ArraySpec = { shape: [5], dtype: 'int32' };
    const outputs = await expectTwins(twins, 'int32', { f, specs: { x: five, y: five }, inputs: { x, y } });
    expect([...(outputs['div'] ?? [])]).toEqual([3, -3, -3, 3, 0]);
    expect([...(outputs['mod'] ?? [])]).toEqual([1, -1, 1, -1, 0]);
    for (const dtype of ['uint32', 'float32'] as const) {
      const inputs = draw(pair(dtype), { range: [1, 9] });
      inputs['y']?.forEach((value, i, all) => (all[i] = value + 1));
      await expectTwins(twins, dtype, { f, specs: pair(dtype), inputs });
    }
  });
});

describe('functions of one number', () => {
  const unary = ['exp', 'log', 'sqrt', 'sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'reciprocal'] as const;
  const composed = ['tanh', 'sinh', 'cosh', 'abs', 'sign', 'log1p', 'expm1', 'square', 'isnan', 'round'] as const;
  const inside = { x: float32(64) };

  it('are as exact as float32 allows on ONNX Runtime', async () => {
    const names = ['exp', 'log', 'sqrt', 'sin', 'cos', 'asin', 'atan', 'floor', 'ceil'] as const;
    const f = table<{ x: np.Array }>(Object.fromEntries(names.map((name) => [name, ({ x }) => np[name](x)])));
    const inputs = draw(inside, { range: [0.01, 0.99] });
    const outputs = await runOn(twins.native, 'unary', { f, specs: inside, inputs });
    for (const name of names) {
      const wanted = (inputs['x'] as Float32Array).map((x) => Math[name](x));
      expectClose(name, outputs[name] as Float32Array, wanted, { relative: 1e-6, absolute: 1e-7 });
    }
  });

  it('agree on both executors, as far as the polynomials of jax-js go', async () => {
    const f = table<{ x: np.Array }>({
      ...Object.fromEntries([...unary, ...composed].map((name) => [name, ({ x }) => np[name](x)])),
      erf: ({ x }) => lax.erf(x),
      erfc: ({ x }) => lax.erfc(x),
    });
    const inputs = draw(inside, { range: [0.01, 0.99] });
    await expectTwins(twins, 'unary', { f, specs: inside, inputs }, { absolute: 1e-5, relative: 1e-5 });
  });

  it('agree on both sides of zero, far out, and at infinity', async () => {
    const f = table<{ x: np.Array }>({
      ...Object.fromEntries(
        (['exp', 'atan', 'floor', 'ceil', 'reciprocal', 'abs', 'tanh', 'sign'] as const).map((name) => [
          name,
          ({ x }) => np[name](x),
        ]),
      ),
      erf: ({ x }) => lax.erf(x),
      erfc: ({ x }) => lax.erfc(x), // 1 - erf here: right to 1e-7 absolutely, without digits in the far tail
    });
    const x = Float32Array.of(-87, -5.5, -1, -0.5, -1e-6, 0, 1e-6, 0.5, 1, 2.5, 5.5, 60, 1e38, Infinity, -Infinity);
    await expectTwins(twins, 'wide', { f, specs: { x: float32(15) }, inputs: { x } }, { absolute: 1e-5 });
  });

  it('have the values of the tables', async () => {
    const f = table<{ x: np.Array }>({ erf: ({ x }) => lax.erf(x), erfc: ({ x }) => lax.erfc(x) });
    const job = { f, specs: { x: float32(2) }, inputs: { x: Float32Array.of(0.5, -2) } };
    const outputs = await runOn(twins.native, 'hand', job);
    // python3 -c 'import math; print(math.erf(0.5), math.erfc(-2))'
    expect(outputs['erf']?.[0]).toBeCloseTo(0.5204998778130465, 6);
    expect(outputs['erfc']?.[1]).toBeCloseTo(1.9953222650189528, 6);
  });
});

describe('NaN', () => {
  it('passes through arithmetic, min, max and reductions, and fails every comparison but not-equal, on both', async () => {
    const f = table<Pair>({
      ...arithmetic,
      ...comparisons,
      relu: ({ x }) => np.maximum(x, 0),
      largest: ({ x }) => x.max(),
      smallest: ({ x }) => x.min(),
      exp: ({ x }) => np.exp(x),
      isnan: ({ x }) => np.isnan(x),
    });
    const specs = pair('float32');
    const inputs = draw(specs);
    inputs['x']?.set([NaN, 1, Infinity, -Infinity, NaN]);
    inputs['y']?.set([1, NaN, 3, Infinity, NaN], 0);
    const outputs = await expectTwins(twins, 'NaN', { f, specs, inputs });
    expect([...(outputs['max'] ?? [])].slice(0, 2)).toEqual([NaN, NaN]);
    expect(outputs['largest']?.[0]).toBeNaN();
    expect([...(outputs['less'] ?? [])].slice(0, 2)).toEqual([0, 0]);
  });

  it('is not lost in the vector loops of long arrays', async () => {
    const f = table<Pair>({ min: arithmetic.min, max: arithmetic.max, largest: ({ x }) => x.max() });
    const specs = { x: float32(1003), y: float32(1003) };
    const inputs = draw(specs);
    for (const at of [0, 500, 1002]) (inputs['x'] as Float32Array)[at] = NaN;
    await expectTwins(twins, 'long', { f, specs, inputs });
  });
});

describe('bits', () => {
  it('of uint32 and int32 agree on both executors', async () => {
    await expectTwins(twins, 'uint32', { f: table<Pair>(bitwise), specs: pair('uint32') });
    await expectTwins(twins, 'int32', { f: table<Pair>(bitwise), specs: pair('int32') });
  });

  it('of uint32 shift without sign', async () => {
    const f = table<Pair>({ left: ({ x, y }) => np.leftShift(x, y), right: ({ x, y }) => np.rightShift(x, y) });
    const four: ArraySpec = { shape: [4], dtype: 'uint32' };
    const inputs = { x: Uint32Array.of(0xffffffff, 0x80000001, 1, 0), y: Uint32Array.of(8, 1, 31, 3) };
    const outputs = await expectTwins(twins, 'shift', { f, specs: { x: four, y: four }, inputs });
    expect([...(outputs['right'] ?? [])]).toEqual([0xffffff, 0x40000000, 0, 0]);
    expect([...(outputs['left'] ?? [])]).toEqual([0xffffff00, 2, 0x80000000, 0]);
  });
});

describe('casts', () => {
  const all = ['float32', 'float64', 'int32', 'uint32', 'bool'] as const;
  const casts = table<{ x: np.Array }>(
    Object.fromEntries(all.map((to) => [to, ({ x }) => (x.dtype === to ? x.add(x.ref) : x.astype(to as np.DType))])),
  );

  it.each(['float32', 'int32', 'uint32', 'bool'] as const)('from %s to every type', async (from) => {
    const specs = { x: { shape: [9], dtype: from } satisfies ArraySpec };
    // Inside the range of every target: outside, C++ and so ONNX Runtime leave the result open.
    await expectTwins(twins, from, { f: casts, specs, inputs: draw(specs, { range: [0.1, 7.9] }) });
  });

  it('from float64 to every type', async () => {
    const f = ({ x }: { x: np.Array }) => (casts as (i: unknown) => unknown)({ x: x.astype(np.float64) });
    const specs = { x: float32(9) };
    await expectTwins(twins, 'float64', { f, specs, inputs: draw(specs, { range: [0.1, 7.9] }) });
  });

  it('truncate towards zero, take uint32 as unsigned, and take any non-zero number as true', async () => {
    const f = ({ x, u }: { x: np.Array; u: np.Array }) => ({
      int: x.ref.astype(np.int32),
      bool: x.astype(np.bool),
      float: u.astype(np.float32),
    });
    const specs = { x: float32(4), u: { shape: [1], dtype: 'uint32' } satisfies ArraySpec };
    const inputs = { x: Float32Array.of(-1.9, 1.9, 0.4, 0), u: Uint32Array.of(0xffffffff) };
    const outputs = await expectTwins(twins, 'cast', { f, specs, inputs });
    expect([...(outputs['int'] ?? [])]).toEqual([-1, 1, 0, 0]);
    expect([...(outputs['bool'] ?? [])]).toEqual([1, 1, 1, 0]);
    expect(outputs['float']?.[0]).toBe(2 ** 32);
  });
});

describe('numbers written in the function', () => {
  it('take the type of the array they meet: an int32 array plus 0.5 is that array', async () => {
    const f = ({ x }: { x: np.Array }) => ({ sum: x.ref.add(0.5), smaller: x.ref.less(0.5), product: x.mul(2.9) });
    const specs = { x: { shape: [3], dtype: 'int32' } satisfies ArraySpec };
    const outputs = await expectTwins(twins, 'weak', { f, specs, inputs: { x: Int32Array.of(-1, 0, 4) } });
    expect([...(outputs['sum'] ?? [])]).toEqual([-1, 0, 4]);
    expect([...(outputs['smaller'] ?? [])]).toEqual([1, 0, 0]); // compared with 0
    expect([...(outputs['product'] ?? [])]).toEqual([-2, 0, 8]);
  });

  it.each(['int32', 'uint32', 'bool', 'float32'] as const)('meet %s the same way on both executors', async (dtype) => {
    const f = table<{ x: np.Array }>({
      plus: ({ x }) => x.add(0.5),
      minus: ({ x }) => x.add(-1),
      plusZero: ({ x }) => x.add(0),
      timesOne: ({ x }) => x.mul(1),
      times: ({ x }) => x.mul(2.9),
      huge: ({ x }) => np.maximum(x, 1e10),
      less: ({ x }) => x.less(1.5),
      lessNegative: ({ x }) => x.less(-1),
      greater: ({ x }) => x.greater(0),
      where: ({ x }) => np.where(x.ref.less(1), x, 0.5),
      flags: ({ x }) => np.where(x.greater(0), 1, 0),
      larger: ({ x }) => np.maximum(x, 0.5),
      again: ({ x }) => x.greater(0).mul(1).add(0).mul(3),
    });
    await expectTwins(twins, dtype, { f, specs: { x: { shape: [7], dtype } } });
  });

  it('do not widen arrays of different types: those follow bool < uint32 < int32 < float32 < float64', async () => {
    const f = ({ b, u, i, x }: Record<string, np.Array>) => ({
      bu: b!.ref.add(u!.ref),
      ui: u!.ref.mul(i!.ref),
      ix: i!.ref.add(x!.ref),
      bx: b!.mul(x!.ref),
      less: u!.less(i!.ref),
      lessX: i!.less(x!),
    });
    const spec = (dtype: DType): ArraySpec => ({ shape: [6], dtype });
    const specs = { b: spec('bool'), u: spec('uint32'), i: spec('int32'), x: spec('float32') };
    await expectTwins(twins, 'mixed', { f, specs });
  });
});

describe('shapes', () => {
  it('broadcast from scalars, missing axes and axes of length one, in every operand', async () => {
    const specs = {
      s: float32(),
      r: float32(4),
      c: float32(3, 1),
      m: float32(3, 4),
      t: float32(2, 1, 4),
      one: float32(1, 1),
    };
    type Inputs = Record<keyof typeof specs, np.Array>;
    const f = table<Inputs>({
      rc: ({ r, c }) => r.add(c),
      cr: ({ r, c }) => c.mul(r),
      sm: ({ s, m }) => s.add(m),
      mt: ({ m, t }) => m.mul(t),
      tc: ({ t, c }) => np.minimum(t, c),
      ones: ({ one, r }) => one.add(r),
      where: ({ c, r, s }) => np.where(c.less(0), r, s),
      whereMask: ({ s, m, t }) => np.where(s.less(0), m, t),
      compare: ({ t, m }) => t.less(m),
      transposed: ({ m, r, c }) =>
        m
          .transpose()
          .add(r.reshape([4, 1]))
          .mul(c.reshape([3])),
    });
    const outputs = await expectTwins(twins, 'broadcast', { f, specs });
    expect(outputs['tc']?.length).toBe(2 * 3 * 4);
  });

  it('of broadcasts are never written out: four gigabytes of them take no memory and no time', async () => {
    const f = ({ r }: { r: np.Array }) => ({
      sum: np
        .broadcastTo(r, [2 ** 16, 2 ** 12, 4])
        .mul(2)
        .add(1)
        .sum(),
    });
    const job = { f, specs: { r: float32(4) }, inputs: { r: Float32Array.of(1, 2, 3, 4) } };
    const outputs = await runOn(twins.native, 'broadcast', job);
    expect(outputs['sum']?.[0]).toBe(2 ** 28 * (3 + 5 + 7 + 9));
  });
});

describe('what cannot be lowered', () => {
  const compile = (f: ArrayFunction, dtype: DType = 'float32') =>
    twins.native.compile('my step', f, { x: { shape: [3], dtype } });

  it('is named: the primitive, the element type and the label', async () => {
    const facts = { primitive: 'exp', label: 'my step' };
    await expect(compile(({ x }: Pair) => np.exp(x), 'int32')).rejects.toMatchObject({ code: 'LOWERING', facts });
    await expect(compile(({ x }: Pair) => np.exp(x), 'int32')).rejects.toThrow(/'my step'.*'exp'.*int32.*cast/);
    await expect(compile(({ x }: Pair) => np.trunc(x))).rejects.toThrow(/'idiv'.*float32/);
    await expect(compile(({ x }: Pair) => np.rightShift(x, x.ref), 'int32')).rejects.toThrow(/'bit_shift'.*uint32/);
  });

  it('is reported as such where only ONNX Runtime knows that it has no kernel', async () => {
    const job = compile(({ x }: Pair) => np.atan(x.astype(np.float64)));
    await expect(job).rejects.toThrow(LoweringError);
    await expect(job).rejects.toThrow(/'my step'.*Atan/);
  });
});
