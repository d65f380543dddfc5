// What a finished run is summed up to: the journal's rounds with names, counts and hashes.

import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { imageSetHash } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import { lipschitzClaimOf } from '../exchange/privacy-statement.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import { contentHash } from '../storage/content-hash.ts';
import { imagesAtSilos } from './at-silos.ts';
import type { Journal, RoundRecord } from './journal.ts';
import type { Materials } from './materials.ts';
import type { RunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';
import { paperOfSummary, type StrategySummary, SUMMARY_FORMAT, type Summary } from './summary.ts';

export interface SummaryParts {
  readonly folder: RunFolder;
  readonly journal: Journal;
  readonly materials: Materials;
  readonly engine: Engine;
  readonly now: () => Date;
  readonly version: string;
  /** SHA-256 of the global model's file under a strategy, or over the silos' models. */
  readonly globalSha256: (strategy: StrategyName) => Promise<string>;
}

/** The summary of a run whose journal is complete. */
export async function summaryOf(parts: SummaryParts): Promise<Summary> {
  const { folder, journal, materials, engine } = parts;
  const { spec, layout } = folder;
  const { train, test, name } = materials.dataSet;
  return {
    format: SUMMARY_FORMAT,
    name: spec.name,
    seed: spec.seed,
    specHash: folder.specHash,
    alignFlVersion: parts.version,
    dataSet: {
      name,
      sha256: contentHash(imageSetHash(train) + imageSetHash(test)),
      train: imagesAtSilos(spec) ? null : train.labels.length,
      test: test.labels.length,
    },
    partition: { file: relative(layout.root, layout.partition), sha256: contentHash(await readFile(layout.partition)) },
    startedAt: journal.startedAt,
    finishedAt: parts.now().toISOString(),
    machine: {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cores: availableParallelism(),
      executor: engine.executor,
      device: engine.device,
    },
    strategies: await Promise.all(spec.strategies.map((strategy) => strategySummary(strategy, parts))),
    controls: journal.controls ?? [],
    paper: paperOfSummary(spec),
  };
}

// --- internal ---

async function strategySummary(strategy: StrategyName, parts: SummaryParts): Promise<StrategySummary> {
  const records = parts.journal.strategies[strategy] ?? [];
  const last = records[records.length - 1] as RoundRecord;
  const diagnostics = parts.journal.diagnostics?.[strategy];
  const total = (stage: keyof RoundRecord['seconds']) => records.reduce((sum, { seconds }) => sum + seconds[stage], 0);
  return {
    strategy,
    rounds: records.map(({ round, metrics, perSilo, seconds }) => ({
      round,
      metrics,
      ...(perSilo && { perSilo }),
      seconds: seconds.total,
    })),
    final: last.metrics,
    ...(diagnostics && { diagnostics }),
    silos: knownOfSilos(parts).flatMap(({ name, examples, classes }) => {
      const uploads = records.flatMap(({ round, uploads: all }) =>
        all.filter(({ silo }) => silo === name).map((upload) => ({ round, ...upload })),
      );
      const privacy = lastStatement(name, parts);
      if (privacy === null) return []; // nothing of it ever left, so nothing is claimed
      return {
        name,
        examples,
        classes: Object.fromEntries(classes.map(({ label, count }) => [String(label), count])),
        mechanism: privacy.mechanism,
        epsilon: privacy.epsilon,
        delta: privacy.delta,
        privacyText: privacy.text,
        privacy,
        uploadBytes: {
          perRound: records.map(({ round: at }) => uploads.find(({ round }) => round === at)?.bytes ?? 0),
          total: uploads.reduce((sum, { bytes }) => sum + bytes, 0),
        },
        decoders: uploads.flatMap(({ round, answers = round, bytes, sha256: hash, privacy: own, localLipschitz }) =>
          hash === null
            ? []
            : [
                {
                  round,
                  ...(answers !== round && { answers }),
                  sha256: hash,
                  bytes,
                  certificate: lipschitzClaimOf(own)?.certificate ?? null,
                  localLipschitz,
                },
              ],
        ),
      };
    }),
    globalSha256: await parts.globalSha256(strategy),
    secondsPerStage: {
      silos: total('silos'),
      server: total('server'),
      evaluation: total('evaluation'),
      total: total('total'),
    },
  };
}

/** What was dealt to each silo; their names alone where the images are theirs. */
function knownOfSilos({ folder, materials }: SummaryParts) {
  if (!imagesAtSilos(folder.spec)) return materials.manifest.silos;
  return folder.spec.silos.map(({ name }) => ({ name, examples: null, classes: [] }));
}

/** What is claimed of a silo's last upload, under whichever strategy, holds for all of them together. */
function lastStatement(name: string, { journal, folder }: SummaryParts): PrivacyStatement | null {
  const records = folder.spec.strategies.flatMap((strategy) => journal.strategies[strategy] ?? []); // in the order of play
  const uploads = records.flatMap((record) => record.uploads.filter(({ silo }) => silo === name));
  return uploads[uploads.length - 1]?.privacy ?? null;
}
