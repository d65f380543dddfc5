// The strategies of a spec, opened for one run: what plays, which silos play it, and what leaves them.

import { joinImages } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { PrivacyError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import { alignStrategy } from '../federation/align.ts';
import { centralisedStrategy } from '../federation/centralised.ts';
import { fedAvgStrategy } from '../federation/fedavg.ts';
import { fedProxStrategy } from '../federation/fedprox.ts';
import { latePort } from '../federation/late-port.ts';
import { localOnlyStrategy } from '../federation/local-only.ts';
import type { SiloDiary } from '../federation/silo-diary.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import type { Strategy } from '../federation/strategy.ts';
import { initialParameters } from '../models/initialise.ts';
import type { Vae } from '../models/vae.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { createGlobalVae } from '../server/global-vae.ts';
import type { Pool } from '../server/pool.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import type { GenerationScorer } from './generation-scorer.ts';
import { globalStateFile } from './global-model.ts';
import type { RoundRecord } from './journal.ts';
import { ledgerDirOf } from './ledger-places.ts';
import type { Materials } from './materials.ts';
import { createOwnModels, type OwnModels } from './own-models.ts';
import { answeredRound, firstRoundOf, plannedRounds, silosIn, takesPart } from './participation.ts';
import { savePoolPictures } from './pictures.ts';
import type { RunEvent } from './run-events.ts';
import type { RunFolder } from './run-folder.ts';
import { modelOfServer, modelOfSilo, privacyOfSilo, sharesSilos, type Spec, type StrategyName } from './spec.ts';
import { newestReleases } from './stored-decoders.ts';

/** A strategy ready to be played. */
export interface OpenStrategy {
  readonly strategy: Strategy;
  /** The silos from which something comes in a round. */
  silosIn(round: number): readonly SiloPort[];
  /**
   * Judges the silos' own models: in place of a global one under `local-only`, beside it under `align` where the spec asks
   * for both, and nowhere else (null).
   */
  readonly ownModels: OwnModels | null;
  /** What left silos of the spec in a round, for the journal. */
  whatLeft(round: number, uploads: readonly ReceivedUpload[]): RoundRecord['uploads'];
}

export interface StrategyParts {
  readonly folder: RunFolder;
  readonly engine: Engine;
  /** The server's model. */
  readonly vae: Vae;
  readonly materials: Materials;
  readonly generation: GenerationScorer;
  /** Root of the run. */
  readonly root: Key;
  readonly emit: (event: RunEvent) => void;
  /** A way to reach the silo that `config` describes. */
  readonly port: (config: SiloConfig, diary: SiloDiary) => SiloPort;
}

/** The one "silo" of `centralised`. No silo of a spec can have this name. */
export const ALL_SILOS = 'ALL-SILOS';

/** Throws PrivacyError for `centralised` where a silo has a ledger, or a budget for one: training elsewhere would go past it. */
export async function openStrategy(name: StrategyName, parts: StrategyParts): Promise<OpenStrategy> {
  const strategy = await strategyOf(name, parts);
  if (name === 'centralised') {
    const all = [await portToAll(parts)];
    return { strategy, silosIn: () => all, ownModels: null, whatLeft: (round) => allImages(round, parts) };
  }
  const isLocal = name === 'local-only';
  const ports = portsOf(name, parts);
  const judgesOwn = isLocal || (name === 'align' && sharesSilos(parts.folder.spec));
  return {
    strategy,
    silosIn: (round) => silosIn(parts.folder.spec, name, round).map((silo) => ports.get(silo.name) as SiloPort),
    ownModels: judgesOwn ? ownModelsOf(name, parts) : null,
    whatLeft: (_, uploads) => uploads.map(isLocal ? nothing : recordOf),
  };
}

/** The silos of the spec that take part in a strategy. */
export function siloConfigs(
  name: StrategyName,
  { folder, materials }: Pick<StrategyParts, 'folder' | 'materials'>,
): readonly SiloConfig[] {
  const { spec, layout } = folder;
  return spec.silos.flatMap((silo, i) => {
    if (!takesPart(spec, silo, name)) return [];
    return {
      name: silo.name,
      architecture: modelOfSilo(spec, silo),
      loss: spec.loss,
      local: spec.local,
      privacy: privacyOfSilo(spec, silo),
      firstRound: firstRoundOf(silo),
      plannedRounds: plannedRounds(spec, silo),
      stateDir: layout.silo(silo.name, name),
      ledgerDir: ledgerDirOf(spec, layout, silo.name),
      seed: spec.seed,
      images: (materials.silos[i] as Materials['silos'][number]).set,
    };
  });
}

/** What leaves a silo that keeps everything. */
export function nothing({ silo, privacy }: Pick<ReceivedUpload, 'silo' | 'privacy'>): RoundRecord['uploads'][number] {
  return { silo, bytes: 0, sha256: null, privacy, localLipschitz: null };
}

// --- internal ---

async function strategyOf(name: StrategyName, parts: StrategyParts): Promise<Strategy> {
  const { folder, engine, vae, materials, root } = parts;
  const { spec } = folder;
  const run = spec.name;
  const file = globalStateFile(folder, name);
  switch (name) {
    case 'fedavg':
    case 'fedprox': {
      // Both from the same weights: what lies between them is mu alone.
      const initial = initialParameters(vae.parameters, childKey(root, 'server', 'fedavg', 'init'));
      const options = { run, initial, file };
      return name === 'fedavg' ? fedAvgStrategy(options) : fedProxStrategy({ ...options, mu: spec.fedprox.mu });
    }
    case 'local-only':
      return localOnlyStrategy({ run });
    case 'centralised':
      return centralisedStrategy({ run, file });
    case 'align': {
      const key = childKey(root, 'server', name);
      const { epochs, batchSize, optimizer, schedule, images, imagesPer } = spec.server;
      const training = { epochs, batchSize, optimizer, schedule };
      const globalVae = await createGlobalVae({ engine, vae, loss: spec.loss, training, file, key });
      const { shape } = materials.dataSet.train;
      const poolOf = (round: number, arrived: readonly ReceivedRelease[]) =>
        newestReleases({ spec, layout: folder.layout, shape, round, arrived });
      const onPool = (pool: Pool) => savePoolPictures(folder, pool, shape);
      return alignStrategy({ run, engine, globalVae, shape, images, imagesPer, key, poolOf, onPool });
    }
  }
}

function portsOf(name: StrategyName, parts: StrategyParts): ReadonlyMap<string, SiloPort> {
  const { silos } = parts.folder.spec;
  const ports = siloConfigs(name, parts).map((config) => {
    const lateBy = silos.find((silo) => silo.name === config.name)?.participation?.lateBy ?? 0;
    return latePort(parts.port(config, diaryOf(name, config.name, parts.emit)), lateBy);
  });
  return new Map(ports.map((port) => [port.name, port]));
}

/** One silo with everybody's images and the server's model, whose state is the global one. */
async function portToAll({ folder, materials, emit, port }: StrategyParts): Promise<SiloPort> {
  const { spec, layout } = folder;
  const guarded: string[] = [];
  for (const { name } of spec.silos) {
    const ledgerDir = ledgerDirOf(spec, layout, name);
    if (hasLedger(ledgerDir) || (await firstBudget(ledgerDir)) !== null) guarded.push(name);
  }
  if (guarded.length > 0) {
    throw new PrivacyError(
      `centralised would train on the images of ${guarded.join(', ')} without asking their privacy ledgers. Leave ` +
        'centralised out of strategies.',
      { silos: guarded },
    );
  }
  const home = layout.global('centralised');
  return port(
    {
      name: ALL_SILOS,
      architecture: modelOfServer(spec),
      loss: spec.loss,
      local: spec.local,
      privacy: spec.privacy,
      plannedRounds: spec.rounds,
      stateDir: home,
      ledgerDir: home,
      seed: spec.seed,
      images: joinImages(
        everTakingPart(spec, materials).map(({ set }) => set),
        'all silos',
      ),
    },
    diaryOf('centralised', ALL_SILOS, emit),
  );
}

function ownModelsOf(name: StrategyName, { folder, engine, materials, generation, root }: StrategyParts): OwnModels {
  return createOwnModels({
    engine,
    silosIn: (round) =>
      silosIn(folder.spec, name, round).map((silo) => ({
        name: silo.name,
        architecture: modelOfSilo(folder.spec, silo),
        round: answeredRound(silo, name, round) as number,
      })),
    splits: folder.spec.evaluation.probeSplits,
    test: materials.dataSet.test,
    classes: materials.classes,
    key: childKey(root, 'evaluation'),
    generation,
    stateDir: (silo) => folder.layout.silo(silo, name),
  });
}

function recordOf(upload: ReceivedUpload): RoundRecord['uploads'][number] {
  const { silo, privacy } = upload;
  if (upload.kind === 'decoder') {
    const { sizeBytes: bytes, sha256 } = upload.decoder;
    return { silo, bytes, sha256, privacy, localLipschitz: null };
  }
  const bytes = Object.values(upload.weights).reduce((sum, values) => sum + values.byteLength, 0);
  return { silo, bytes, sha256: null, privacy, localLipschitz: null };
}

/** Centralised, the images themselves leave, once. */
function allImages(round: number, { folder, materials }: StrategyParts): RoundRecord['uploads'] {
  return everTakingPart(folder.spec, materials).map(({ name: silo, set }) => ({
    silo,
    bytes: round === 1 ? set.images.byteLength : 0,
    sha256: null,
    privacy: NO_PRIVACY,
    localLipschitz: null,
  }));
}

/** Images know nothing of rounds: those of all silos but the ones that never take part. */
function everTakingPart({ silos }: Spec, materials: Materials): Materials['silos'] {
  return materials.silos.filter((_, i) => silos[i]?.participation !== null);
}

/** A simulation may watch its silos: what they tell goes into the run's events. */
function diaryOf(strategy: StrategyName, silo: string, emit: StrategyParts['emit']): SiloDiary {
  return {
    onSpent: (round, { epsilon, budgetEpsilon, delta }) =>
      emit({
        kind: 'silo-spent',
        strategy,
        round,
        silo,
        epsilon: jsonEpsilon(epsilon),
        budgetEpsilon: jsonEpsilon(budgetEpsilon),
        delta,
      }),
    onProgress: (round, progress) => emit({ kind: 'silo-progress', strategy, round, silo, ...progress }),
    onEpoch: (round, epoch, terms) => emit({ kind: 'silo-epoch', strategy, round, silo, epoch, terms }),
  };
}
