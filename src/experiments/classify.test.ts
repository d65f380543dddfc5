// A run that teaches a classifier: generators of three kinds in one federation, whatever interrupts it, and what is claimed.

import { cpSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { AbortedError } from '../errors.ts';
import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { localPort } from '../federation/local-port.ts';
import { readLedger } from '../privacy/ledger.ts';
import { createSiloRunner, type SiloRunner } from '../silo/silo.ts';
import { forgetSilo } from './forget.ts';
import { readJournal } from './journal.ts';
import { parseSpec } from './parse-spec.ts';
import { writeRelease } from './release-folder.ts';
import { openRunFolder } from './run-folder.ts';
import type { RunEvent } from './run-events.ts';
import { runLayout } from './run-layout.ts';
import { runExperiment } from './run.ts';
import type { SpecInput } from './spec.ts';
import type { Summary } from './summary.ts';

const ROOT = temporaryFolder();
const RELEASE = join(ROOT, 'release');
const CLASSIFY: SpecInput = {
  name: 'tiny-classify',
  rounds: 2,
  task: 'classify',
  data: {
    source: { kind: 'drawn-digits', train: 400, test: 60 },
    partition: { kind: 'class-disjoint', classes: [[0, 1], [2, 3], [4]] },
  },
  silos: [
    {
      name: 'closed',
      generator: { kind: 'linear-gaussian', frequencies: 6, rank: 4 },
      privacy: { mechanism: 'gaussian', epsilon: 50, delta: 1e-5, noise: 'seeded' },
    },
    { name: 'neural', generator: { kind: 'vae', prior: { kind: 'flow', hidden: [6], steps: 2 } } },
    { name: 'brought', generator: { kind: 'release', dir: RELEASE } },
  ],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  loss: { reconstruction: 'bernoulli', klWeight: 1 },
  classifier: {
    model: { kind: 'mlp', hidden: [8], features: 8 },
    lowPass: 6,
    averaging: 0.5,
    augmentation: { shiftPixels: 1 },
  },
  local: { epochs: 1, batchSize: 20 },
  server: { epochs: 1, batchSize: 16, images: 30 },
  strategies: ['align'],
  privacy: { mechanism: 'none' },
  evaluation: { gridImages: 4 },
  engine: { silosAtOnce: 1 },
};

let engine: Engine;
let runner: SiloRunner;
let whole: { readonly path: string; readonly summary: Summary };
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
  // Somebody's decoder of class 4, as if it had been trained elsewhere.
  const maker = { ...CLASSIFY, rounds: 1, silos: CLASSIFY.silos.map(({ name }) => ({ name })) };
  await played(join(ROOT, 'maker'), maker);
  await writeRelease(RELEASE, {
    engine,
    onnx: readFileSync(runLayout(join(ROOT, 'maker')).decoder(1, 'brought')),
    silo: 'brought',
    shape: { channels: 1, height: 28, width: 28 },
    classes: { count: 10, offered: [4] },
    privacy: NO_PRIVACY,
    now: () => new Date(0),
  });
  const path = join(ROOT, 'whole');
  whole = { path, summary: await played(path, CLASSIFY) };
}, 60_000);
afterAll(() => engine.close());

interface Hooks {
  readonly emit?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
}

/** A run whose silos play in this process: models are compiled once for all tests. */
async function played(path: string, spec: SpecInput, hooks: Hooks = {}): Promise<Summary> {
  const folder = await openRunFolder({ path, spec: parseSpec(spec) });
  return runExperiment({ folder, port: (config, diary) => localPort(runner, config, diary), ...hooks });
}

const alignOf = (summary: Summary) => summary.strategies[0] as Summary['strategies'][number];

describe('a run of task: classify', () => {
  test('judges a classifier on real images of all classes, and on those of single silos', () => {
    const { final } = alignOf(whole.summary);
    expect(final.probeFullTest).toBeNull();
    expect(final.classification?.recallPerClass).toHaveLength(10);
    const recall = final.classification?.recallPerClass ?? [];
    // Ten classes of six images each: what is named right of the silos' own ones, averaged over silos.
    const own = [[0, 1], [2, 3], [4]].map((list) => list.reduce((sum, c) => sum + (recall[c] ?? 0), 0) / list.length);
    expect(final.classification?.localLabelAccuracy).toBeCloseTo(own.reduce((sum, one) => sum + one, 0) / 3, 12);
    expect(existsSync(join(whole.path, 'global', 'align', 'classifier.onnx'))).toBe(true);
    expect(existsSync(join(whole.path, 'images', 'decoder-neural.png'))).toBe(true);
  });

  test('writes down which classes each decoder offers', async () => {
    const { strategies } = await readJournal(runLayout(whole.path).journal);
    const offers = strategies['align']?.map(({ uploads }) =>
      uploads.map(({ silo, offers: one }) => [silo, one?.offered]),
    );
    const both = [
      ['closed', [0, 1]],
      ['neural', [2, 3]],
      ['brought', [4]],
    ];
    expect(offers).toEqual([both, both]);
  });

  test('a closed-form silo looks at its records once, whatever the rounds, and says what that costs', async () => {
    const { silos } = alignOf(whole.summary);
    const closed = silos.find(({ name }) => name === 'closed');
    expect(new Set(closed?.decoders.map(({ sha256 }) => sha256)).size).toBe(1);
    expect(closed?.privacy).toMatchObject({
      mechanism: 'gaussian',
      guarantee: 'none',
      neighbours: 'add-or-remove-one',
    });
    const { entries } = await readLedger(runLayout(whole.path).siloHome('closed'));
    expect(entries.map(({ round, event }) => [round, event.type])).toEqual([
      [1, 'nonPrivate'], // its noise is seeded
      [2, 'noOp'],
    ]);
  });

  test('a neural silo goes on training, and a brought decoder stays what it is', () => {
    const { silos } = alignOf(whole.summary);
    const different = (name: string) =>
      new Set(silos.find((silo) => silo.name === name)?.decoders.map(({ sha256 }) => sha256)).size;
    expect(different('neural')).toBe(2);
    expect(different('brought')).toBe(1);
  });

  test.each(['silo-finished closed 1', 'server-started 1', 'silo-finished neural 2'])(
    'stopped at %s, it goes on to the same classifier',
    async (at) => {
      const path = join(ROOT, at.replaceAll(' ', '-'));
      const stop = new AbortController();
      const emit = (event: RunEvent) => {
        const { kind, silo = '', round = '' } = event as { kind: string; silo?: string; round?: number };
        if (`${kind} ${silo} ${round}`.replace('  ', ' ') === at) stop.abort();
      };
      await expect(played(path, CLASSIFY, { emit, signal: stop.signal })).rejects.toBeInstanceOf(AbortedError);
      expect(alignOf(await played(path, CLASSIFY)).globalSha256).toBe(alignOf(whole.summary).globalSha256);
    },
  );

  test('goes on with the release that it began with, and with no other', async () => {
    const path = join(ROOT, 'replaced');
    const stop = new AbortController();
    const emit = (event: RunEvent) => void (event.kind === 'server-started' && stop.abort());
    await expect(played(path, CLASSIFY, { emit, signal: stop.signal })).rejects.toBeInstanceOf(AbortedError);
    const about = join(RELEASE, 'release.json');
    const said = readFileSync(about, 'utf8');
    const declared = { privacy: declaredStatement('nothing worth the name') };
    writeFileSync(about, JSON.stringify({ ...(JSON.parse(said) as object), ...declared }));
    try {
      await expect(played(path, CLASSIFY)).rejects.toThrow(/releases was brought \w{64}, is now brought \w{64}/);
    } finally {
      writeFileSync(about, said);
    }
    expect(alignOf(await played(path, CLASSIFY)).globalSha256).toBe(alignOf(whole.summary).globalSha256);
  });

  test('a silo can be forgotten: the classifier is that of a run that never had it', async () => {
    const path = join(ROOT, 'to-forget');
    cpSync(whole.path, path, { recursive: true });
    renameSync(RELEASE, `${RELEASE}-gone`); // what a silo brought is read from the run
    const forgotten = await forgetSilo({ path, silo: 'neural', keep: true }).finally(() =>
      renameSync(`${RELEASE}-gone`, RELEASE),
    );
    const { globalSha256 } = forgotten;
    const silos = CLASSIFY.silos.map((silo) => (silo.name === 'neural' ? { ...silo, participation: null } : silo));
    const never = await played(join(ROOT, 'never'), { ...CLASSIFY, silos });
    expect(globalSha256.after).toBe(alignOf(never).globalSha256);
    expect(globalSha256.after).not.toBe(globalSha256.before);
  });

  test('is refused with convolutions on the WebAssembly backend, also those of the classifier', async () => {
    const refused = (change: Partial<SpecInput>) =>
      expect(
        played(join(ROOT, 'wasm'), { ...CLASSIFY, ...change, engine: { executor: 'wasm' } }),
      ).rejects.toMatchObject({ code: 'DEVICE' });
    await refused({ classifier: { model: { kind: 'conv', channels: [2], features: 4 } } });
    await refused({ classifier: {} }); // the default is convolutional
    await refused({ model: { kind: 'conv', channels: [2], latent: 2 } }); // the neural silo's
  });

  test('under baselines silos train classifiers, of which nothing but an average leaves them', async () => {
    const silos = CLASSIFY.silos.map(({ name }) => ({ name }));
    const strategies: SpecInput['strategies'] = ['fedavg', 'local-only', 'centralised'];
    const summary = await played(join(ROOT, 'baselines'), { ...CLASSIFY, rounds: 1, silos, strategies });
    const [fedavg, alone, all] = summary.strategies;
    expect(fedavg?.silos[0]?.uploadBytes.total).toBe(4 * (784 * 8 + 8 + 8 * 8 + 8 + 8 * 10 + 10));
    expect(alone?.silos.map(({ uploadBytes }) => uploadBytes.total)).toEqual([0, 0, 0]);
    expect(alone?.rounds[0]?.perSilo?.map(({ silo }) => silo)).toEqual(['closed', 'neural', 'brought']);
    expect(all?.final.classification).not.toBeNull();
  });
});
