// The task of the paper: the server learns an autoencoder, whose codes are judged on held-out images of all classes.

import { childKey } from '../engine/keys.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { createGlobalEvaluator } from '../evaluation/global-evaluator.ts';
import { alignStrategy } from '../federation/align.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { createGlobalVae } from '../server/global-vae.ts';
import { drawPool } from '../server/pool.ts';
import { codesFile, saveRoundCodes } from './codes.ts';
import { decoderSlopes } from './decoder-slopes.ts';
import { openGenerationScorer } from './generation-scorer.ts';
import { globalStateFile, saveGlobalModel } from './global-model.ts';
import { metricsOf, NOT_JUDGED } from './metrics.ts';
import { createOwnModels, type OwnModels } from './own-models.ts';
import { answeredRound, silosIn } from './participation.ts';
import { savePictures, savePoolPictures } from './pictures.ts';
import { judgeControls, judgeForeignImages, lookForFailures } from './run-judges.ts';
import type { RunTask, TaskParts } from './run-task.ts';
import { modelOfServer, modelOfSilo, type StrategyName } from './spec.ts';
import { drawnFromSound, leftOut } from './sound-releases.ts';
import { newestReleases } from './stored-decoders.ts';

/** Opens what looks at the run's models. Throws DataError where a feature extractor does not fit, AbortedError on abort. */
export async function openRepresentation(parts: TaskParts): Promise<RunTask> {
  const { folder, materials, engine, root, signal } = parts;
  const { spec, layout } = folder;
  const { test } = materials.dataSet;
  const { shape } = test;
  const generation = await openGenerationScorer({ ...parts, spec, dataSet: materials.dataSet });
  const vae = vaeOf(modelOfServer(spec), shape);
  const judging = {
    engine,
    test,
    classes: materials.classes,
    key: childKey(root, 'evaluation'),
    splits: spec.evaluation.probeSplits,
  };
  const evaluator = test.labels.length === 0 ? null : await createGlobalEvaluator({ ...judging, vae });
  const judged = evaluator && { ...parts, evaluator, vae };
  const own = new Map<StrategyName, OwnModels>(); // compiled models stay from round to round
  const ownModelsUnder = (strategy: StrategyName): OwnModels => {
    const known = own.get(strategy);
    if (known) return known;
    const models = createOwnModels({
      ...judging,
      silosIn: (round) =>
        silosIn(spec, strategy, round).map((silo) => ({
          name: silo.name,
          architecture: modelOfSilo(spec, silo),
          round: answeredRound(silo, strategy, round) as number,
        })),
      generation,
      stateDir: (silo) => layout.silo(silo, strategy),
    });
    own.set(strategy, models);
    return models;
  };
  return {
    initial: (key) => initialParameters(vae.parameters, key),
    async align() {
      const key = childKey(root, 'server', 'align');
      const { epochs, batchSize, optimizer, schedule, images, imagesPer } = spec.server;
      const training = { epochs, batchSize, optimizer, schedule };
      const file = globalStateFile(folder, 'align');
      const { learn } = await createGlobalVae({ engine, vae, loss: spec.loss, training, file, key });
      return alignStrategy({
        run: spec.name,
        learn,
        poolOf: (round, arrived) => newestReleases({ spec, layout, shape, round, arrived }),
        async draw(round, releases: readonly ReceivedRelease[], hooks) {
          const poolKey = childKey(key, `round-${round}`, 'pool');
          const signal = hooks?.signal;
          const pool = await drawnFromSound(spec, releases, {
            draw: (sound) => drawPool({ engine, releases: sound, images, imagesPer, shape, key: poolKey, signal }),
            onRefused: (silo, { message }) => parts.emit({ kind: 'notice', text: leftOut(silo, message) }),
          });
          await savePoolPictures(folder, pool, shape);
          return pool.images;
        },
      });
    },
    async judge(strategy, round, global) {
      if (!evaluator) return { metrics: NOT_JUDGED };
      const judgement = await evaluator.judge(global);
      await saveRoundCodes(codesFile(layout.root, strategy), { strategy, round }, judgement.test);
      const scores = await generation.score({ round, vae, parameters: global, name: strategy });
      return { metrics: metricsOf(judgement, scores) };
    },
    async judgeOwn(strategy, round) {
      const { metrics, perSilo } = await ownModelsUnder(strategy).judge(round);
      return { metrics, perSilo: [...perSilo] };
    },
    slopesOf: (round, uploads) =>
      decoderSlopes({ engine, uploads, round, shape, key: childKey(root, 'slopes'), signal }),
    controls: async (journal) => (judged ? judgeControls(judged, journal) : journal),
    async finish(strategy, journal) {
      const looked = judged ? await lookForFailures(judged, strategy, journal) : journal;
      // All others make their encoder from real images: only ALIGN-FL's global model learnt from synthetic ones alone.
      if (strategy === 'align') await saveGlobalModel({ strategy, folder, vae, shape });
      await savePictures({ strategy, folder, engine, vae, shape, key: childKey(root, 'pictures') });
      return looked;
    },
    conclude: async () => {
      if (judged) await judgeForeignImages(judged);
    },
    close: () => generation.close(),
  };
}
