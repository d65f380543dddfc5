// A silo whose generator is computed at once: its records are looked at in the round that begins, and never again.

import { childKey, secretKey, seedKey } from '../engine/keys.ts';
import { AbortedError, ShapeError } from '../errors.ts';
import { seal, withStatement } from '../exchange/gate.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';
import { exportLabelledDecoder } from '../models/labelled-decoder.ts';
import { type LinearGaussian, linearGaussianOf } from '../models/linear-gaussian.ts';
import { flattened, offeredIn } from '../models/linear-gaussian-parts.ts';
import type { GaussianReleasePlan } from '../privacy/gaussian-release.ts';
import { requireRound } from '../training/round-training.ts';
import { loadState, saveState } from '../training/state-file.ts';
import { fitLinearGaussian } from './linear-gaussian-fit.ts';
import { openAccount } from './silo-account.ts';
import { type SiloConfig, stateFileOf } from './silo-config.ts';
import type { LinearGaussianModel } from './silo-model.ts';
import type { SiloHooks } from './silo-hooks.ts';
import { boundOf, releasePlanOf, requireSize } from './training-plan.ts';

/**
 * Plays a round: fits in the one that begins, and gives the same decoder in every later one, which costs nothing. Throws PrivacyError
 * over budget, SpecError for a mechanism that this generator does not know, AbortedError.
 */
export async function playFitted(
  config: SiloConfig,
  model: LinearGaussianModel,
  task: Task,
  hooks: SiloHooks = {},
): Promise<Upload> {
  const { name: silo, images, firstRound = 1, gaps = 'refused' } = config;
  const { round } = task;
  if (task.kind === 'train-given')
    throw new ShapeError(`Silo ${silo} has a closed-form generator: nothing to average.`);
  const { count, offered } = model.classes;
  const generator = linearGaussianOf(model.options, { shape: images.shape, classes: count, offered });
  requireSize(generator);
  const plan = releasePlanOf(config, model);
  const file = stateFileOf(config);
  const stored = await loadState(file);
  requireRound({ file, round, firstRound, gaps, start: { kind: 'own' } }, stored);
  const account = await openAccount(config, task, plan);
  const spent = await account.reserve(stored);
  if (spent) hooks.onSpent?.(spent);
  const parameters =
    stored?.parameters ??
    (await fitted(generator, { config, plan, task, hooks }).catch(async (error: unknown) => {
      if (!(error instanceof AbortedError)) await account.fail();
      throw error;
    }));
  if (!(stored?.round === round && stored.finished)) {
    await saveState(file, { parameters, memory: {}, epochsDone: 0, round, finished: true });
  }
  const decoder = {
    onnx: exportLabelledDecoder(generator, parameters, images.shape),
    specs: generator.parameters,
    classes: { count, offered: offeredIn(generator, parameters) },
  };
  const release = seal({ silo, round, decoder, parameters, shape: images.shape, privacy: NO_PRIVACY });
  return withStatement(release, await account.seal(release.decoder.sha256));
}

// --- internal ---

/** The parameters, made from the images once. */
async function fitted(
  generator: LinearGaussian,
  at: {
    readonly config: SiloConfig;
    readonly plan: GaussianReleasePlan | null;
    readonly task: Task;
    readonly hooks: SiloHooks;
  },
): Promise<Readonly<Record<string, Float32Array>>> {
  const { config, plan, task, hooks } = at;
  const { name, images, privacy, seed } = config;
  const key = childKey(seedKey(seed), name, task.kind, `round-${task.round}`);
  const isSecret = privacy.mechanism === 'gaussian' && privacy.noise === 'secure';
  const { parameters } = await fitLinearGaussian(
    generator,
    {
      images: images.images,
      labels: images.labels,
      shape: images.shape,
      plan,
      key: isSecret ? secretKey(key.path) : key,
    },
    {
      signal: hooks.signal,
      onStep: ({ step, steps }) => hooks.onStep?.({ step, steps, epoch: 1, loss: Number.NaN }),
    },
  );
  const bound = boundOf(config, generator.options.components);
  return bound === null ? parameters : flattened(generator, parameters, bound);
}
