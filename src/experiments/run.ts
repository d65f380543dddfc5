// A whole experiment: materials, silos, strategies, judgement, summary. Interrupted anywhere, the same call goes on.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { imageSetHash } from '../data/image-set.ts';
import { type Engine, FALLBACK_NOTICE, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { AbortedError, DeviceError, SpecError, StateError } from '../errors.ts';
import type { Closing } from '../federation/collect.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import { openSiloThreads, type SiloThreads } from '../federation/thread-port.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { requireWholePlan } from '../silo/whole-plan.ts';
import { writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { contentHash } from '../storage/content-hash.ts';
import { type BroughtReleases, type OpenBrought, openBroughtReleases } from './brought-releases.ts';
import { openClassification } from './classify.ts';
import { imagesAtSilos, requireImagesHere } from './at-silos.ts';
import { openEventLog } from './event-log.ts';
import { type Origin, openJournal, type RoundRecord } from './journal.ts';
import { globalStateFile } from './global-model.ts';
import { type DataAccess, gatherMaterials, type Materials } from './materials.ts';
import { takesPart } from './participation.ts';
import { playStrategy } from './play-strategy.ts';
import { privacyWarnings } from './privacy-warnings.ts';
import { openRepresentation } from './represent.ts';
import { isKept, type RunEvent } from './run-events.ts';
import { closeRunFolder, commandToFinish, type RunFolder } from './run-folder.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { RunTask } from './run-task.ts';
import { classifierArchitecture } from './silo-models.ts';
import {
  generatorOfSilo,
  modelOfServer,
  modelOfSilo,
  playedStrategies,
  type Spec,
  type StrategyName,
  trainedUnder,
} from './spec.ts';
import { openStrategy, siloConfigs, type StrategyParts } from './strategies.ts';
import { readSummary, type Summary, writeSummary } from './summary.ts';
import { summaryOf } from './summary-of.ts';
import { packageVersion } from './version.ts';
import { workPlan } from './work-plan.ts';

export interface RunOptions {
  /** Open; this function closes it. */
  readonly folder: RunFolder;
  /** Where MNIST and Fashion-MNIST may be found; by default `ALIGN_FL_DATA`, the cache, a download. */
  readonly data?: DataAccess;
  /** Hears what happens; must be quick and must not throw. */
  readonly emit?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
  /** A way to reach silos that are not to train in threads of this process; their budgets are not asked beforehand. */
  readonly port?: StrategyParts['port'];
  /** Where what silos bring along in place of training comes from; by default the folders that the spec names. */
  readonly brought?: OpenBrought;
  /** When a round closes, with `port`. Default: with every silo's answer. */
  readonly closing?: Closing;
  /** Silos on machines of their own, in place of `port`. */
  readonly remote?: RemoteSilos;
}

/** Silos that are elsewhere. All of them are asked at once, whatever this machine has of cores. */
export interface RemoteSilos {
  /** A way to reach the silo of this name. */
  port(silo: string): SiloPort;
  /** When a round closes. */
  readonly closing: Closing;
  /**
   * Awaited when a round and its decoders are on this disk for good: silos need not keep theirs any longer. A run that goes on
   * tells again of each round that was so before. `answers` of an upload is an earlier round where it came late.
   */
  onCommitted(round: number, uploads: RoundRecord['uploads']): Promise<void>;
}

/**
 * Runs the folder's spec to its end, or goes on from the last completed step, and returns the summary. The same spec
 * gives the same decoders and the same global model, however often it was interrupted; not so under `privacy.noise: secure`,
 * whose samples and noise nobody can repeat. Throws AbortedError on abort, PrivacyError over a silo's budget.
 */
export async function runExperiment(options: RunOptions): Promise<Summary> {
  const { folder, data = { env: process.env }, emit = () => {}, signal = new AbortController().signal } = options;
  const { brought = openBroughtReleases } = options;
  const ways = waysOf(options);
  try {
    if (folder.state === 'complete') return await readSummary(folder.layout.summary);
    if (folder.rebuiltFrom && !options.port) throw mustNotTrain(folder);
    if (!ways.port) requireImagesHere(folder.spec, 'align-fl run');
    if (options.remote) requireReleasesAlone(folder.spec);
    const log = openEventLog(folder.layout.events);
    const now = () => new Date();
    const record = (event: RunEvent) => {
      if (isKept(event)) log.append({ at: now().toISOString(), ...event });
      emit(event);
    };
    try {
      return await play({ folder, data, emit: record, signal, now, ways, brought, version: packageVersion() });
    } finally {
      log.close();
    }
  } finally {
    await closeRunFolder(folder);
  }
}

// --- internal ---

/** How a run reaches its silos. */
interface Ways {
  /** Undefined: in threads of this process. */
  readonly port: StrategyParts['port'] | undefined;
  readonly closing: Closing;
  readonly isRemote: boolean;
  readonly onCommitted: RemoteSilos['onCommitted'] | undefined;
}

function waysOf({ port, closing = 'every', remote }: RunOptions): Ways {
  if (!remote) return { port, closing, isRemote: false, onCommitted: undefined };
  return {
    port: ({ name }) => remote.port(name),
    closing: remote.closing,
    isRemote: true,
    onCommitted: (round, uploads) => remote.onCommitted(round, uploads),
  };
}

/** Weights of whole models, and states of silos, leave no machine. */
function requireReleasesAlone({ strategies }: Spec): void {
  const index = strategies.findIndex((name) => name !== 'align');
  if (index === -1) return;
  const path = `strategies.${index}`;
  throw new SpecError(
    `${path}: ${strategies[index]} needs more of a silo than its decoder, which is all that leaves another machine. Leave align ` +
      'alone in strategies.',
    { path },
  );
}

/** In a folder that `align-fl forget` left half done, silos would train a second time, and pay in other ledgers. */
function mustNotTrain(folder: RunFolder): StateError {
  return new StateError(
    `${folder.root} is half of what align-fl forget does: its decoders come from another run, and no silo may train here. To go ` +
      `on: ${commandToFinish(folder)}`,
    { path: folder.root },
  );
}

/** What a run needs, with nothing left open. */
interface Play {
  readonly folder: RunFolder;
  readonly data: DataAccess;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
  /** The clock, for time stamps only. */
  readonly now: () => Date;
  readonly ways: Ways;
  readonly brought: OpenBrought;
  readonly version: string;
}

async function play(options: Play): Promise<Summary> {
  const { folder, ways, emit, signal, now } = options;
  const { closing, onCommitted } = ways;
  const { spec, layout } = folder;
  const root = seedKey(spec.seed);
  const materials = await gatherMaterials(spec, { ...options.data, signal }, childKey(root, 'data'));
  const { classes, dataSet } = materials;
  const brought = await options.brought(spec, { classes, shape: dataSet.test.shape });
  const { executor, device } = spec.engine;
  const engine = await openEngine({ executor, device, threads: spec.engine.serverThreads });
  refuseConvolutionsOnWasm(engine, spec, dataSet.test.shape);
  const journalFile = layout.journal;
  let journal = await openJournal(journalFile, originOf({ ...options, brought }, materials, engine), now());
  await writeJsonAtomic(layout.partition, materials.manifest);

  const silosHere = Math.min(spec.engine.silosAtOnce ?? availableParallelism(), spec.silos.length);
  const atOnce = ways.isRemote ? spec.silos.length : silosHere;
  const threads = ways.port
    ? null
    : openSiloThreads({ engine: { executor: engine.executor, device, threads: 1 } }, atOnce);
  let task: RunTask | null = null;
  try {
    announce(options, materials, engine);
    if (threads) await requireWholePlans(folder, materials);
    const open = spec.task === 'classify' ? openClassification : openRepresentation;
    task = await open({ ...options, journalFile, materials, engine, root });
    const port = ways.port ?? (threads as SiloThreads).port;
    journal = await task.controls(journal);
    for (const name of playedStrategies(spec)) {
      const opened = await openStrategy(name, { folder, task, materials, root, emit, brought, port });
      const { rounds } = spec;
      const { shape } = materials.dataSet.train;
      const how = { rounds, atOnce, closing, onCommitted, layout, journalFile, shape, emit, signal };
      const run = { ...opened, ...how, task };
      journal = await playStrategy(run, journal);
      if (signal.aborted) throw new AbortedError('Stopped.');
      if (name !== 'local-only') journal = await task.finish(name, journal); // which has no global model
    }
    // Who brings another port has no silos here whose models could be looked at.
    if (threads) await task.conclude();
    const summary = await summaryOf({
      ...options,
      journal,
      materials,
      engine,
      globalSha256: (s) => stateHash(folder, s),
    });
    const spent = summary.strategies.reduce((sum, { secondsPerStage }) => sum + secondsPerStage.total, 0);
    emit({ kind: 'run-finished', folder: layout.root, seconds: spent });
    await writeSummary(layout.summary, summary); // last: its presence makes the run complete
    return summary;
  } finally {
    await threads?.close();
    await task?.close();
    await engine.close();
  }
}

/** Asks every silo, whichever strategies it takes part in, whether its budget pays for all of them. */
async function requireWholePlans(folder: RunFolder, materials: Materials): Promise<void> {
  const asked = folder.spec.strategies.flatMap((name) => siloConfigs(name, { folder, materials }));
  if (asked.some((config) => isThere(stateFileOf(config)))) return; // it has begun
  const silos = new Map(asked.map((config) => [config.name, config]));
  for (const config of silos.values()) await requireWholePlan(config, folder.spec.name);
}

/** What the numbers depend on besides the spec. */
function originOf(
  { version, brought }: { readonly version: string; readonly brought: BroughtReleases },
  { manifest, dataSet }: Materials,
  engine: Engine,
): Origin {
  const partition = contentHash(JSON.stringify(manifest));
  const { executor, device } = engine;
  return { version, executor, device, partition, testImages: imageSetHash(dataSet.test), releases: brought.origin };
}

/** Whatever the run trains. */
function modelsOf(spec: Spec, shape: ImageShape): readonly { readonly kind: 'mlp' | 'conv' }[] {
  if (spec.task === 'represent') return [modelOfServer(spec), ...spec.silos.map((silo) => modelOfSilo(spec, silo))];
  const neural = spec.silos.filter((silo) => generatorOfSilo(spec, silo).kind === 'vae');
  return [classifierArchitecture(spec, shape), ...neural.map((silo) => modelOfSilo(spec, silo))];
}

/** Training would take hours, and then the decoders could not be read: say so before it begins. */
function refuseConvolutionsOnWasm(engine: Engine, spec: Spec, shape: ImageShape): void {
  const models = modelsOf(spec, shape);
  if (engine.executor !== 'wasm' || models.every(({ kind }) => kind !== 'conv')) return;
  throw new DeviceError(
    'Convolutional models need ONNX Runtime: the WebAssembly backend is hundreds of times slower for them and does not ' +
      'read their decoders. Install onnxruntime-node, or use model.kind: mlp.',
    { executor: engine.executor },
  );
}

function announce({ folder, emit }: Play, { dataSet, manifest }: Materials, engine: Engine): void {
  const { spec } = folder;
  const atSilos = imagesAtSilos(spec) !== null;
  emit({
    kind: 'run-started',
    name: spec.name,
    seed: spec.seed,
    folder: folder.root,
    specHash: folder.specHash,
    resumed: folder.state === 'begun',
    executor: engine.executor,
    device: engine.device,
    rounds: spec.rounds,
    strategies: spec.strategies,
    dataSet: {
      name: dataSet.name,
      train: atSilos ? null : dataSet.train.labels.length,
      test: dataSet.test.labels.length,
    },
    silos: atSilos
      ? spec.silos.map(({ name }) => ({ name, examples: null, classes: [] }))
      : manifest.silos.map(({ name, examples, classes }) => ({
          name,
          examples,
          classes: classes.map(({ label }) => label),
        })),
  });
  const sizes = manifest.silos.map(({ examples }) => examples);
  emit({ kind: 'run-planned', ...workPlan(spec, sizes) });
  for (const text of privacyWarnings(spec, sizes)) emit({ kind: 'notice', text });
  if (engine.executor === 'wasm' && spec.engine.executor === 'auto') emit({ kind: 'notice', text: FALLBACK_NOTICE });
}

async function stateHash(folder: RunFolder, strategy: StrategyName): Promise<string> {
  const { spec, layout } = folder;
  const own = (silo: string) => stateFileOf({ stateDir: layout.silo(silo, trainedUnder(spec, strategy)) });
  const files =
    strategy === 'local-only'
      ? spec.silos.filter((silo) => takesPart(spec, silo, strategy)).map(({ name }) => own(name))
      : [globalStateFile(folder, strategy)];
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex');
}
