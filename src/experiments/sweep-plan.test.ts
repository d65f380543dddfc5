import { describe, expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { loadSpec } from './load-spec.ts';
import { specHash } from './spec-identity.ts';
import { labelsOf, planSweep, type SweepRequest } from './sweep-plan.ts';

const plan = (change: Partial<SweepRequest>) => planSweep({ target: 'quickstart', ...change });
const messageOf = (change: Partial<SweepRequest>): Promise<string> =>
  plan(change).then(
    () => 'no error',
    (error: unknown) => {
      expect(error).toBeInstanceOf(SpecError);
      return (error as Error).message;
    },
  );

describe('the plan of a sweep', () => {
  test('is every combination under every seed, seeds innermost, with readable names', async () => {
    const { cells, seeds } = await plan({ vary: ['model.latent=2,4', 'model.hidden=[16,8],[]'], seeds: '1,2' });
    expect(seeds).toEqual([1, 2]);
    expect(cells.map(({ name }) => name)).toEqual([
      'latent=2_hidden=16-8_seed=1',
      'latent=2_hidden=16-8_seed=2',
      'latent=2_hidden=empty_seed=1',
      'latent=2_hidden=empty_seed=2',
      'latent=4_hidden=16-8_seed=1',
      'latent=4_hidden=16-8_seed=2',
      'latent=4_hidden=empty_seed=1',
      'latent=4_hidden=empty_seed=2',
    ]);
    expect(cells[5]).toMatchObject({
      values: { 'model.latent': '4', 'model.hidden': '[16,8]' },
      seed: 2,
      spec: { seed: 2, model: { kind: 'mlp', latent: 4, hidden: [16, 8] } },
    });
  });

  test('has cells that are what a run with the same --set would be', async () => {
    const { cells } = await plan({ set: ['rounds=3'], vary: ['model.latent=2,4'], seeds: [7] });
    const spec = await loadSpec('quickstart', ['engine.serverThreads=1', 'rounds=3', 'model.latent=4', 'seed=7']);
    expect(cells[1]?.spec).toEqual(spec);
    expect(cells[1]?.specHash).toBe(specHash(spec));
  });

  test('computes with one thread of the server, unless that is set or varied', async () => {
    const threads = async (change: Partial<SweepRequest>) =>
      (await plan({ seeds: '1,2', ...change })).cells.map(({ spec }) => spec.engine.serverThreads);
    expect(await threads({})).toEqual([1, 1]);
    expect(await threads({ set: ['engine.serverThreads=3'] })).toEqual([3, 3]);
    expect(await threads({ vary: ['engine.serverThreads=1,2'], seeds: [1] })).toEqual([1, 2]);
  });

  test('has one base hash, whatever the seeds and values, and another for another --set', async () => {
    const hash = async (change: Partial<SweepRequest>) => (await plan(change)).baseHash;
    const one = await hash({ seeds: '1,2' });
    expect(await hash({ seeds: '3-9', vary: ['model.latent=3,5'] })).toBe(one);
    expect(await hash({ seeds: '1,2', set: ['rounds=2'] })).not.toBe(one);
  });

  test('keeps apart names that would be one folder', async () => {
    const vary = ['name=[a],["a"]', 'data.source={kind: mnist},{kind: "mnist"}'];
    await expect(plan({ vary: [vary[1] as string] })).rejects.toThrow('listed twice');
    const { cells } = await plan({ vary: ['name=Abc,abc'] });
    const names = cells.map(({ name }) => name);
    expect(names[0]).toMatch(/^name=Abc_seed=0_[0-9a-f]{8}$/);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(2);
    expect(names.every((name) => /^[\w.=+-]{1,120}$/.test(name))).toBe(true);
  });

  test('names all that is wrong at once, the same problem once', async () => {
    const wrong = await messageOf({ vary: ['model.latent=2,,3', 'rounds=[1'], seeds: 'x' });
    expect(wrong).toMatch(/empty value[^]*a \] is missing[^]*--seeds: /);
    const cells = await messageOf({ vary: ['model.latent=0,2', 'local.epochs=0,1'], seeds: '1,2' });
    expect(cells.split('\n')).toHaveLength(3);
    expect(cells).toMatch(/model\.latent: expected at least 1, got 0 \(from --vary\)/);
    expect(cells).toMatch(/local\.epochs: /);
    expect(await messageOf({ vary: ['model.latnt=1,2'] })).toContain('did you mean model.latent');
    expect(await messageOf({ vary: ['engine.silosAtOnce=1,2'] })).toContain('is the same experiment as');
    expect(await messageOf({ vary: ['rounds=1,2', 'rounds=3'] })).toContain('rounds is varied twice');
    expect(await messageOf({ target: 'quickstrat', seeds: '1,2' })).toContain('There is no preset');
  });
});

test('axes are called by their last step where that says enough', () => {
  const labels = (...paths: string[]) => Object.values(labelsOf(paths.map((path) => ({ path, values: ['1'] }))));
  expect(labels('model.latent', 'local.epochs')).toEqual(['latent', 'epochs']);
  expect(labels('server.epochs', 'local.epochs')).toEqual(['server.epochs', 'local.epochs']);
  expect(labels('data.partition.classes.1', 'rounds')).toEqual(['data.partition.classes.1', 'rounds']);
});
