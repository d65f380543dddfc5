// Fits a linear-Gaussian generator to labelled images: all it learns of them are the noisy moments of a release.

import { setImmediate } from 'node:timers/promises';
import { childKey, type Key, normals } from '../engine/keys.ts';
import { AbortedError, DataError } from '../errors.ts';
import { kMeans, nearestCentre } from '../models/k-means.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { LINEAR_GAUSSIAN_PARAMETERS, type LinearGaussian } from '../models/linear-gaussian.ts';
import { symmetricEigen } from '../evaluation/symmetric-eigen.ts';
import { type GaussianReleasePlan, planExactMoments, type ReleaseStage } from '../privacy/gaussian-release.ts';
import { momentNoise, type Moments, noisyMoments } from '../privacy/noisy-moments.ts';
import { normalQuantile } from '../privacy/normal-distribution.ts';

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
  /** After every step of a few. */
  readonly onStep?: ((progress: { readonly step: number; readonly steps: number }) => void) | undefined;
}

export interface LinearGaussianFit {
  /** Of the generator. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  /** The classes of the generator of which there were enough records, as far as noise lets that be seen. Others are blank. */
  readonly offered: readonly number[];
}

/**
 * Runs the stages of the plan over the images and makes parameters of what they give. The result is a function of the noisy
 * moments alone, so the event of the plan (`releaseEvent`) covers it. The same key gives the same numbers. Throws DataError
 * where no class has enough records, AbortedError.
 */
export async function fitLinearGaussian(
  generator: LinearGaussian,
  job: LinearGaussianJob,
  { signal, onStep }: LinearGaussianHooks = {},
): Promise<LinearGaussianFit> {
  const { transform, offered, options, rank } = generator;
  const { size } = transform;
  const plan = job.plan ?? planExactMoments(options.components);
  const records = transform.coefficientsOf(job.images); // [N, d]
  const places = Int32Array.from(job.labels, (label) => offered.indexOf(label)); // [N] of the class among those offered
  const steps = plan.stages.length + 1;
  let step = 0;
  const stepDone = () => onStep?.({ step: ++step, steps });
  const look = async (stage: ReleaseStage, groups: Int32Array, centres: Float64Array): Promise<Moments> => {
    const { noise } = plan;
    const moments = await noisyMoments({ records, groups, centres, size, stage, noise, key: job.key, signal });
    stepDone();
    return moments;
  };

  const [middle, ...others] = plan.stages as readonly [ReleaseStage, ...ReleaseStage[]];
  const last = others.pop() as ReleaseStage;
  const grey = greyCoefficients(generator, job.shape);
  const greys = repeated(grey, offered.length);
  const found = await look(middle, places, greys);
  const isOffered = offered.map((_, c) => isEnough(found.counts[c] as number, momentNoise(middle).count));
  if (!isOffered.includes(true)) throw tooFew(generator, plan);
  const middles = moved(greys, found, isOffered); // [O, d]

  let centres = middles; // [O K, d]
  let groups: Int32Array = places;
  const [rough, ...refinements] = others;
  if (rough) {
    const spread = await look(rough, places, middles);
    centres = await roughCentres(generator, { middles, spread, stage: rough, key: job.key });
    groups = nearestGroups(records, { places, centres, size, components: options.components });
    for (const stage of refinements) {
      const seen = await look(stage, groups, centres);
      const near = Array.from(seen.counts, (count) => isEnough(count, momentNoise(stage).count));
      centres = moved(centres, seen, near);
      groups = nearestGroups(records, { places, centres, size, components: options.components });
    }
  }
  const moments = await look(last, groups, centres);
  const shares = sharesOf(generator, moments, last); // [O K]
  const usable = offered.map(
    (_, c) => isOffered[c] === true && ofClass(shares, c, options.components).some((s) => s > 0),
  );
  if (!usable.includes(true)) throw tooFew(generator, plan);
  const means = moved(
    centres,
    moments,
    Array.from(shares, (share) => share > 0),
  );
  const factors = new Float64Array(shares.length * rank * size); // [O K, r, d]
  for (let g = 0; g < shares.length; g++) {
    if (signal?.aborted) throw new AbortedError('Stopped while fitting a linear-Gaussian generator.');
    if (g > 0) await setImmediate(); // a decomposition takes a tenth of a second
    if ((shares[g] as number) > 0) factors.set(factorsOf(moments, g, { stage: last, size, rank }), g * rank * size);
  }
  stepDone();
  return {
    parameters: parametersOf(generator, { shares, means, factors, usable }),
    offered: offered.filter((_, c) => usable[c]),
  };
}

// --- internal ---

/** Fewer records say nothing of a covariance. */
const LEAST_RECORDS = 10;

/** Samples of a rough Gaussian in which components are looked for. */
const ROUGH_SAMPLES = 5000;
const ROUGH_ROUNDS = 15;

/** So far out in N(0, 1) that no code gets there: e^(-200) of them. */
const FARTHEST = 20;

/** Whether a noisy count shows that there are records; noise alone does so once in 30,000. */
function isEnough(count: number, noiseStd: number): boolean {
  return count >= Math.max(LEAST_RECORDS, 4 * noiseStd);
}

/** Coefficients [d] of an image of which every pixel is 1/2: only the lowest frequency of each channel. */
function greyCoefficients({ transform }: LinearGaussian, { height, width }: ImageShape): Float64Array {
  const area = transform.height * transform.width;
  return new Float64Array(transform.size).map((_, j) => (j % area === 0 ? Math.sqrt(height * width) / 2 : 0));
}

function repeated(row: Float64Array, times: number): Float64Array {
  return Float64Array.from({ length: times * row.length }, (_, at) => row[at % row.length] as number);
}

/** Centres [G, d] moved to the means of their groups, where `which`. */
function moved(centres: Float64Array, { counts, sums }: Moments, which: readonly boolean[]): Float64Array {
  const size = centres.length / counts.length;
  return centres.map((centre, at) => {
    const group = Math.floor(at / size);
    return which[group] ? centre + (sums[at] as number) / (counts[group] as number) : centre;
  });
}

/**
 * Components of every class [O K, d]: the k-means of samples of its Gaussian, which is as good as known when its moments are
 * out, so this costs nothing.
 */
async function roughCentres(
  { offered, options, rank, transform }: LinearGaussian,
  from: { readonly middles: Float64Array; readonly spread: Moments; readonly stage: ReleaseStage; readonly key: Key },
): Promise<Float64Array> {
  const { size } = transform;
  const { components } = options;
  const centres = new Float64Array(offered.length * components * size);
  for (let c = 0; c < offered.length; c++) {
    await setImmediate(); // a decomposition takes a tenth of a second
    const factors = factorsOf(from.spread, c, { stage: from.stage, size, rank }); // [r, d]
    const mean = moved(
      from.middles,
      from.spread,
      offered.map((_, other) => isEnough(from.spread.counts[other] as number, 0)),
    ).subarray(c * size, (c + 1) * size);
    const key = childKey(from.key, 'components', c);
    const codes = normals(childKey(key, 'samples'), ROUGH_SAMPLES * rank);
    const values = new Float64Array(ROUGH_SAMPLES * size);
    for (let i = 0; i < ROUGH_SAMPLES; i++) {
      const row = values.subarray(i * size, (i + 1) * size);
      row.set(mean);
      for (let a = 0; a < rank; a++) {
        const code = codes[i * rank + a] as number;
        for (let j = 0; j < size; j++) row[j]! += code * (factors[a * size + j] as number);
      }
    }
    centres.set(kMeans({ values, size }, { count: components, rounds: ROUGH_ROUNDS, key }), c * components * size);
  }
  return centres;
}

/** [N] For each record the component of its class that is nearest, counted through all classes; -1 where that is not offered. */
function nearestGroups(
  records: Float64Array,
  at: {
    readonly places: Int32Array;
    readonly centres: Float64Array;
    readonly size: number;
    readonly components: number;
  },
): Int32Array {
  const { places, centres, size, components } = at;
  const length = components * size;
  return places.map((place, i) => {
    if (place < 0) return -1;
    const own = { values: centres.subarray(place * length, (place + 1) * length), size };
    return place * components + nearestCentre(own, records.subarray(i * size, (i + 1) * size));
  });
}

/** [O K] How often each component is drawn, within its class; 0 where noise hides whether it has records. */
function sharesOf({ offered, options }: LinearGaussian, { counts }: Moments, stage: ReleaseStage): Float64Array {
  const { components } = options;
  const { count: noiseStd } = momentNoise(stage);
  const shown = counts.map((count) => (isEnough(count, noiseStd) ? count : 0));
  const totals = offered.map((_, c) => ofClass(shown, c, components).reduce((sum, count) => sum + count, 0));
  return shown.map((count, g) => count && count / (totals[Math.floor(g / components)] as number));
}

function ofClass(values: Float64Array, c: number, components: number): Float64Array {
  return values.subarray(c * components, (c + 1) * components);
}

/**
 * Factors [r, d] with A^T A near the covariance of group `g`: its eigenvectors times the roots of the eigenvalues. Those that
 * noise alone could have made are left out: the largest eigenvalue of symmetric noise with standard deviation s on the diagonal
 * and s / sqrt(2) beside it is near s sqrt(2 d) (Wigner's semicircle).
 */
function factorsOf(
  { counts, sums, products }: Moments,
  g: number,
  { stage, size, rank }: { readonly stage: ReleaseStage; readonly size: number; readonly rank: number },
): Float64Array {
  const count = Math.max(LEAST_RECORDS, counts[g] as number);
  const mean = sums.subarray(g * size, (g + 1) * size).map((sum) => sum / count);
  const second = (products as Float64Array).subarray(g * size * size, (g + 1) * size * size);
  const covariance = second.map(
    (product, at) => product / count - (mean[Math.floor(at / size)] as number) * (mean[at % size] as number),
  );
  const { values, vectors } = symmetricEigen(covariance, size);
  const edge = (momentNoise(stage).product / count) * Math.sqrt(2 * size);
  const factors = new Float64Array(rank * size);
  for (let a = 0; a < rank && (values[a] as number) > edge; a++) {
    const root = Math.sqrt(values[a] as number);
    for (let j = 0; j < size; j++) factors[a * size + j] = root * (vectors[a * size + j] as number);
  }
  return factors;
}

function parametersOf(
  { classes, offered, options, transform }: LinearGaussian,
  fitted: {
    readonly shares: Float64Array;
    readonly means: Float64Array;
    readonly factors: Float64Array;
    readonly usable: readonly boolean[];
  },
): Record<string, Float32Array> {
  const names = LINEAR_GAUSSIAN_PARAMETERS;
  const { components } = options;
  const choice = new Float32Array(classes * offered.length); // [C, O]
  offered.forEach((label, c) => {
    if (fitted.usable[c]) choice[label * offered.length + c] = 1;
  });
  const thresholds = offered.flatMap((_, c) => {
    let below = 0;
    return Array.from(ofClass(fitted.shares, c, components).subarray(0, -1), (share) => {
      below = Math.min(1, below + share);
      return Math.min(FARTHEST, Math.max(-FARTHEST, normalQuantile(below)));
    });
  });
  return {
    [names.offered]: choice,
    ...(components > 1 && { [names.thresholds]: Float32Array.from(thresholds) }),
    [names.means]: Float32Array.from(fitted.means),
    [names.factors]: Float32Array.from(fitted.factors),
    [names.rows]: Float32Array.from(transform.rows),
    [names.columns]: Float32Array.from(transform.columns),
  };
}

function tooFew({ offered }: LinearGaussian, { noise }: GaussianReleasePlan): DataError {
  return new DataError(
    `None of the classes ${offered.join(', ')} shows ${LEAST_RECORDS} records` +
      `${noise === 'none' ? '' : ' above the noise'}. Offer classes that the silo has` +
      `${noise === 'none' ? '' : ', or allow a larger epsilon'}.`,
    { offered: offered.join(', ') },
  );
}
