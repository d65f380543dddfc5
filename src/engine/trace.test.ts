import { numpy as np } from '@jax-js/jax';
import { describe, expect, it } from 'vitest';
import { LoweringError } from '../errors.ts';
import { float32, uint32 } from './array-spec.ts';
import { type Atom, promote, trace } from './trace.ts';

type Inputs = Record<'x' | 'y', np.Array>;

describe('trace', () => {
  it('gives a flat list of equations with named ends', () => {
    const f = ({ x, y }: Inputs) => ({ out: { sum: x.add(y) } });
    const traced = trace('sum', f, { x: float32(2, 3), y: float32(3) });
    expect(traced.inputs.map(({ spec }) => spec)).toEqual([
      { name: 'x', shape: [2, 3], dtype: 'float32' },
      { name: 'y', shape: [3], dtype: 'float32' },
    ]);
    expect(traced.outputs.map(({ spec }) => spec)).toEqual([{ name: 'out.sum', shape: [2, 3], dtype: 'float32' }]);
    expect(traced.equations.map(({ primitive }) => primitive)).toEqual(['add']);
    expect(traced.constants).toEqual([]);
  });

  it('writes numbers as weak literals and drops what is not used', () => {
    const f = ({ x }: Inputs) => {
      np.exp(x.ref).dispose();
      return { y: x.mul(2) };
    };
    const { equations } = trace('twice', f, { x: float32(2) });
    expect(equations).toHaveLength(1);
    expect(equations[0]?.inputs[1]).toEqual({ kind: 'literal', value: 2, shape: [], dtype: 'float32', weak: true });
  });

  it('copies captured arrays of every type, and leaves the caller as many references as before', () => {
    const floats = np.array(Float32Array.of(1, 2));
    const bits = np.array(Uint32Array.of(1, 0xffffffff));
    const flags = np.array([true, false]);
    const f = ({ x }: Inputs) => ({
      y: np.where(flags.ref, x, floats.ref),
      z: np.bitwiseOr(bits.ref, np.array(4, { dtype: np.uint32 })),
    });
    const traced = trace('captures', f, { x: float32(2) });
    const byType = new Map(traced.constants.map(({ variable, data }) => [variable.dtype, [...data]]));
    expect(byType).toEqual(
      new Map([
        ['bool', [1, 0]],
        ['float32', [1, 2]],
        ['uint32', [1, 0xffffffff]],
      ]),
    );
    expect([floats.refCount, bits.refCount, flags.refCount]).toEqual([1, 1, 1]);
  });

  it('inlines functions that are compiled inside', () => {
    const { equations } = trace('clip', ({ x }: Inputs) => ({ y: np.clip(x, 0, 1) }), { x: float32(2) });
    expect(equations.map(({ primitive }) => primitive)).not.toContain('jit');
  });

  it.each<[string, (inputs: Inputs) => unknown, RegExp]>([
    ['reads contents', ({ x }) => (x.ref.sum().js() > 0 ? x : x.mul(2)), /'my step'.*sees shapes but no contents/],
    ['uses an array twice without .ref', ({ x }) => x.mul(x), /'my step'.*freed.*\.ref/],
    ['throws', () => missing(), /'my step' failed: missing is not to be had/],
    ['returns a promise', async ({ x }) => x, /'my step'.*Promise/],
    ['uses float16', ({ x }) => x.astype(np.float16), /'my step' uses float16/],
  ])('refuses a function that %s, and names it', (_, f, message) => {
    const job = () => trace('my step', f, { x: float32(3) });
    expect(job).toThrow(LoweringError);
    expect(job).toThrow(message);
  });

  it('keeps the cause of a failure', () => {
    const job = () => trace('my step', () => missing(), {});
    expect(job).toThrow(expect.objectContaining({ cause: new TypeError('missing is not to be had') }));
  });

  it('refuses arrays without elements', () => {
    expect(() => trace('empty', ({ x }: Inputs) => x, { x: uint32(3, 0) })).toThrow(
      /'x' as uint32\[3, 0\].*no elements/,
    );
  });
});

describe('promote', () => {
  const atom = (dtype: Atom['dtype'], weak = false): Atom => ({ kind: 'literal', value: 1, shape: [], dtype, weak });

  it('takes the later of bool, uint32, int32, float32, float64', () => {
    expect(promote(atom('uint32'), atom('int32'))).toBe('int32');
    expect(promote(atom('float32'), atom('int32'))).toBe('float32');
    expect(promote(atom('bool'), atom('bool'))).toBe('bool');
  });

  it('lets a weak number follow any array, but not bool', () => {
    expect(promote(atom('int32'), atom('float32', true))).toBe('int32');
    expect(promote(atom('float32', true), atom('uint32'))).toBe('uint32');
    expect(promote(atom('float32', true), atom('bool'))).toBe('uint32');
    expect(promote(atom('float32', true), atom('float32', true))).toBe('float32');
  });
});

function missing(): never {
  throw new TypeError('missing is not to be had');
}
