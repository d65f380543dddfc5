// The strategies of a spec, opened for one run: what plays, which silos play it, and what leaves them.

import { joinImages } from '../data/image-set.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { PrivacyError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import { centralisedStrategy } from '../federation/centralised.ts';
import { fedAvgStrategy } from '../federation/fedavg.ts';
import { fedProxStrategy } from '../federation/fedprox.ts';
import { latePort } from '../federation/late-port.ts';
import { localOnlyStrategy } from '../federation/local-only.ts';
import type { SiloDiary } from '../federation/silo-diary.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import type { Strategy } from '../federation/strategy.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import type { BroughtReleases } from './brought-releases.ts';
import { globalStateFile } from './global-model.ts';
import type { RoundRecord } from './journal.ts';
import { ledgerDirOf } from './ledger-places.ts';
import type { Materials } from './materials.ts';
import { silosIn, takesPart, workOf } from './participation.ts';
import type { RunEvent } from './run-events.ts';
import type { RunFolder } from './run-folder.ts';
import type { RunTask } from './run-task.ts';
import { configOf } from './silo-configs.ts';
import { modelTrainedOnAll } from './silo-models.ts';
import { sharesSilos, type Spec, type StrategyName } from './spec.ts';

/** A strategy ready to be played. */
export interface OpenStrategy {
  readonly strategy: Strategy;
  /** The silos from which something comes in a round. */
  silosIn(round: number): readonly SiloPort[];
  /** Whether `local-only` is read off the same silos, round by round. */
  readonly withLocalOnly: boolean;
  /** What left silos of the spec in a round, for the journal. */
  whatLeft(round: number, uploads: readonly ReceivedUpload[]): RoundRecord['uploads'];
}

export interface StrategyParts {
  readonly folder: RunFolder;
  readonly task: RunTask;
  readonly materials: Materials;
  /** Root of the run. */
  readonly root: Key;
  readonly emit: (event: RunEvent) => void;
  /** What silos give away that train nothing. */
  readonly brought: BroughtReleases;
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
    return { strategy, silosIn: () => all, withLocalOnly: false, whatLeft: (round) => allImages(round, parts) };
  }
  const isLocal = name === 'local-only';
  const ports = portsOf(name, parts);
  return {
    strategy,
    silosIn: (round) => silosIn(parts.folder.spec, name, round).map((silo) => ports.get(silo.name) as SiloPort),
    withLocalOnly: name === 'align' && sharesSilos(parts.folder.spec),
    whatLeft: (_, uploads) => uploads.map(isLocal ? nothing : recordOf),
  };
}

/** The silos of the spec that train under a strategy. */
export function siloConfigs(
  name: StrategyName,
  { folder, materials }: Pick<StrategyParts, 'folder' | 'materials'>,
): readonly SiloConfig[] {
  const { spec, layout } = folder;
  return spec.silos.flatMap((silo, i) => {
    if (!takesPart(spec, silo, name) || workOf(spec, silo, name) === 'brings') return [];
    return configOf(spec, silo, name, {
      images: (materials.silos[i] as Materials['silos'][number]).set,
      classes: materials.classes,
      stateDir: layout.silo(silo.name, name),
      ledgerDir: ledgerDirOf(spec, layout, silo.name),
    });
  });
}

/** What leaves a silo that keeps everything. */
export function nothing({ silo, privacy }: Pick<ReceivedUpload, 'silo' | 'privacy'>): RoundRecord['uploads'][number] {
  return { silo, bytes: 0, sha256: null, privacy, offers: null, localLipschitz: null };
}

// --- internal ---

async function strategyOf(name: StrategyName, parts: StrategyParts): Promise<Strategy> {
  const { folder, task, root } = parts;
  const { spec } = folder;
  const run = spec.name;
  const file = globalStateFile(folder, name);
  switch (name) {
    case 'fedavg':
    case 'fedprox': {
      // Both from the same weights: what lies between them is mu alone.
      const initial = task.initial(childKey(root, 'server', 'fedavg', 'init'));
      const options = { run, initial, file };
      return name === 'fedavg' ? fedAvgStrategy(options) : fedProxStrategy({ ...options, mu: spec.fedprox.mu });
    }
    case 'local-only':
      return localOnlyStrategy({ run });
    case 'centralised':
      return centralisedStrategy({ run, file });
    case 'align':
      return task.align();
  }
}

function portsOf(name: StrategyName, parts: StrategyParts): ReadonlyMap<string, SiloPort> {
  const { spec } = parts.folder;
  const { silos } = spec;
  const trained = siloConfigs(name, parts).map((config) => parts.port(config, diaryOf(name, config.name, parts.emit)));
  const brought = silos
    .filter((silo) => workOf(spec, silo, name) === 'brings')
    .map(({ name: silo }): SiloPort => ({ name: silo, play: ({ round }) => parts.brought.of(silo, round) }));
  const ports = [...trained, ...brought].map((port) => {
    const lateBy = silos.find((silo) => silo.name === port.name)?.participation?.lateBy ?? 0;
    return latePort(port, lateBy);
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
  const images = joinImages(
    everTakingPart(spec, materials).map(({ set }) => set),
    'all silos',
  );
  return port(
    {
      name: ALL_SILOS,
      model: modelTrainedOnAll(spec, { images, classes: materials.classes }),
      local: spec.local,
      privacy: spec.privacy,
      plannedRounds: spec.rounds,
      stateDir: home,
      ledgerDir: home,
      seed: spec.seed,
      images,
    },
    diaryOf('centralised', ALL_SILOS, emit),
  );
}

function recordOf(upload: ReceivedUpload): RoundRecord['uploads'][number] {
  const { silo, round: answers, privacy } = upload;
  if (upload.kind === 'nothing') return nothing(upload);
  if (upload.kind === 'decoder') {
    const { sizeBytes: bytes, sha256, classes } = upload.decoder;
    return {
      silo,
      answers,
      bytes,
      sha256,
      privacy,
      offers: classes && { ...classes, offered: [...classes.offered] },
      localLipschitz: null,
    };
  }
  const bytes = Object.values(upload.weights).reduce((sum, values) => sum + values.byteLength, 0);
  return { silo, answers, bytes, sha256: null, privacy, offers: null, localLipschitz: null };
}

/** Centralised, the images themselves leave, once. */
function allImages(round: number, { folder, materials }: StrategyParts): RoundRecord['uploads'] {
  return everTakingPart(folder.spec, materials).map(({ name: silo, set }) => ({
    silo,
    bytes: round === 1 ? set.images.byteLength : 0,
    sha256: null,
    privacy: NO_PRIVACY,
    offers: null,
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
