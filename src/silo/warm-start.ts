// First values for a silo's autoencoder: what it learns of images that a closed-form generator of the same records draws.
//
// With a mechanism only the noisy moments behind the closed form look at records. Drawing from it and learning from what was
// drawn is post-processing (Dwork and Roth 2014, proposition 2.1), and costs nothing more.

import type { ImageSet } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import { openDecoder } from '../exchange/open-decoder.ts';
import { pixelCount } from '../models/image-shape.ts';
import { exportLabelledDecoder } from '../models/labelled-decoder.ts';
import { type LinearGaussian, linearGaussianOf } from '../models/linear-gaussian.ts';
import { offeredIn } from '../models/linear-gaussian-parts.ts';
import type { DpTrainingPlan } from '../privacy/dp-training-plan.ts';
import type { GaussianReleasePlan } from '../privacy/gaussian-release.ts';
import { stepsPerEpoch } from '../training/epoch-order.ts';
import { freshState, type NamedArrays } from '../training/parameter-slots.ts';
import type { Trainer, TrainingOptions } from '../training/trainer.ts';
import { fitLinearGaussian } from './linear-gaussian-fit.ts';
import type { SiloConfig } from './silo-config.ts';
import type { SiloHooks } from './silo-hooks.ts';
import type { TrainableModel } from './silo-model.ts';
import { requireSize } from './training-plan.ts';

export interface WarmStartParts {
  readonly engine: Engine;
  readonly config: SiloConfig;
  readonly model: TrainableModel;
  /** Of all of the silo's private training; null without a mechanism, and then the closed form has exact moments. */
  readonly plan: DpTrainingPlan | null;
  /** Trains the model without privacy: it will see no record. */
  readonly trainerFor: (training: TrainingOptions) => Promise<Trainer>;
}

/** A warm start that nothing but the records can refuse any more. */
export interface PreparedWarmStart {
  /** Training steps over drawn images. */
  readonly steps: number;
  /**
   * Looks at the records and returns the parameters to begin with. The same key gives the same numbers; secret where noise is
   * `secure`, and used up. Throws DataError where no class has enough records, AbortedError.
   */
  begin(
    at: { readonly initial: () => NamedArrays; readonly key: Key },
    hooks?: Pick<SiloHooks, 'signal' | 'onStep'>,
  ): Promise<NamedArrays>;
}

/** The warm start of a silo, or null where its model has none. Throws SpecError for a closed form that cannot be. */
export async function prepareWarmStart(parts: WarmStartParts): Promise<PreparedWarmStart | null> {
  const { engine, config, model, plan, trainerFor } = parts;
  if (config.model.kind !== 'conditional-vae' || config.model.warmStart === null) return null;
  const { classes, warmStart } = config.model;
  const { images } = config;
  const { shape } = images;
  const { training, images: count } = warmStart;
  const closedForm = linearGaussianOf(warmStart.closedForm, {
    shape,
    classes: classes.count,
    offered: classes.offered,
  });
  requireSize(closedForm);
  const trainer = await trainerFor(training);
  return {
    steps: training.epochs * stepsPerEpoch(count, training.batchSize),
    async begin({ initial, key }, { signal, onStep } = {}) {
      const release = plan?.release ?? null;
      const drawn = await closedFormImages(closedForm, { engine, images, count, plan: release, key, signal });
      const { parameters } = await trainer.train(
        { examples: model.examples(drawn, false), start: freshState(initial()), key: childKey(key, 'training') },
        { signal, ...(onStep && { onStep }) },
      );
      return parameters;
    },
  };
}

/**
 * `count` labelled images of a closed form that is fitted to a silo's images, of every class that has enough of them equally
 * many, in the order of the classes: drawn from its file, as a server would. `plan` null: exact moments. Throws DataError where
 * no class has enough, AbortedError.
 */
export async function closedFormImages(
  closedForm: LinearGaussian,
  from: {
    readonly engine: Engine;
    readonly images: ImageSet;
    readonly count: number;
    readonly plan: GaussianReleasePlan | null;
    readonly key: Key;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ImageSet> {
  const { engine, images: own, count, plan, key, signal } = from;
  const { shape, labels, images: pixels } = own;
  const job = { images: pixels, labels, shape, plan, key: childKey(key, 'closed-form') };
  const { parameters } = await fitLinearGaussian(closedForm, job, { signal });
  const onnx = exportLabelledDecoder(closedForm, parameters, shape);
  const contract = inspectDecoder(onnx, { shape, classes: closedForm.classes });
  const decoder = await openDecoder(engine, onnx, contract, { label: 'closed form of a warm start' });
  const size = pixelCount(shape);
  const drawn = { images: new Uint8Array(count * size), labels: new Uint8Array(count) };
  const offered = offeredIn(closedForm, parameters);
  const startOf = (place: number) => Math.floor((place * count) / offered.length);
  try {
    for (const [place, label] of offered.entries()) {
      const [start, end] = [startOf(place), startOf(place + 1)];
      const values = new Float32Array((end - start) * size);
      await decoder.draw(values, { key: childKey(key, `class-${label}`), label });
      drawn.images.set(
        values.map((value) => Math.round(255 * value)),
        start * size,
      );
      drawn.labels.fill(label, start, end);
    }
  } finally {
    await decoder.close();
  }
  return { name: `closed form of ${own.name}`, shape, ...drawn };
}

/** What to tell of a warm start and of the training after it, so that both are one count of steps; epoch 0 is the warm start. */
export function countedTogether(
  { onStep, ...others }: SiloHooks,
  { before, after }: { readonly before: number; readonly after: number },
): { readonly first: SiloHooks; readonly later: SiloHooks } {
  if (!onStep || before === 0) return { first: { ...others, onStep }, later: { ...others, onStep } };
  const steps = before + after;
  return {
    // Without its losses: they would show the moments of an attempt that may be stopped and done again.
    first: { ...others, onStep: (progress) => onStep({ ...progress, steps, epoch: 0, loss: Number.NaN }) },
    later: { ...others, onStep: (progress) => onStep({ ...progress, step: before + progress.step, steps }) },
  };
}
