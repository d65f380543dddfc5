// Fits a linear-Gaussian generator to labelled images: all it learns of them are the noisy moments of a release.

import { setImmediate } from 'node:timers/promises';
import { childKey, type Key, normals } from '../engine/keys.ts';
import { AbortedError, DataError } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { kMeans, nearestCentre } from '../models/k-means.ts';
import { LINEAR_GAUSSIAN_PARAMETERS, type LinearGaussian } from '../models/linear-gaussian.ts';
import { type GaussianReleasePlan, planExactMoments, type ReleaseStage } from '../privacy/gaussian-release.ts';
import { type Moments, noisyMoments } from '../privacy/noisy-moments.ts';
import { normalQuantile } from '../privacy/normal-distribution.ts';
import { factorsOf, groupsSeen, movedCentres, sharesOf } from './noisy-gaussians.ts';

export interface LinearGaussianJob {
  /** [N, D] */
  readonly images: Uint8Array;
  /** [N] Images of classes that the generator does not offer are left out. */
  readonly labels: Uint8Array;
  readonly shape: ImageShape;
  /** As planned for the generator's number of components; null: exact moments, and no promise. */
  readonly plan: GaussianReleasePlan | null;
  /** Secret where the plan's noise is `secure`. */
  readonly key: Key;
}

export interface LinearGaussianHooks {
  readonly signal?: AbortSignal | undefined;
  /** After each look at the images, and at the end. */
  readonly onStep?: ((progress: { readonly step: number; readonly steps: number }) => void) | undefined;
}

export interface LinearGaussianFit {
  /** Of the generator. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  /** The classes of the generator that can be seen above the noise. Images of the others are blank. */
  readonly offered: readonly number[];
}

/**
 * Runs the stages of the plan over the images and makes parameters of what they give. The result is a function of the noisy
 * moments alone, so the event of the plan (`releaseEvent`) covers it. The same key gives the same numbers. Throws DataError
 * where no class can be seen, PrivacyError where the key is not as the plan wants it, AbortedError.
 */
export async function fitLinearGaussian(
  generator: LinearGaussian,
  job: LinearGaussianJob,
  { signal, onStep }: LinearGaussianHooks = {},
): Promise<LinearGaussianFit> {
  const { transform, offered, options, rank } = generator;
  const { size } = transform;
  const plan = job.plan ?? planExactMoments(options.components);
  const [middle, ...others] = plan.stages as readonly [ReleaseStage, ...ReleaseStage[]];
  const last = others.pop() as ReleaseStage;
  const [rough, ...refinements] = others; // where there are components to be found

  const records = transform.coefficientsOf(job.images); // [N, d]
  const places = Int32Array.from(job.labels, (label) => offered.indexOf(label)); // [N] of the class among those offered
  const steps = plan.stages.length + 1;
  let step = 0;
  const look = async (stage: ReleaseStage, groups: Int32Array, centres: Float64Array): Promise<Moments> => {
    const { noise } = plan;
    const moments = await noisyMoments({ records, groups, centres, size, stage, noise, key: job.key, signal });
    onStep?.({ step: ++step, steps });
    return moments;
  };

  let centres = greyCentres(generator, job.shape); // [O, d], later [O K, d]
  let groups: Int32Array = places;
  const found = await look(middle, groups, centres);
  const isThere = groupsSeen(found, middle); // [O]
  centres = movedCentres(centres, found, isThere);
  if (rough && isThere.includes(true)) {
    const spread = await look(rough, groups, centres);
    centres = await componentsOf(generator, { centres, spread, stage: rough, key: job.key, signal });
    groups = nearestGroups(records, { places, centres, generator });
    for (const stage of refinements) {
      const seen = await look(stage, groups, centres);
      centres = movedCentres(centres, seen, groupsSeen(seen, stage));
      groups = nearestGroups(records, { places, centres, generator });
    }
  }
  if (!isThere.includes(true)) throw noneSeen(generator, plan);

  const moments = await look(last, groups, centres);
  const seen = groupsSeen(moments, last).map((is, g) => is && isThere[Math.floor(g / options.components)] === true);
  const factors = new Float64Array(seen.length * rank * size); // [O K r, d]
  for (const [g, isSeen] of seen.entries()) {
    if (isSeen) factors.set(factorsOf(moments, g, { stage: last, size, rank }), g * rank * size);
    await letIn(signal);
  }
  const perClass = options.components * rank * size;
  const varies = offered.map((_, c) => factors.subarray(c * perClass, (c + 1) * perClass).some((value) => value !== 0));
  if (!varies.includes(true)) throw noneSeen(generator, plan);
  const parameters = parametersOf(generator, {
    shares: sharesOf(moments, seen, options.components),
    means: movedCentres(centres, moments, seen),
    factors,
    isOffered: varies,
  });
  onStep?.({ step: ++step, steps });
  return { parameters, offered: offered.filter((_, c) => varies[c]) };
}

// --- internal ---

/** Samples of a rough Gaussian in which components are looked for, and for how many rounds. */
const ROUGH_SAMPLES = 5000;
const ROUGH_ROUNDS = 15;

/** So far out in N(0, 1) that no code gets there: e^(-200) of them. */
const FARTHEST = 20;

/** A decomposition takes a tenth of a second: signals and messages come in between. */
async function letIn(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  if (signal?.aborted) throw new AbortedError('Stopped while fitting a linear-Gaussian generator.');
}

/** For each class offered the coefficients of an image of which every pixel is 1/2: the lowest frequency of each channel. */
function greyCentres({ offered, transform }: LinearGaussian, { height, width }: ImageShape): Float64Array {
  const area = transform.height * transform.width;
  const grey = Math.sqrt(height * width) / 2;
  return new Float64Array(offered.length * transform.size).map((_, j) => (j % area === 0 ? grey : 0));
}

interface Rough {
  /** [O, d] */
  readonly centres: Float64Array;
  /** Moments about them. */
  readonly spread: Moments;
  readonly stage: ReleaseStage;
  readonly key: Key;
  readonly signal: AbortSignal | undefined;
}

/**
 * Components of every class [O K, d]: the k-means of samples of its Gaussian. That looks at no record, so it costs nothing.
 * Of a class that is not seen, its centre.
 */
async function componentsOf(
  { offered, options: { components }, rank, transform: { size } }: LinearGaussian,
  { centres, spread, stage, key, signal }: Rough,
): Promise<Float64Array> {
  const seen = groupsSeen(spread, stage);
  const means = movedCentres(centres, spread, seen);
  const found = new Float64Array(offered.length * components * size);
  for (let c = 0; c < offered.length; c++) {
    const mean = means.subarray(c * size, (c + 1) * size);
    const factors = seen[c] ? factorsOf(spread, c, { stage, size, rank }) : new Float64Array(rank * size);
    const own = childKey(key, 'components', c);
    const codes = normals(childKey(own, 'samples'), ROUGH_SAMPLES * rank);
    const values = new Float64Array(ROUGH_SAMPLES * size);
    for (let i = 0; i < ROUGH_SAMPLES; i++) {
      const row = values.subarray(i * size, (i + 1) * size);
      row.set(mean);
      for (let a = 0; a < rank; a++) {
        const code = codes[i * rank + a] as number;
        for (let j = 0; j < size; j++) row[j]! += code * (factors[a * size + j] as number);
      }
    }
    found.set(kMeans({ values, size }, { count: components, rounds: ROUGH_ROUNDS, key: own }), c * components * size);
    await letIn(signal);
  }
  return found;
}

/** [N] For each record the component of its class that is nearest, counted through all classes; -1 where that is not offered. */
function nearestGroups(
  records: Float64Array,
  at: { readonly places: Int32Array; readonly centres: Float64Array; readonly generator: LinearGaussian },
): Int32Array {
  const { places, centres, generator } = at;
  const { size } = generator.transform;
  const { components } = generator.options;
  const length = components * size;
  return places.map((place, i) => {
    if (place < 0) return -1;
    const own = { values: centres.subarray(place * length, (place + 1) * length), size };
    return place * components + nearestCentre(own, records.subarray(i * size, (i + 1) * size));
  });
}

interface Fitted {
  /** [O K] */
  readonly shares: Float64Array;
  /** [O K, d] */
  readonly means: Float64Array;
  /** [O K r, d] */
  readonly factors: Float64Array;
  /** [O] */
  readonly isOffered: readonly boolean[];
}

function parametersOf(
  { classes, offered, options: { components }, transform }: LinearGaussian,
  { shares, means, factors, isOffered }: Fitted,
): Record<string, Float32Array> {
  const names = LINEAR_GAUSSIAN_PARAMETERS;
  const choice = new Float32Array(classes * offered.length); // [C, O]
  for (const [c, label] of offered.entries()) choice[label * offered.length + c] = isOffered[c] ? 1 : 0;
  const thresholds = offered.flatMap((_, c) => {
    let below = 0;
    return Array.from(shares.subarray(c * components, (c + 1) * components - 1), (share) => {
      below = Math.min(1, below + share);
      return Math.min(FARTHEST, Math.max(-FARTHEST, normalQuantile(below)));
    });
  });
  return {
    [names.offered]: choice,
    ...(components > 1 && { [names.thresholds]: Float32Array.from(thresholds) }),
    [names.means]: Float32Array.from(means),
    [names.factors]: Float32Array.from(factors),
    [names.rows]: Float32Array.from(transform.rows),
    [names.columns]: Float32Array.from(transform.columns),
  };
}

function noneSeen({ offered }: LinearGaussian, { noise }: GaussianReleasePlan): DataError {
  const classes = offered.join(', ');
  return new DataError(
    noise === 'none'
      ? `Expected ten different images or more of one of the classes ${classes}, which are to be offered. Offer classes that ` +
          'the silo has.'
      : `Expected one of the classes ${classes}, which are to be offered, to show above the noise; none does. Offer classes that ` +
          'the silo has more images of, or allow a larger epsilon. What was asked of the records is spent.',
    { classes },
  );
}
