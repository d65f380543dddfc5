// What became of a run's foreign images: loads the models that the run left on disk, gathers its images again, judges.

import { relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { AbortedError, DataError, SpecError, StateError } from '../errors.ts';
import { cnnFeatures } from '../evaluation/cnn-features.ts';
import { judgeOutliers } from '../evaluation/outliers.ts';
import { outlierFigure } from '../evaluation/outliers-figure.ts';
import { someRows, takeRows } from '../evaluation/outliers-groups.ts';
import { pixelCount } from '../models/image-shape.ts';
import { readJson, writeFileAtomic, writeJsonAtomic } from '../storage/atomic-file.ts';
import { type DataAccess, gatherMaterials, type Materials } from './materials.ts';
import { OUTLIERS_FORMAT, type OutlierFile, outlierFilePath, parseOutliers } from './outlier-file.ts';
import { gatherOutliers, learntFrom, outlierSilo } from './outlier-materials.ts';
import { type Autoencoder, modelsOfRun } from './outlier-models.ts';
import { closeRunFolder, commandToFinish, type RunFolder, resumeRunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';

export interface OutlierOptions {
  /** Folder of a complete run with foreign images. */
  readonly path: string;
  /** One of the silos that have them; by default the first. */
  readonly silo?: string | undefined;
  /** Synthetic images of each decoder. Default: as the spec says, else 5,000, as many as the paper's server draws. */
  readonly synthetic?: number | undefined;
  /**
   * Whether to measure in features, too: those of a classifier that is trained on the run's own training images at first,
   * which takes minutes, and kept in `features/`. Default false.
   */
  readonly inFeatures?: boolean | undefined;
  /** Where MNIST and Fashion-MNIST may be found; by default `ALIGN_FL_DATA`, the cache, a download. */
  readonly data?: DataAccess | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Judges the silo's own autoencoder and the global model under the run's main strategy, and writes `outliers.json` and
 * `images/outliers.png` into the folder. The same run gives the same numbers. Takes about a minute. Throws SpecError where
 * no silo has foreign images, or the one that has never took part; StateError where the run is not complete, DataError where the images are not those of the run.
 */
export async function evaluateOutliers(options: OutlierOptions): Promise<OutlierFile> {
  const folder = await resumeRunFolder(options.path);
  try {
    const silo = outlierSilo(folder.spec, options.silo);
    if (!learntFrom(folder.spec, silo)) {
      throw new SpecError(`${NEVER_LEARNT(silo)} Judge the run that had it: align-fl outliers <run folder>.`, {
        path: folder.root,
        silo,
      });
    }
    if (folder.state !== 'complete') {
      throw new StateError(`The run is not complete. Finish it first: ${commandToFinish(folder)}`, {
        path: folder.root,
      });
    }
    const { executor, device, serverThreads: threads } = folder.spec.engine;
    const engine = await openEngine({ executor, device, threads });
    try {
      const access = options.data ?? { env: process.env };
      const materials = await gatherMaterials(folder.spec, access, childKey(seedKey(folder.spec.seed), 'data'));
      await refuseOtherImages(folder, materials);
      return await judgeOutliersOf({ ...options, folder, silo, engine, materials, access });
    } finally {
      await engine.close();
    }
  } finally {
    await closeRunFolder(folder);
  }
}

export interface OutlierParts extends Omit<OutlierOptions, 'path' | 'silo' | 'data'> {
  /** All rounds of the run are played. */
  readonly folder: RunFolder;
  /** A silo with foreign images. */
  readonly silo: string;
  readonly engine: Engine;
  /** What the run trained and tested with. */
  readonly materials: Materials;
  readonly access: DataAccess;
}

/** The same for an open folder. Throws StateError where a model is missing, AbortedError when the signal fires. */
export async function judgeOutliersOf(parts: OutlierParts): Promise<OutlierFile> {
  const { folder, silo, engine, materials, access } = parts;
  const { spec, layout } = folder;
  const synthetic = parts.synthetic ?? spec.evaluation.outliers?.synthetic ?? 5000;
  const [strategy] = spec.strategies as [StrategyName];
  const dataKey = childKey(seedKey(spec.seed), 'data');
  const key = childKey(seedKey(spec.seed), 'outliers', silo);
  const groups = await gatherOutliers({ spec, silo, materials, access, dataKey, key: childKey(key, 'images') });
  const features = parts.inFeatures ? await featuresOf(parts) : null;

  const { shape } = materials.dataSet.train;
  const pixels = pixelCount(shape);
  const vaes = await modelsOfRun({ engine, folder, strategy, silo, shape });
  const { members } = groups.silo;
  const count = members.length / pixels;
  const shown = takeRows(members, someRows(count, FIGURE_COLUMNS, childKey(key, 'figure')), pixels);
  const figure: { name: string; reconstructions: Float32Array; synthetic: Float32Array }[] = [];
  const judge = async (own: (typeof MODELS)[number], vae: Autoencoder | null) => {
    if (vae === null) return null;
    const { reconstruct } = vae;
    const dreams = await vae.dream(synthetic, childKey(key, own, 'z'));
    figure.push({ name: own, reconstructions: await reconstruct(shown), synthetic: dreams });
    const subject = { ...groups[own], pixels, reconstruct, synthetic: dreams, features };
    return judgeOutliers({ ...subject, key: childKey(key, own) });
  };
  const models: Record<string, unknown> = {};
  for (const own of MODELS) {
    if (parts.signal?.aborted) throw new AbortedError('Stopped while judging outliers.');
    models[own] = await judge(own, vaes[own]);
  }

  const picture = layout.image('outliers');
  await writeFileAtomic(picture, outlierFigure({ shape, foreign: shown, models: figure }));
  const path = outlierFilePath(layout.root);
  const file = parseOutliers(
    {
      format: OUTLIERS_FORMAT,
      name: spec.name,
      seed: spec.seed,
      specHash: folder.specHash,
      strategy,
      round: spec.rounds,
      silo,
      ownSource: materials.dataSet.train.name,
      foreignSource: groups.foreignSource,
      models,
      figure: {
        file: relative(layout.root, picture),
        rows: ['foreign', ...figure.flatMap(({ name }) => [`${name} reconstruction`, `${name} nearest synthetic`])],
      },
    },
    path,
  );
  await writeJsonAtomic(path, file);
  return file;
}

/** Why there is nothing to judge. */
export const NEVER_LEARNT = (silo: string): string =>
  `Silo ${silo} never took part, so no model learnt from its foreign images and none of them was in training.`;

// --- internal ---

const MODELS = ['silo', 'global'] as const;
const FIGURE_COLUMNS = 16;
const MAX_PARTITION_BYTES = 2 ** 24;

/** The judgement would be of images that the models never met. */
async function refuseOtherImages({ layout }: RunFolder, { manifest }: Materials): Promise<void> {
  const stored = await readJson(layout.partition, { maxBytes: MAX_PARTITION_BYTES });
  if (isDeepStrictEqual(stored, JSON.parse(JSON.stringify(manifest)))) return;
  throw new DataError(
    `The images found here are not those of the run: dealt again, they differ from ${layout.partition}. Name the data that ` +
      'the run had with --data, and take the version of align-fl that made it.',
    { path: layout.partition },
  );
}

async function featuresOf({ folder, engine, materials, signal }: OutlierParts) {
  return cnnFeatures({
    engine,
    data: materials.dataSet,
    key: childKey(seedKey(folder.spec.seed), 'features'),
    cacheFolder: folder.layout.features,
    ...(signal && { hooks: { signal } }),
  });
}
