// The task beyond the paper: generators of classes teach a classifier, which is judged on real held-out images of all classes.

import { type ClassCount, classCounts } from '../data/image-set.ts';
import { childKey } from '../engine/keys.ts';
import { createClassifierEvaluator } from '../evaluation/classifier-evaluator.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { alignStrategy } from '../federation/align.ts';
import { classifierOf } from '../models/classifier.ts';
import { initialParameters } from '../models/initialise.ts';
import { createGlobalClassifier } from '../server/global-classifier.ts';
import { drawLabelledPool } from '../server/labelled-pool.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { finishedParameters, OR_START_AFRESH } from './finished-state.ts';
import { globalStateFile, saveGlobalClassifier } from './global-model.ts';
import { meanMetrics } from './mean-metrics.ts';
import { classifierMetrics, NOT_JUDGED } from './metrics.ts';
import { answeredRound, silosIn } from './participation.ts';
import { savePoolPictures } from './pictures.ts';
import type { RunTask, TaskParts } from './run-task.ts';
import { classifierArchitecture } from './silo-models.ts';
import { imagesPerClass, type StrategyName } from './spec.ts';
import { drawnFromSound, leftOut } from './sound-releases.ts';
import { newestReleases } from './stored-decoders.ts';
import type { Metrics } from './summary.ts';

/** Opens what judges the run's classifiers. Throws SpecError where the classifier does not fit the images. */
export async function openClassification(parts: TaskParts): Promise<RunTask> {
  const { folder, materials, engine, root } = parts;
  const { spec, layout } = folder;
  const { classes } = materials;
  const { test } = materials.dataSet;
  const { shape } = test;
  const classifier = classifierOf(classifierArchitecture(spec, shape), shape, classes);
  const evaluator = test.labels.length === 0 ? null : await createClassifierEvaluator({ engine, classifier, test });
  const ownClasses = new Map(materials.silos.map(({ name, set }) => [name, classCounts(set.labels)]));
  /** Scores of a model, with what each of these silos sees of it on images like its own. */
  const metricsOf = async (parameters: NamedArrays, silos: readonly string[]): Promise<Metrics> => {
    if (!evaluator) return NOT_JUDGED;
    const judgement = await evaluator.judge(parameters);
    const local = silos.map((silo) => recallOfOwn(judgement.recallPerClass, ownClasses.get(silo) ?? []));
    const known = local.filter((accuracy) => accuracy !== null);
    const mean = known.length === 0 ? null : known.reduce((sum, accuracy) => sum + accuracy, 0) / known.length;
    return classifierMetrics(judgement, mean);
  };
  return {
    initial: (key) => initialParameters(classifier.parameters, key),
    async align() {
      const key = childKey(root, 'server', 'align');
      const { epochs, batchSize, optimizer, schedule } = spec.server;
      const { learn } = await createGlobalClassifier({
        engine,
        classifier,
        shape,
        training: { epochs, batchSize, optimizer, schedule },
        augmentation: spec.classifier.augmentation,
        averaging: spec.classifier.averaging,
        file: globalStateFile(folder, 'align'),
        key,
      });
      return alignStrategy({
        run: spec.name,
        learn,
        poolOf: (round, arrived) => newestReleases({ spec, layout, shape, round, arrived }),
        async draw(round, releases: readonly ReceivedRelease[], hooks) {
          const pool = await drawnFromSound(spec, releases, {
            draw: (sound) =>
              drawLabelledPool({
                engine,
                releases: sound,
                perClass: imagesPerClass(spec.server, sound.length, classes),
                classes,
                shape,
                key: childKey(key, `round-${round}`, 'pool'),
                signal: hooks?.signal,
              }),
            onRefused: (silo, { message }) => parts.emit({ kind: 'notice', text: leftOut(silo, message) }),
          });
          if (pool.missing.length > 0) {
            const text = `Nobody offers images of class ${pool.missing.join(', ')}: the classifier cannot learn ${pool.missing.length === 1 ? 'it' : 'them'}.`;
            parts.emit({ kind: 'notice', text });
          }
          await savePoolPictures(folder, pool, shape);
          return pool;
        },
      });
    },
    judge: async (_strategy, _round, global) => ({
      metrics: await metricsOf(
        global,
        spec.silos.filter(({ participation }) => participation !== null).map(({ name }) => name),
      ),
    }),
    async judgeOwn(strategy, round) {
      const perSilo: { silo: string; metrics: Metrics }[] = [];
      for (const silo of silosIn(spec, strategy, round)) {
        const file = stateFileOf({ stateDir: layout.silo(silo.name, strategy) });
        const parameters = await finishedParameters(
          file,
          answeredRound(silo, strategy, round) as number,
          OR_START_AFRESH,
        );
        perSilo.push({ silo: silo.name, metrics: await metricsOf(parameters, [silo.name]) });
      }
      return { metrics: meanMetrics(perSilo.map(({ metrics }) => metrics)), perSilo };
    },
    slopesOf: async () => ({}),
    controls: async (journal) => journal,
    async finish(strategy: StrategyName, journal) {
      // All others learnt from real images: only ALIGN-FL's classifier learnt from synthetic ones alone.
      if (strategy === 'align') await saveGlobalClassifier({ strategy, folder, classifier, shape });
      return journal;
    },
    conclude: async () => {},
    close: async () => {},
  };
}

// --- internal ---

/** Recall weighted by how many images of each class a silo has: what it would see on held-out images of its own kind. */
function recallOfOwn(recallPerClass: readonly (number | null)[], own: readonly ClassCount[]): number | null {
  let [hits, images] = [0, 0];
  for (const { label, count } of own) {
    const recall = recallPerClass[label] ?? null;
    if (recall === null) continue;
    hits += recall * count;
    images += count;
  }
  return images === 0 ? null : hits / images;
}
