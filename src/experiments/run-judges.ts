// What a run judges besides its rounds: controls that nobody trained, signatures of failure, foreign images.

import { setImmediate } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import { probeControls } from '../evaluation/controls.ts';
import type { GlobalEvaluator } from '../evaluation/global-evaluator.ts';
import { initialParameters } from '../models/initialise.ts';
import type { Vae } from '../models/vae.ts';
import { diagnose } from './diagnose.ts';
import { diagnosticNotices } from './diagnostic-fields.ts';
import { type Journal, saveJournal } from './journal.ts';
import type { DataAccess, Materials } from './materials.ts';
import { controlMetrics } from './metrics.ts';
import { judgeOutliersOf, NEVER_LEARNT } from './outlier-evaluation.ts';
import { learntFrom, outlierSilo } from './outlier-materials.ts';
import type { RunEvent } from './run-events.ts';
import type { RunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';

/** A run whose judges have their work before them. */
export interface JudgedRun {
  readonly folder: RunFolder;
  readonly journalFile: string;
  readonly materials: Materials;
  readonly engine: Engine;
  readonly evaluator: GlobalEvaluator;
  /** The server's model. */
  readonly vae: Vae;
  /** Root of the run. */
  readonly root: Key;
  readonly data: DataAccess;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}
/** The probe on what nobody trained, once a run. */
export async function judgeControls(run: JudgedRun, journal: Journal): Promise<Journal> {
  const { folder, materials, evaluator, vae, root, emit } = run;
  if (!folder.spec.evaluation.controls || journal.controls) return journal;
  emit({ kind: 'controls-started' });
  const untrained = initialParameters(vae.parameters, childKey(root, 'server', 'align', 'init'));
  const { codes } = await evaluator.encode(untrained);
  const controls: ReturnType<typeof controlMetrics>[] = [];
  const probes = probeControls({
    images: materials.dataSet.test,
    classes: materials.classes,
    key: childKey(root, 'evaluation'),
    seeds: folder.spec.evaluation.probeSplits,
    others: [{ name: 'untrained encoder', codes, dim: vae.latent }],
  });
  for (const control of probes) {
    controls.push(controlMetrics(control));
    await setImmediate(); // let a Ctrl-C be heard
    if (run.signal.aborted) throw new AbortedError('Stopped while probing the controls.');
  }
  const next = { ...journal, controls };
  await saveJournal(run.journalFile, next);
  emit({ kind: 'controls-finished', controls });
  return next;
}

/** Once all models are there: what became of foreign images, where the spec asks for it. */
export async function judgeForeignImages(run: JudgedRun): Promise<void> {
  const { folder, data: access, emit } = run;
  if (folder.spec.evaluation.outliers === null) return;
  const silo = outlierSilo(folder.spec);
  if (!learntFrom(folder.spec, silo)) {
    emit({ kind: 'notice', text: `Foreign images are not judged. ${NEVER_LEARNT(silo)}` });
    return;
  }
  emit({ kind: 'outliers-started', silo });
  await judgeOutliersOf({ ...run, access, silo });
}

/** Failure signatures of a strategy with a global model, once; what shows is told. */
export async function lookForFailures(run: JudgedRun, strategy: StrategyName, journal: Journal): Promise<Journal> {
  if (journal.diagnostics?.[strategy]) return journal;
  const diagnostics = await diagnose({ ...run, strategy, key: childKey(run.root, 'diagnostics', strategy) });
  const next = { ...journal, diagnostics: { ...journal.diagnostics, [strategy]: diagnostics } };
  await saveJournal(run.journalFile, next);
  for (const text of diagnosticNotices(strategy, diagnostics)) run.emit({ kind: 'notice', text });
  return next;
}
