import { describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { parseSpec } from './parse-spec.ts';
import { modelOfServer, modelOfSilo, type SpecInput, syntheticImageCount } from './spec.ts';

const smallest: SpecInput = {
  name: 'mine',
  data: { source: { kind: 'drawn-digits' }, partition: { kind: 'iid' } },
  silos: [{ name: 'a' }, { name: 'b' }],
  privacy: { mechanism: 'none' },
};

/** `path: message` of every problem. */
function problemsOf(input: unknown): string[] {
  try {
    parseSpec(input);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

describe('parseSpec', () => {
  it('fills in every default', () => {
    const training = {
      batchSize: 128,
      optimizer: { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
      schedule: { kind: 'constant' },
    };
    expect(parseSpec(smallest)).toEqual({
      name: 'mine',
      seed: 0,
      rounds: 10,
      task: 'represent',
      data: {
        source: { kind: 'drawn-digits', train: 5000, test: 1000 },
        partition: { kind: 'iid' },
        foreign: null,
      },
      silos: [{ name: 'a' }, { name: 'b' }],
      model: { kind: 'mlp', hidden: [512, 256, 128], latent: 2 },
      loss: { reconstruction: 'mse', klWeight: 1 },
      local: { epochs: 10, ...training },
      server: { model: null, epochs: 20, ...training, images: 5000, imagesPer: 'silo' },
      strategies: ['align'],
      fedprox: { mu: 0.01 },
      generator: { kind: 'vae', prior: { kind: 'normal' }, warmStart: null },
      classifier: { model: null, lowPass: null, augmentation: null, averaging: null },
      privacy: { mechanism: 'none' },
      evaluation: { probeSplits: 5, controls: true, gridImages: 64, generation: null, outliers: null },
      engine: { executor: 'auto', device: 'cpu', silosAtOnce: null, serverThreads: 2 },
    });
  });

  it('gives the same text whatever the order of keys, and parses its own result to itself', () => {
    const reversed = Object.fromEntries(Object.entries(smallest).reverse());
    const text = JSON.stringify(parseSpec(smallest));
    expect(JSON.stringify(parseSpec(reversed))).toBe(text);
    expect(JSON.stringify(parseSpec(JSON.parse(text)))).toBe(text);
  });

  it('has no default for privacy, and says what to write', () => {
    const { privacy: _, ...rest } = smallest;
    expect(problemsOf(rest)).toEqual([
      'privacy: missing: privacy parameters have no silent defaults. Write out what you want, for instance `privacy: { mechanism: none }`',
    ]);
    expect(problemsOf({ ...rest, privacy: {} })[0]).toMatch(/^privacy.mechanism: missing/);
  });

  it('lists all problems at once: wrong fields, unknown keys and contradictions between sound parts', () => {
    const problems = problemsOf({
      ...smallest,
      rouns: 3,
      seed: -1,
      local: { epochs: 1.5, optimizer: { kind: 'adm' } },
      server: { images: 20 },
      silos: [{ name: 'a' }, { name: 'a', modl: 1 }],
      strategies: ['align', 'align'],
      engine: { executor: 'wasm', device: 'webgpu' },
    });
    expect(problems.map((line) => line.slice(0, line.indexOf(':')))).toEqual([
      'seed',
      'silos.1.modl',
      'local.epochs',
      'local.optimizer.kind',
      'rouns',
      'strategies.1',
      'engine.device',
    ]);
    expect(problems.join('\n')).toContain('did you mean "rounds"?');
    expect(problems.join('\n')).toContain('did you mean "model"?');
    expect(problems.join('\n')).toContain('did you mean "adam"?');
  });

  it('puts the paths into the facts', () => {
    let facts: unknown;
    try {
      parseSpec({ ...smallest, seed: 'x', rounds: 0 });
    } catch (error) {
      facts = (error as SpecError).facts;
    }
    expect(facts).toEqual({ path: 'seed', paths: ['seed', 'rounds'] });
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a list', [smallest]],
    ['a text', 'quickstart'],
    ['an object of strange keys', JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}')],
    ['an object that contains itself', selfContaining()],
  ])('refuses %s with a SpecError', (_, input) => {
    expect(() => parseSpec(input)).toThrow(SpecError);
  });

  it('says what kinds there are, and which keys a kind has', () => {
    expect(problemsOf({ ...smallest, model: { kind: 'mlpp', latent: 2 } })[0]).toBe(
      'model.kind: expected mlp or conv, got \'mlpp\'; did you mean "mlp"?',
    );
    expect(problemsOf({ ...smallest, model: { kind: 'conv', hidden: [3], latent: 2 } })).toEqual([
      'model.hidden: unknown key; known are kind, channels, latent',
    ]);
  });

  it.each(['../up', 'a/b', '', '.hidden', 'x'.repeat(65)])('refuses %j as a name, which becomes a folder', (name) => {
    expect(problemsOf({ ...smallest, name })[0]).toMatch(/^name: does not fit/);
  });
});

describe('contradictions', () => {
  const disjoint = (classes: number[][], more = {}) => ({
    ...smallest,
    data: { source: { kind: 'mnist' }, partition: { kind: 'class-disjoint', classes, ...more } },
  });

  it.each([
    ['one list too few', disjoint([[0]]), /classes: expected 2 lists, one for each silo, got 1/],
    ['a class with two owners', disjoint([[0], [1, 0]]), /classes\.1\.1: class 0 is already in list 0/],
    ['a class twice in one list', disjoint([[0, 0], [1]]), /classes\.0\.1: class 0 is already in list 0/],
    ['a class that the set does not have', disjoint([[0], [10]]), /classes\.1\.0: mnist has classes 0 to 9, got 10/],
    ['fewer images than a batch', disjoint([[0], [1]], { perClass: 100 }), /perClass: .* 100 images.*\(128\)/],
    [
      'too few drawn images for all silos',
      { ...smallest, data: { source: { kind: 'drawn-digits', train: 200 }, partition: { kind: 'iid' } } },
      /source\.train: .* 100 images/,
    ],
    [
      'averaging of different models',
      {
        ...smallest,
        strategies: ['align', 'fedavg'],
        silos: [{ name: 'a' }, { name: 'b', model: { kind: 'conv', latent: 2 } }],
      },
      /strategies\.1: fedavg .* have: b\./,
    ],
    [
      'averaging into another model at the server',
      { ...smallest, strategies: ['fedavg'], server: { model: { kind: 'mlp', latent: 3 } } },
      /strategies\.0: fedavg .* have: the server\./,
    ],
    [
      'layers that halve too often',
      { ...smallest, model: { kind: 'conv', channels: [4, 4, 4], latent: 2 } },
      /model\.channels: 3 layers .* at most 2 fit/,
    ],
    [
      'fewer synthetic images than a batch',
      { ...smallest, server: { images: 100, imagesPer: 'total' } },
      /server\.images: 100/,
    ],
    [
      'fewer synthetic images than silos',
      { ...smallest, server: { images: 1, imagesPer: 'total', batchSize: 1 } },
      /server\.images: .*without any/,
    ],
  ])('refuses %s', (_, input, expected) => {
    const problems = problemsOf(input);
    expect(problems.join('\n')).toMatch(expected);
    expect(problems).toHaveLength(1);
  });

  it('judges foreign images only where there are any', () => {
    const evaluation = { outliers: { synthetic: 10 } };
    expect(problemsOf({ ...smallest, evaluation })).toEqual([
      'evaluation.outliers: there are no foreign images to judge: data.foreign is null',
    ]);
  });

  it('wants foreign images from another set, in silos that exist', () => {
    const foreign = { source: { kind: 'drawn-digits' }, rate: 0.05, silos: ['a', 'c', 'a'] };
    const problems = problemsOf({ ...smallest, data: { ...smallest.data, foreign } });
    expect(problems.map((line) => line.slice(0, line.indexOf(':')))).toEqual([
      'data.foreign.silos.2',
      'data.foreign.silos.1',
      'data.foreign.source',
    ]);
    const fine = { source: { kind: 'drawn-garments' as const }, rate: 0.05, silos: ['a'] };
    expect(parseSpec({ ...smallest, data: { ...smallest.data, foreign: fine } }).data.foreign?.rate).toBe(0.05);
  });

  it('lets silos average that share a model other than the default', () => {
    const model = { kind: 'mlp', hidden: [8], latent: 3 } as const;
    const silos = [
      { name: 'a', model },
      { name: 'b', model },
    ];
    expect(problemsOf({ ...smallest, strategies: ['fedavg'], silos, server: { model } })).toEqual([]);
  });
});

describe('what follows from a spec', () => {
  it('takes the default model where silo or server name none', () => {
    const own = { kind: 'mlp' as const, hidden: [8], latent: 3 };
    const spec = parseSpec({ ...smallest, silos: [{ name: 'a', model: own }, { name: 'b' }] });
    expect(spec.silos.map((silo) => modelOfSilo(spec, silo).latent)).toEqual([3, 2]);
    expect(modelOfServer(spec)).toEqual(spec.model);
    expect(modelOfServer({ ...spec, server: { ...spec.server, model: own } })).toEqual(own);
  });

  it('counts synthetic images per silo or in total', () => {
    const { server } = parseSpec(smallest);
    expect(syntheticImageCount(server, 5)).toBe(25_000);
    expect(syntheticImageCount({ ...server, imagesPer: 'total' }, 5)).toBe(5000);
  });
});

function selfContaining(): unknown {
  const value: Record<string, unknown> = { name: 'x' };
  value['data'] = value;
  value['silos'] = [value];
  return value;
}
