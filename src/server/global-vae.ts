// The server's own autoencoder M_s: goes on learning from each round's synthetic images, from its own last weights.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import type { ElboOptions } from '../models/elbo.ts';
import { initialParameters } from '../models/initialise.ts';
import type { Vae } from '../models/vae.ts';
import { floatExamples } from '../training/examples.ts';
import { type RoundHooks, trainRound } from '../training/round-training.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { createTrainer, type TrainingOptions } from '../training/trainer.ts';
import { vaeObjective } from '../training/vae-objective.ts';

export interface GlobalVae {
  /**
   * Learns from the images of a round ([M, D], drawn only where the round is not complete yet) and returns the
   * parameters at its end. The state is on disk when the promise resolves.
   */
  learn(round: number, images: () => Promise<Float32Array>, hooks?: RoundHooks): Promise<NamedArrays>;
}

export interface GlobalVaeOptions {
  readonly engine: Engine;
  readonly vae: Vae;
  readonly loss: ElboOptions;
  readonly training: TrainingOptions;
  /** File that holds the state. */
  readonly file: string;
  readonly key: Key;
}

export async function createGlobalVae(options: GlobalVaeOptions): Promise<GlobalVae> {
  const { engine, vae, loss, training, file, key } = options;
  const trainer = await createTrainer(engine, vaeObjective('global VAE', vae, loss), training);
  return {
    learn: (round, images, hooks) =>
      trainRound(
        trainer,
        {
          file,
          round,
          start: { kind: 'own', initial: () => initialParameters(vae.parameters, childKey(key, 'init')) },
          examples: async () => floatExamples(await images(), vae.pixels),
          key: childKey(key, `round-${round}`),
        },
        hooks,
      ),
  };
}
