// A silo whose generator is computed at once: its records are looked at in its first round, and never again.

import { sizeOf } from '../engine/array-spec.ts';
import { childKey, secretKey, seedKey } from '../engine/keys.ts';
import { AbortedError, ShapeError, SpecError } from '../errors.ts';
import { seal, withStatement } from '../exchange/gate.ts';
import { MAX_DECODER_BYTES } from '../exchange/parse-decoder.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';
import { exportLabelledDecoder } from '../models/labelled-decoder.ts';
import { type LinearGaussian, linearGaussianOf } from '../models/linear-gaussian.ts';
import { flattened, offeredIn } from '../models/linear-gaussian-parts.ts';
import { type GaussianReleasePlan, planGaussianRelease } from '../privacy/gaussian-release.ts';
import { requireRound } from '../training/round-training.ts';
import { loadState, saveState } from '../training/state-file.ts';
import { fitLinearGaussian } from './linear-gaussian-fit.ts';
import { openAccount } from './silo-account.ts';
import { type SiloConfig, stateFileOf } from './silo-config.ts';
import type { LinearGaussianModel } from './silo-model.ts';
import type { SiloHooks } from './silo-hooks.ts';

/**
 * Plays a round: fits in the first and gives the same decoder in every later one, which costs nothing. Throws PrivacyError over
 * budget, SpecError for a mechanism that this generator does not know, AbortedError.
 */
export async function playFitted(
  config: SiloConfig,
  model: LinearGaussianModel,
  task: Task,
  hooks: SiloHooks = {},
): Promise<Upload> {
  const { name: silo, images, firstRound = 1 } = config;
  const { round } = task;
  if (task.kind === 'train-given')
    throw new ShapeError(`Silo ${silo} has a closed-form generator: nothing to average.`);
  const { count, offered } = model.classes;
  const generator = linearGaussianOf(model.options, { shape: images.shape, classes: count, offered });
  requireSize(generator);
  const plan = releasePlanOf(config, model);
  const file = stateFileOf(config);
  const stored = await loadState(file);
  requireRound({ file, round, firstRound, start: { kind: 'own' } }, stored);
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

/** What a silo's release costs; null without a mechanism. Throws SpecError for one that trains. */
export function releasePlanOf(
  { name, privacy, images }: Pick<SiloConfig, 'name' | 'privacy' | 'images'>,
  { options }: LinearGaussianModel,
): GaussianReleasePlan | null {
  const { channels, height, width } = images.shape;
  switch (privacy.mechanism) {
    case 'none':
      return null;
    case 'lipschitz':
      boundOf({ name, privacy }, options.components);
      return null;
    case 'gaussian':
      return planGaussianRelease(privacy, { components: options.components, pixels: channels * height * width });
    case 'dp-sgd':
      throw new SpecError(
        `Silo ${name}: a linear-Gaussian generator is computed, not trained step by step. Set privacy.mechanism=gaussian, or ` +
          'generator.kind=vae.',
        { path: 'privacy.mechanism' },
      );
  }
}

/**
 * Throws SpecError where a closed form would be larger than any receiver takes, or its moments than memory: before records are
 * looked at, so that nothing is spent on it.
 */
export function requireSize({ options, offered, parameters, transform }: LinearGaussian): void {
  const bytes = Object.values(parameters).reduce((sum, spec) => sum + 4 * sizeOf(spec), 0);
  const moments = 8 * offered.length * options.components * transform.size ** 2;
  if (bytes < MAX_DECODER_BYTES * 0.99 && moments <= MAX_MOMENTS_BYTES) return;
  throw new SpecError(
    `A linear-Gaussian generator with components ${options.components}, frequencies ${options.frequencies} and rank ` +
      `${options.rank} for ${offered.length} classes takes ${bytes} bytes (at most ${MAX_DECODER_BYTES}), and ${moments} bytes of ` +
      `memory (at most ${MAX_MOMENTS_BYTES}). Lower components, frequencies or rank.`,
    { path: 'generator', bytes, moments },
  );
}

// --- internal ---

const MAX_MOMENTS_BYTES = 2 ** 31;

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

/** The Lipschitz bound that the generator is to keep, or null. */
function boundOf({ name, privacy }: Pick<SiloConfig, 'name' | 'privacy'>, components: number): number | null {
  if (privacy.mechanism !== 'lipschitz') return null;
  if (privacy.lipschitzForm === 'spectral-normalisation' && components === 1) return privacy.lipschitzBound as number;
  throw new SpecError(
    `Silo ${name}: a linear-Gaussian generator can keep a Lipschitz bound with one Gaussian a class and ` +
      `lipschitzForm spectral-normalisation; got ${components} and ${privacy.lipschitzForm}.`,
    { path: 'privacy.lipschitzForm', components },
  );
}
