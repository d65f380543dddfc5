import { describe, expect, it } from 'vitest';
import { parseSpec } from './parse-spec.ts';
import { findPreset, presets } from './presets.ts';
import { EXPERIMENT_NAME, modelOfSilo } from './spec.ts';

function specOf(name: string) {
  return parseSpec(findPreset(name)?.spec);
}

describe('presets', () => {
  it.each(presets().map(({ name }) => name))('%s is sound and called by its own name', (name) => {
    expect(name).toMatch(EXPERIMENT_NAME);
    expect(specOf(name).name).toBe(name);
    expect(findPreset(name)?.description).toMatch(/^[^\n]{20,120}\.$/);
  });

  it('has nothing under an unknown name', () => {
    expect(findPreset('paper')).toBeNull();
    expect(findPreset('__proto__')).toBeNull();
  });

  it('paper-mnist is the experiment of the paper', () => {
    expect(specOf('paper-mnist')).toMatchObject({
      rounds: 10,
      data: {
        source: { kind: 'mnist' },
        partition: {
          kind: 'class-disjoint',
          classes: [
            [0, 1],
            [2, 3],
            [4, 5],
            [6, 7],
            [8, 9],
          ],
        },
        foreign: null,
      },
      model: { kind: 'mlp', hidden: [512, 256, 128], latent: 2 },
      loss: { reconstruction: 'mse', klWeight: 1 },
      local: {
        epochs: 10,
        batchSize: 128,
        optimizer: { kind: 'adam', learningRate: 0.001 },
        schedule: { kind: 'constant' },
      },
      server: { model: null, epochs: 20, batchSize: 128, images: 5000, imagesPer: 'silo' },
      strategies: ['align', 'fedavg'],
      evaluation: { generation: { images: 2000, extractor: null, every: 'round' } },
    });
    expect(specOf('quickstart').evaluation.generation).toBeNull(); // its extractor would take a while
  });

  it('its variants differ in what their names say, and in nothing else', () => {
    const { name: _, ...paper } = specOf('paper-mnist');
    expect(specOf('paper-mnist-total')).toEqual({
      ...paper,
      name: 'paper-mnist-total',
      server: { ...paper.server, imagesPer: 'total' },
    });
    expect(specOf('paper-mnist-16')).toEqual({
      ...paper,
      name: 'paper-mnist-16',
      model: { ...paper.model, latent: 16 },
    });
    expect(specOf('paper-fashion')).toEqual({
      ...paper,
      name: 'paper-fashion',
      data: { ...paper.data, source: { kind: 'fashion-mnist' } },
    });
  });

  it('mixed-silos has no two equal models, and runs without averaging', () => {
    const spec = specOf('mixed-silos');
    const models = spec.silos.map((silo) => JSON.stringify(modelOfSilo(spec, silo)));
    expect(new Set(models).size).toBe(spec.silos.length);
    expect(new Set(spec.silos.map((silo) => modelOfSilo(spec, silo).latent)).size).toBe(spec.silos.length);
    expect(spec.strategies).toEqual(['align']);
  });
});
