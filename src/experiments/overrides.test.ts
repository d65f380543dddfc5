import { describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { applyOverrides, parseOverride, settablePaths } from './overrides.ts';
import { parseSpec } from './parse-spec.ts';
import type { Spec, SpecInput } from './spec.ts';

const base: SpecInput = {
  name: 'mine',
  data: {
    source: { kind: 'mnist' },
    partition: {
      kind: 'class-disjoint',
      classes: [
        [0, 1],
        [2, 3],
      ],
    },
  },
  silos: [{ name: 'silo-a' }, { name: 'silo-b' }],
  model: { kind: 'mlp', hidden: [64], latent: 2 },
  privacy: { mechanism: 'none' },
};

function set(...overrides: string[]): unknown {
  return applyOverrides(base, overrides.map(parseOverride));
}

function resolved(...overrides: string[]): Spec {
  return parseSpec(set(...overrides));
}

describe('parseOverride', () => {
  it.each([
    ['rounds=3', 3],
    ['local.optimizer.learningRate=1e-3', 0.001],
    ['evaluation.controls=false', false],
    ['data.foreign=null', null],
    ['name=quick', 'quick'],
    ['name="a: b=c"', 'a: b=c'],
    ['model.hidden=[8, 4]', [8, 4]],
    ['model={kind: conv, channels: [16,32], latent: 2}', { kind: 'conv', channels: [16, 32], latent: 2 }],
    [' rounds = 3', 3],
  ])('reads %s', (text, value) => {
    expect(parseOverride(text).value).toEqual(value);
  });

  it.each([
    ['rounds', /expected path=value/],
    ['=3', /expected path=value/],
    ['local..epochs=3', /expected path=value/],
    ['rounds=', /there is no value/],
    ['model={kind: conv', /no YAML/],
    ['name=a: b', /quotes/],
    ['model.hidden=- 3', /quotes/],
    ['model.hidden=[&a [1], *a]', /aliases/],
    ['name=!!js/function x', /no YAML/],
  ])('refuses %s', (text, expected) => {
    expect(() => parseOverride(text)).toThrow(expected);
    expect(() => parseOverride(text)).toThrow(SpecError);
  });
});

describe('applyOverrides', () => {
  it('changes one field and nothing of the input', () => {
    const before = JSON.stringify(base);
    expect(resolved('model.latent=16', 'seed=7')).toEqual({
      ...parseSpec(base),
      seed: 7,
      model: { kind: 'mlp', hidden: [64], latent: 16 },
    });
    expect(JSON.stringify(base)).toBe(before);
  });

  it('applies from left to right', () => {
    expect(resolved('rounds=3', 'rounds=4').rounds).toBe(4);
  });

  it('goes into what was left out, starting from its default', () => {
    const { local, server } = resolved(
      'local.optimizer.learningRate=0.01',
      'server.epochs=3',
      'local.schedule.kind=constant',
    );
    expect(local).toMatchObject({ epochs: 10, optimizer: { kind: 'adam', learningRate: 0.01, beta1: 0.9 } });
    expect(server).toMatchObject({ epochs: 3, images: 5000 });
  });

  it('finds silos by name and by number, and elements of lists by number', () => {
    expect(resolved('silos.silo-b.name=other', 'silos.0.name=first').silos.map(({ name }) => name)).toEqual([
      'first',
      'other',
    ]);
    expect(resolved('data.partition.classes.1=[2, 3, 4]').data.partition).toMatchObject({
      classes: [
        [0, 1],
        [2, 3, 4],
      ],
    });
  });

  it('starts the own model of a silo or of the server from the default model', () => {
    const spec = resolved('model.latent=8', 'silos.silo-b.model.latent=4', 'server.model.hidden=[32]');
    expect(spec.silos[1]?.model).toEqual({ kind: 'mlp', hidden: [64], latent: 4 });
    expect(spec.silos[0]?.model).toBeUndefined();
    expect(spec.server.model).toEqual({ kind: 'mlp', hidden: [32], latent: 8 });
  });

  it('on another kind drops the fields that it does not have and keeps the others', () => {
    expect(resolved('model.kind=conv').model).toEqual({ kind: 'conv', channels: [16, 32], latent: 2 });
    expect(resolved('silos.silo-a.model.kind=conv').silos[0]?.model).toEqual({
      kind: 'conv',
      channels: [16, 32],
      latent: 2,
    });
    expect(resolved('data.partition.kind=iid').data.partition).toEqual({ kind: 'iid' });
    expect(resolved('data.source.kind=drawn-digits').data.source).toEqual({
      kind: 'drawn-digits',
      train: 5000,
      test: 1000,
    });
  });

  it('takes fields of the new kind after the kind and before it', () => {
    const wanted = { kind: 'dirichlet', alpha: 0.5 };
    expect(resolved('data.partition.kind=dirichlet', 'data.partition.alpha=0.5').data.partition).toEqual(wanted);
    expect(resolved('data.partition.alpha=0.5', 'data.partition.kind=dirichlet').data.partition).toEqual(wanted);
  });

  it('leaves it to the parser to miss what the new kind needs', () => {
    expect(() => resolved('data.partition.kind=dirichlet')).toThrow(/data\.partition\.alpha: missing/);
    expect(() => resolved('local.optimizer.kind=sgd')).toThrow(/local\.optimizer\.learningRate: missing/);
    expect(() => resolved('model.channels=[8]')).toThrow(
      /model\.channels: unknown key; known are kind, hidden, latent/,
    );
    expect(() => resolved('model.kind=cnn')).toThrow(/model\.kind: expected mlp or conv, got 'cnn'/);
  });

  it('replaces a whole union at once', () => {
    expect(resolved('model={kind: conv, channels: [4], latent: 3}').model).toEqual({
      kind: 'conv',
      channels: [4],
      latent: 3,
    });
  });

  it('lists every unknown path with the nearest valid ones', () => {
    expect(() => set('rouns=3', 'learningRate=0.1', 'model.latnt=3')).toThrow(SpecError);
    expect(() => set('rouns=3')).toThrow('rouns: unknown path; did you mean rounds?');
    expect(() => set('learningRate=0.1')).toThrow(
      'did you mean local.optimizer.learningRate or server.optimizer.learningRate or generator.warmStart',
    );
    expect(() => set('epochs=3')).toThrow(
      'did you mean local.epochs or server.epochs or generator.warmStart.epochs or',
    );
    expect(() => set('model.latnt=3')).toThrow('model.latent');
    expect(() => set('local.zzz=3')).toThrow(
      'local.zzz: unknown path; local has epochs, batchSize, optimizer, schedule',
    );
    expect(() => set('rounds.deeper=3')).toThrow('rounds is a single value');
    expect(() => set('rouns=3', 'model.latnt=3')).toThrow(/2 problems/);
  });

  it('says which silos there are', () => {
    expect(() => set('silos.silo-c.name=x')).toThrow(
      /no "silo-c" in silos; entries are silo-a, silo-b, or 0 to 1; did you mean/,
    );
    expect(() => set('silos.2.name=x')).toThrow(/entries are/);
    expect(() => set('model.hidden.1=3')).toThrow('entries are 0 to 0');
    expect(() => set('data.foreign.silos.0=silo-a')).toThrow(/no list at data\.foreign\.silos yet/);
  });

  it.each(['__proto__.x=1', 'constructor.name=1', 'model.__proto__=1', 'silos.__proto__=1', 'silos.length=5'])(
    'refuses %s',
    (text) => {
      expect(() => set(text)).toThrow(SpecError);
    },
  );

  it('works on an input that is not a spec yet', () => {
    expect(applyOverrides({}, [parseOverride('privacy.mechanism=none'), parseOverride('rounds=2')])).toEqual({
      privacy: { mechanism: 'none' },
      rounds: 2,
    });
  });
});

describe('settablePaths', () => {
  it('names fields of all kinds, and silos by their names', () => {
    const paths = settablePaths(base);
    for (const path of [
      'model.channels',
      'model.hidden',
      'silos.silo-b.model.latent',
      'data.foreign.source.dir',
      'engine.device',
    ]) {
      expect(paths).toContain(path);
    }
    for (const path of paths.filter((candidate) => candidate !== 'silos')) {
      expect(() => applyOverrides(base, [{ path: path.split('.'), value: 1 }])).not.toThrow();
    }
  });
});
