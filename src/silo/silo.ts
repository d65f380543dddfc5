// A participant: trains its own model on its own images, keeps its own state, and gives away what a task asks for.

import { createHash } from 'node:crypto';
import { sizeOf } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, secretKey, seedKey } from '../engine/keys.ts';
import { AbortedError, PrivacyError, ShapeError } from '../errors.ts';
import { seal, withStatement } from '../exchange/gate.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';
import { initialParameters } from '../models/initialise.ts';
import type { DpTrainingPlan } from '../privacy/dp-training-plan.ts';
import { createDpTrainers, type DpTrainers } from '../privacy/dp-trainer.ts';
import { lipschitzControlOf } from '../privacy/lipschitz-options.ts';
import { stepsPerEpoch } from '../training/epoch-order.ts';
import { loadRounds, requireRound, trainRound } from '../training/round-training.ts';
import { saveState } from '../training/state-file.ts';
import { createTrainer, type Trainer, type TrainingOptions } from '../training/trainer.ts';
import { freshState, type NamedArrays } from '../training/parameter-slots.ts';
import { scaledObjective } from '../training/objective.ts';
import { playFitted } from './fitted-silo.ts';
import { openAccount } from './silo-account.ts';
import { type SiloConfig, stateFileOf } from './silo-config.ts';
import type { SiloHooks } from './silo-hooks.ts';
import { type TrainableModel, trainableModel } from './silo-model.ts';
import { trainingPlanOf, warmStartOf } from './training-plan.ts';
import { countedTogether, prepareWarmStart } from './warm-start.ts';

/** Plays tasks for silos. Models compiled once serve every silo of the same architecture. */
export interface SiloRunner {
  /**
   * Does what `task` asks and returns what may leave. Done twice it returns the same: a completed round is read back
   * from the silo's disk. Throws PrivacyError where the silo's budget or the gate refuses, AbortedError on abort (the last
   * saved epoch stays).
   */
  play(config: SiloConfig, task: Task, hooks?: SiloHooks): Promise<Upload>;
}

/** A runner on `engine`. It plays one task after another, in the order of the calls. */
export function createSiloRunner(engine: Engine): SiloRunner {
  const compiled = new Map<string, Promise<Trainer | DpTrainers>>();
  const remembered = <T extends Trainer | DpTrainers>(identity: unknown, compile: () => Promise<T>): Promise<T> => {
    const name = JSON.stringify(identity);
    const known = compiled.get(name) as Promise<T> | undefined;
    if (known) return known;
    const fresh = compile();
    compiled.set(name, fresh);
    fresh.catch(() => compiled.delete(name)); // a failure must not be remembered
    return fresh;
  };
  const trainerFor = async (
    config: SiloConfig,
    model: TrainableModel,
    plan: DpTrainingPlan | null,
  ): Promise<Trainer> => {
    const { local, privacy, images } = config;
    requireTrainable(config);
    const { objective } = model;
    const lipschitz = 'lipschitzForm' in privacy ? lipschitzControlOf(privacy) : null;
    if (privacy.mechanism !== 'dp-sgd' || plan === null) {
      const identity = [config.model, images.shape, local, lipschitz];
      const control = model.controlOf(lipschitz, 'posterior');
      return remembered(identity, () => createTrainer(engine, objective, local, control));
    }
    const { clipping, clipNorm, quantile, mode, noise, averaging, physicalBatch, normaliseLoss } = privacy;
    const step = { clipping, clipNorm, quantile, mode, noise, averaging, physicalBatch };
    const scaled = normaliseLoss ? scaledObjective(objective, 1 / model.lossTerms) : objective;
    const identity = [config.model, images.shape, local, step, normaliseLoss, lipschitz];
    const control = model.controlOf(lipschitz, 'prior'); // which looks at no example
    return (await remembered(identity, () => createDpTrainers(engine, scaled, local, { ...step, control })))(plan);
  };
  const plans = new Map<string, DpTrainingPlan>();
  const planFor = (config: SiloConfig): DpTrainingPlan | null => {
    const { model, privacy, local, plannedRounds, images } = config;
    const name = JSON.stringify([
      warmStartOf(model),
      privacy,
      local,
      plannedRounds,
      images.shape,
      images.labels.length,
    ]);
    const plan = plans.get(name) ?? trainingPlanOf(config);
    if (plan) plans.set(name, plan);
    return plan;
  };

  const warmStartFor = (config: SiloConfig, model: TrainableModel, plan: DpTrainingPlan | null) => {
    const trainerOf = (local: TrainingOptions) => trainerFor({ ...config, local }, model, null); // without privacy
    return prepareWarmStart({ engine, config, model, plan, trainerFor: trainerOf });
  };

  const play: SiloRunner['play'] = async (config, task, hooks = {}) => {
    const { name: silo, privacy, images, firstRound = 1, gaps = 'refused' } = config;
    const { round } = task;
    if (config.model.kind === 'linear-gaussian') return playFitted(config, config.model, task, hooks);
    const model = trainableModel(config.model, images.shape);
    const plan = planFor(config);
    const local = localTraining(config, task, plan);
    const root = childKey(seedKey(config.seed), silo, task.kind);
    const roundKey = childKey(root, `round-${round}`);
    const job = {
      file: stateFileOf(config),
      round,
      firstRound,
      gaps,
      // ALIGN-FL goes on from the silo's own last state; averaging starts from what the server gives.
      start:
        task.kind === 'train-given'
          ? ({ kind: 'given', parameters: task.weights } as const)
          : ({ kind: 'own', initial: () => initialParameters(model.parameters, childKey(root, 'init')) } as const),
      examples: () => model.examples(images, privacy.mechanism === 'dp-sgd'),
      key: privacy.mechanism === 'dp-sgd' && privacy.noise === 'secure' ? secretKey(roundKey.path) : roundKey,
    };
    // Whatever else could refuse the round comes before it is paid for.
    if (job.start.kind === 'given') requireWeights(model, job.start.parameters);
    const trainer = await trainerFor({ ...config, local }, model, plan);
    const { last, from } = await loadRounds(job);
    requireRound(job, from);
    const isBeginning = from === null && job.start.kind === 'own';
    const warmStart = isBeginning ? await warmStartFor(config, model, plan) : null;
    const account = await openAccount(config, task, plan);
    const spent = await account.reserve(last, from);
    if (spent) hooks.onSpent?.(spent);
    const trained = async () => {
      const stepsAfter = local.epochs * (plan?.stepsPerEpoch ?? stepsPerEpoch(images.labels.length, local.batchSize));
      const told = countedTogether(hooks, { before: warmStart?.steps ?? 0, after: stepsAfter });
      if (warmStart && job.start.kind === 'own') {
        // From here on the round goes on after an interruption. Before, it is done again, with other secret noise: of the first
        // attempt nothing was shown but how many steps it made.
        const at = { initial: job.start.initial, key: childKey(job.key, 'warm-start') };
        const begun = freshState(await warmStart.begin(at, told.first));
        await saveState(job.file, { ...begun, round, finished: false });
      }
      return trainRound(trainer, job, told.later);
    };
    const parameters = await trained().catch(async (error: unknown) => {
      if (!(error instanceof AbortedError)) await account.fail(); // its losses were seen: another try is no repetition
      throw error;
    });
    if (task.kind === 'train-given') {
      const statement = await account.seal(hashOf(parameters));
      const examples = (privacy.mechanism === 'dp-sgd' ? privacy.records : null) ?? images.labels.length;
      return { kind: 'weights', silo, round, weights: parameters, examples, privacy: statement };
    }
    if (model.decoderFile === null) {
      return { kind: 'nothing', silo, round, privacy: await account.seal(hashOf(parameters)) };
    }
    // What may be claimed is known when the ledger has the hash of what leaves; until then, nothing is.
    const decoder = model.decoderFile(parameters);
    const release = seal({ silo, round, decoder, parameters, shape: images.shape, privacy: NO_PRIVACY });
    return withStatement(release, await account.seal(release.decoder.sha256));
  };

  let last: Promise<unknown> = Promise.resolve();
  return {
    play(config, task, hooks) {
      const turn = last.then(() => play(config, task, hooks)); // silos share trainers, and a trainer has one memory
      last = turn.catch(() => {}); // whose error it is hears it from `turn`
      return turn;
    },
  };
}

// --- internal ---

/** The silo's own training, with the pull that a FedProx task asks for. */
function localTraining({ name, local }: SiloConfig, task: Task, plan: DpTrainingPlan | null): TrainingOptions {
  const proximalWeight = task.kind === 'train-given' ? (task.proximalWeight ?? 0) : 0;
  if (proximalWeight === 0) return local;
  if (plan === null) return { ...local, proximalWeight };
  throw new PrivacyError(
    `Silo ${name} trains by DP-SGD, which knows no proximal term yet: training without it would be FedAvg under another ` +
      'name. Leave fedprox out of strategies, set fedprox.mu to 0, or privacy.mechanism to none.',
    { silo: name, proximalWeight },
  );
}

/** What a mechanism says must hold for what is trained under it, whatever a spec let through. */
function requireTrainable({ name, model, privacy }: SiloConfig): void {
  if (privacy.mechanism === 'gaussian') {
    throw new PrivacyError(
      `Silo ${name}: the Gaussian mechanism pays for a closed-form generator, and this silo was to train a ${model.kind}. Set ` +
        'privacy.mechanism to dp-sgd, or generator.kind to linear-gaussian.',
      { silo: name, model: model.kind },
    );
  }
  if (privacy.mechanism !== 'dp-sgd' || model.kind !== 'classifier' || !(model.augmentation?.mixup ?? 0)) return;
  throw new PrivacyError(
    `Silo ${name} trains by DP-SGD, and mixup would put one record into the gradients of others, so that no epsilon held. Set ` +
      'classifier.augmentation.mixup to 0.',
    { silo: name },
  );
}

function requireWeights(model: TrainableModel, weights: NamedArrays): void {
  for (const [name, spec] of Object.entries(model.parameters)) {
    const found = weights[name]?.length ?? 'none';
    if (found === sizeOf(spec)) continue;
    const message = `The task's weights should have ${sizeOf(spec)} values as '${name}', but have ${found}.`;
    throw new ShapeError(message, { parameter: name });
  }
}

/** Of names and values, in the order of the names: states on disk keep no other. */
function hashOf(parameters: NamedArrays): string {
  const hash = createHash('sha256');
  for (const [name, values] of Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash
      .update(`${name}:${values.length}:`)
      .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}
