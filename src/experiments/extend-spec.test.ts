import { describe, expect, it } from 'vitest';
import { extendSpec } from './extend-spec.ts';

const base = {
  rounds: 10,
  data: { source: { kind: 'drawn-digits', train: 100 }, partition: { kind: 'iid' } },
  silos: [{ name: 'a' }, { name: 'b' }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
};

describe('extendSpec', () => {
  it('joins objects, replaces lists and values, and changes neither argument', () => {
    const before = JSON.stringify(base);
    expect(extendSpec(base, { rounds: 2, data: { source: { test: 50 } }, silos: [{ name: 'c' }] })).toEqual({
      ...base,
      rounds: 2,
      data: { source: { kind: 'drawn-digits', train: 100, test: 50 }, partition: { kind: 'iid' } },
      silos: [{ name: 'c' }],
    });
    expect(JSON.stringify(base)).toBe(before);
  });

  it('is the base where nothing is added, and what is added where there is no base', () => {
    expect(extendSpec(base, {})).toEqual(base);
    expect(extendSpec({}, base)).toEqual(base);
  });

  it('on another kind drops the fields that it does not have and keeps the others', () => {
    expect(extendSpec(base, { model: { kind: 'conv' } })).toEqual({ ...base, model: { kind: 'conv', latent: 2 } });
    expect(extendSpec(base, { model: { kind: 'mlp', latent: 3 } })).toMatchObject({
      model: { hidden: [8], latent: 3 },
    });
    expect(extendSpec(base, { data: { source: { kind: 'mnist' } } })).toMatchObject({
      data: { source: { kind: 'mnist' } },
    });
  });

  it('keeps null, and keys that mean nothing, for the parser to judge', () => {
    expect(extendSpec(base, { model: null, modl: 1 })).toEqual({ ...base, model: null, modl: 1 });
  });

  it('treats a key called __proto__ as any other', () => {
    const joined = extendSpec(base, JSON.parse('{"__proto__": {"polluted": 1}}')) as Record<string, unknown>;
    expect(joined['polluted']).toBeUndefined();
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
