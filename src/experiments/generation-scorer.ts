// Generation scores of a run's models: which extractor looks, which real images they stand beside, and when.
//
// Extractor, real images and subsets are drawn by keys that no seed changes, so that runs under several seeds compare; the
// synthetic images follow the run's own key and the round.

import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { imagePixels } from '../data/batches.ts';
import { cacheFolder } from '../data/data-places.ts';
import type { DataSet, ImageSet } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key, permutation, seedKey } from '../engine/keys.ts';
import { DataError } from '../errors.ts';
import { cnnFeatures } from '../evaluation/cnn-features.ts';
import type { FeatureExtractor } from '../evaluation/feature-extractor.ts';
import { createGenerationJudge, type GenerationReport } from '../evaluation/generation.ts';
import { onnxFeatures } from '../evaluation/onnx-features.ts';
import { createPriorSampler, type PriorSampler } from '../evaluation/prior-samples.ts';
import type { Vae } from '../models/vae.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { DataAccess } from './materials.ts';
import type { RunEvent } from './run-events.ts';
import type { Spec } from './spec.ts';
import type { Metrics } from './summary.ts';

export interface ScoreRequest {
  readonly round: number;
  readonly vae: Vae;
  readonly parameters: NamedArrays;
  /** Of the model, for its key: a strategy, or a silo's own. */
  readonly name: string;
}

export interface GenerationScorer {
  /** Null where the spec asks for no scores after this round. Throws as `judgeGeneration` does. */
  score(request: ScoreRequest): Promise<Metrics['generation']>;
  close(): Promise<void>;
}

export interface ScorerOptions {
  readonly spec: Pick<Spec, 'evaluation' | 'rounds'>;
  /** Whole: training images to teach the extractor, test images to compare with. */
  readonly dataSet: DataSet;
  readonly engine: Engine;
  /** Names the user's cache, where a trained extractor is kept for all runs. */
  readonly data: Pick<DataAccess, 'env'>;
  /** Of the run. */
  readonly root: Key;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}

/**
 * Opens the extractor that the spec asks for, or trains it: before the run's own training, so that a file that does not
 * fit is known early. Throws DataError for such a file, AbortedError on abort.
 */
export async function openGenerationScorer(options: ScorerOptions): Promise<GenerationScorer> {
  const { spec, dataSet, engine, root, emit, signal } = options;
  const { generation } = spec.evaluation;
  if (generation === null) return SILENT;
  if (generation.extractor === null && engine.executor === 'wasm') {
    emit({ kind: 'notice', text: NEEDS_RUNTIME });
    return SILENT;
  }
  const { extractor, accuracy, close } = await openExtractor(generation.extractor, options);
  const { images, every } = generation;
  const judge = await createGenerationJudge({
    extractor,
    real: someImages(dataSet.test, images, childKey(FIXED, 'real')),
    key: childKey(FIXED, 'judge'),
    subsetSize: Math.min(MAX_SUBSET, Math.floor(images / 4)),
  });
  const samplers = new Map<string, Promise<PriorSampler>>();
  const samplerOf = (vae: Vae) => {
    const name = JSON.stringify(vae.architecture);
    const sampler = samplers.get(name) ?? createPriorSampler(engine, vae);
    samplers.set(name, sampler);
    return sampler;
  };
  return {
    async score({ round, vae, parameters, name }) {
      if (every === 'end' && round !== spec.rounds) return null;
      const key = childKey(root, 'generation', ...name.split('/'), `round-${round}`);
      const synthetic = await (await samplerOf(vae))(parameters, { count: images, key });
      return recordOf(await judge.judge(synthetic, signal), accuracy);
    },
    close,
  };
}

/** Throws DataError unless there is something at the path that the spec names as an extractor. */
export function requireExtractor({ evaluation: { generation } }: Pick<Spec, 'evaluation'>): void {
  const path = generation?.extractor ?? null;
  if (path === null || statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  throw new DataError(
    `There is no file at ${path} to serve as a feature extractor. Correct evaluation.generation.extractor (--fid-extractor), or leave it out ` +
      'for the one that is trained on the data set.',
    { path },
  );
}

// --- internal ---

/** The same for all runs. */
const FIXED = seedKey('align-fl/generation');

/** KID's subsets: a quarter of their images each, or this, which is enough and quick. */
const MAX_SUBSET = 500;

const NEEDS_RUNTIME =
  'Generation scores are left out: training their extractor needs ONNX Runtime. Install onnxruntime-node, or name an ' +
  'extractor by evaluation.generation.extractor.';

const SILENT: GenerationScorer = { score: async () => null, close: async () => {} };

interface OpenExtractor {
  readonly extractor: FeatureExtractor;
  readonly accuracy: number | null;
  readonly close: () => Promise<void>;
}

async function openExtractor(
  path: string | null,
  { spec, dataSet, engine, data: { env }, emit, signal }: ScorerOptions,
): Promise<OpenExtractor> {
  if (path !== null) {
    requireExtractor(spec);
    const extractor = await onnxFeatures({ engine, path, shape: dataSet.test.shape });
    return { extractor, accuracy: null, close: () => extractor.close() };
  }
  const folder = cacheFolder({ env, homeDir: homedir() }, 'extractors');
  let told = false;
  const tell = () => {
    if (!told)
      emit({ kind: 'notice', text: `Training the extractor of generation scores, once; it is kept in ${folder}` });
    told = true;
  };
  const extractor = await cnnFeatures({
    engine,
    data: dataSet,
    key: childKey(FIXED, 'extractor'),
    cacheFolder: folder,
    hooks: { signal, onStep: tell },
  });
  return { extractor, accuracy: extractor.testAccuracy, close: async () => {} };
}

/** Images of a set at random, [count, D]. */
function someImages(set: ImageSet, count: number, key: Key): Float32Array {
  return imagePixels(set, permutation(key, set.labels.length).subarray(0, count));
}

function recordOf(report: GenerationReport, extractorAccuracy: number | null): Metrics['generation'] {
  const { extractor, images, fid, kid, precision, recall, density, coverage, neighbours } = report;
  return {
    extractor,
    extractorAccuracy,
    images: { ...images },
    fid,
    kid: { mean: kid.mean, sd: kid.std },
    precision,
    recall,
    density,
    coverage,
    neighbours,
  };
}
