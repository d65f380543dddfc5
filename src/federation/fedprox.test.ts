import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SMALL_PRIVACY, smallSilo, SMALL_MODEL, temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { PrivacyError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { createSiloRunner, type SiloRunner } from '../silo/silo.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { fedAvgStrategy } from './fedavg.ts';
import { fedProxStrategy } from './fedprox.ts';
import { localPort } from './local-port.ts';
import { playRound } from './round.ts';

const ROOT = temporaryFolder();
const INITIAL = initialParameters(
  vaeOf(SMALL_MODEL, { channels: 1, height: 28, width: 28 }).parameters,
  seedKey('fedprox'),
);

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

/** The global model after two rounds of two silos; `mu` null for FedAvg. */
async function twoRounds(mu: number | null): Promise<NamedArrays> {
  const folder = mkdtempSync(join(ROOT, 'case-'));
  const options = { run: 'fedprox', initial: INITIAL, file: join(folder, 'average.safetensors') };
  const silos = ['north', 'east'].map((name) => localPort(runner, smallSilo(name, folder)));
  let last: NamedArrays | null = null;
  for (const round of [1, 2]) {
    const strategy = mu === null ? fedAvgStrategy(options) : fedProxStrategy({ ...options, mu });
    ({ global: last } = await playRound({ round, strategy, silos, atOnce: 1, emit: () => {} }));
  }
  return last as NamedArrays;
}

/** Euclidean distance of all parameters. */
function distance(a: NamedArrays, b: NamedArrays): number {
  const squares = Object.entries(a).map(([name, values]) =>
    values.reduce((sum, value, i) => sum + (value - (b[name]?.[i] as number)) ** 2, 0),
  );
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
}

describe('FedProx', () => {
  test('asks silos for FedAvg with a pull', async () => {
    const options = { run: 'r', initial: INITIAL, file: join(mkdtempSync(join(ROOT, 'case-')), 'a.safetensors') };
    const strategy = fedProxStrategy({ ...options, mu: 0.5 });
    expect(strategy.name).toBe('fedprox');
    expect(await strategy.instruct(1)).toEqual({ ...(await fedAvgStrategy(options).instruct(1)), proximalWeight: 0.5 });
  });

  test('with mu 0 is FedAvg, bit by bit; with a large mu silos stay near where they started', async () => {
    const [average, none, large] = await Promise.all([null, 0, 1e4].map(twoRounds));
    expect(none).toEqual(average);
    const [free, held] = [average, large].map((model) => distance(model as NamedArrays, INITIAL));
    expect(free).toBeGreaterThan(0);
    expect(held).toBeLessThan((free as number) / 2);
  });

  test('is refused by a silo whose private training has no such term', async () => {
    const privacy = { ...SMALL_PRIVACY, noise: 'seeded' } as const;
    const silo = smallSilo('north', mkdtempSync(join(ROOT, 'case-')), { privacy });
    const task = { kind: 'train-given', run: 'r', round: 1, weights: INITIAL, proximalWeight: 1 } as const;
    await expect(runner.play(silo, task)).rejects.toThrow(PrivacyError);
  });
});
