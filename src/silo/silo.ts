// A participant: trains its own model on its own images, keeps its own state, and gives away what a task asks for.

import { join } from 'node:path';
import { imageExamples } from '../data/batches.ts';
import type { ImageSet } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { seal } from '../exchange/gate.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement.ts';
import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';
import type { Architecture } from '../models/architecture.ts';
import type { ElboOptions } from '../models/elbo.ts';
import { initialParameters } from '../models/initialise.ts';
import { type Vae, vaeOf } from '../models/vae.ts';
import { type RoundHooks, trainRound } from '../training/round-training.ts';
import { createTrainer, type Trainer, type TrainingOptions } from '../training/trainer.ts';
import { vaeObjective } from '../training/vae-objective.ts';

/** All that decides what a silo does, as plain data: it can be sent to a thread. */
export interface SiloConfig {
  readonly name: string;
  readonly architecture: Architecture;
  readonly loss: ElboOptions;
  readonly local: TrainingOptions;
  readonly privacy: PrivacyStatement;
  /** Folder of the silo's private state; nothing in it is ever sent. */
  readonly stateDir: string;
  /** Root of the experiment's randomness. */
  readonly seed: number;
  readonly images: ImageSet;
}

/** Plays tasks for silos. Models compiled once serve every silo of the same architecture. */
export interface SiloRunner {
  /**
   * Does what `task` asks and returns what may leave. Done twice it returns the same: a completed round is read back
   * from the silo's disk. Throws PrivacyError where the gate refuses, AbortedError on abort (the last saved epoch stays).
   */
  play(config: SiloConfig, task: Task, hooks?: RoundHooks): Promise<Upload>;
}

/** A runner on `engine`. It plays one task after another, in the order of the calls. */
export function createSiloRunner(engine: Engine): SiloRunner {
  const trainers = new Map<string, Promise<Trainer>>();
  const trainerFor = (config: SiloConfig, vae: Vae): Promise<Trainer> => {
    const identity = JSON.stringify([config.architecture, config.images.shape, config.loss, config.local]);
    const known = trainers.get(identity);
    if (known) return known;
    const fresh = createTrainer(engine, vaeObjective('silo VAE', vae, config.loss), config.local);
    trainers.set(identity, fresh);
    fresh.catch(() => trainers.delete(identity)); // a failure must not be remembered
    return fresh;
  };

  const play: SiloRunner['play'] = async (config, task, hooks) => {
    const vae = vaeOf(config.architecture, config.images.shape);
    const root = childKey(seedKey(config.seed), config.name, task.kind);
    const parameters = await trainRound(
      await trainerFor(config, vae),
      {
        file: join(config.stateDir, 'state.safetensors'),
        round: task.round,
        // ALIGN-FL goes on from the silo's own last state; averaging starts from what the server gives.
        start:
          task.kind === 'train-given'
            ? { kind: 'given', parameters: task.weights }
            : { kind: 'own', initial: () => initialParameters(vae.parameters, childKey(root, 'init')) },
        examples: () => imageExamples(config.images),
        key: childKey(root, `round-${task.round}`),
      },
      hooks,
    );
    const { name: silo, privacy } = config;
    if (task.kind === 'train-given') {
      return { kind: 'weights', silo, round: task.round, weights: parameters, examples: config.images.labels.length };
    }
    return seal({ silo, round: task.round, vae, parameters, shape: config.images.shape, privacy });
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
