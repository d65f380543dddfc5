import { describe, expect, it } from 'vitest';
import { parseSpec } from './parse-spec.ts';
import { findPreset } from './presets.ts';
import { canonicalJson, differencesBetween, identityOf, specHash } from './spec-identity.ts';

const spec = parseSpec(findPreset('quickstart')?.spec);

describe('canonicalJson', () => {
  it('sorts keys at every depth and keeps the order of lists', () => {
    expect(canonicalJson({ b: [{ z: 1, a: null }, 2], a: 'é' })).toBe('{"a":"é","b":[{"a":null,"z":1},2]}');
  });
});

describe('specHash', () => {
  // python3 -c 'import hashlib, json; print(hashlib.sha256(json.dumps({"a": [1, 2.5], "b": None,
  //   "engine": {"device": "cpu"}}, sort_keys=True, separators=(",", ":")).encode()).hexdigest())'
  it('is SHA-256 of the canonical text, without what decides no number', () => {
    const any = { engine: { silosAtOnce: 3, device: 'cpu' }, b: null, a: [1, 2.5] } as never;
    expect(specHash(any)).toBe('e180f28ba9ac2164788a5769138c6bb68e7fa62cd87dd960291e57b4a5d10b5d');
  });

  it('depends on every other value and on no order of keys', () => {
    expect(specHash(Object.fromEntries(Object.entries(spec).reverse()) as typeof spec)).toBe(specHash(spec));
    expect(specHash({ ...spec, seed: spec.seed + 1 })).not.toBe(specHash(spec));
    expect(specHash({ ...spec, engine: { ...spec.engine, serverThreads: 9 } })).not.toBe(specHash(spec));
    expect(specHash({ ...spec, engine: { ...spec.engine, silosAtOnce: 9 } })).toBe(specHash(spec));
  });
});

describe('where the ledgers lie', () => {
  const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 };
  const at = (ledgerDir: string | null) =>
    parseSpec({ ...(findPreset('quickstart')?.spec as object), privacy: { ...privacy, ledgerDir } });

  it('is no part of the hash, as two machines may have the same experiment, but of what a run folder compares', () => {
    expect(specHash(at('/here'))).toBe(specHash(at('/there')));
    expect(specHash(at('/here'))).toBe(specHash(at(null)));
    expect(differencesBetween(identityOf(at('/here')), identityOf(at('/there'))).map(({ path }) => path)).toEqual([
      ['privacy', 'ledgerDir'],
    ]);
  });
});

describe('differencesBetween', () => {
  it('is empty for equal specs', () => {
    expect(differencesBetween(spec, structuredClone(spec))).toEqual([]);
  });

  it('names the smallest places that differ', () => {
    const other = {
      ...spec,
      rounds: 9,
      model: { ...spec.model, latent: 3 },
      silos: [...spec.silos.slice(0, 4), { name: 'x' }],
    };
    expect(differencesBetween(spec, other).map(({ path, theirs }) => [path.join('.'), theirs])).toEqual([
      ['rounds', 9],
      ['silos.4.name', 'x'],
      ['model.latent', 3],
    ]);
  });

  it('names a list whole where its length differs, and what only one side has', () => {
    expect(differencesBetween({ a: [1, 2] }, { a: [1] })).toEqual([{ path: ['a'], ours: [1, 2], theirs: [1] }]);
    expect(differencesBetween({ a: 1 }, { b: 2 })).toEqual([
      { path: ['a'], ours: 1, theirs: undefined },
      { path: ['b'], ours: undefined, theirs: 2 },
    ]);
  });
});
