// Judgements of the evaluation room in the form of the summary.

import { ShapeError } from '../errors.ts';
import type { ClassificationScores } from '../evaluation/classification.ts';
import type { Control } from '../evaluation/controls.ts';
import type { Judgement } from '../evaluation/global-evaluator.ts';
import type { ProbeReport, ProbeResult } from '../evaluation/probe.ts';
import type { Metrics } from './summary.ts';

export function metricsOf({ probe, reconstruction }: Judgement, generation: Metrics['generation']): Metrics {
  return { classification: null, ...probeMetrics(probe), reconstructionMse: reconstruction.perPixel, generation };
}

export function controlMetrics({ name, probe }: Control): { name: string; metrics: Metrics } {
  return {
    name: name.replaceAll(' ', '-').toLowerCase(),
    metrics: { classification: null, ...probeMetrics(probe), reconstructionMse: null, generation: null },
  };
}

/** Of a classifier, given each silo's own classes where they are known. */
export function classifierMetrics(
  { accuracy, f1Weighted, recallPerClass }: ClassificationScores,
  localLabelAccuracy: number | null,
): Metrics {
  return {
    classification: { accuracy, f1Weighted, recallPerClass: [...recallPerClass], localLabelAccuracy },
    probePaperSplit: null,
    probeFullTest: null,
    reconstructionMse: null,
    generation: null,
  };
}

/** Where there are no test images. */
export const NOT_JUDGED: Metrics = {
  classification: null,
  probePaperSplit: null,
  probeFullTest: null,
  reconstructionMse: null,
  generation: null,
};

/** Whether anybody looked: a server without test images judges nothing. */
export function isJudged(metrics: Metrics): boolean {
  return Object.values(metrics).some((one) => one !== null);
}

/** The scores that stand for a model where there is room for one: a classifier's own, or those of a probe on all test images. Throws ShapeError where it was not judged. */
export function mainScores({ classification, probeFullTest }: Metrics): {
  readonly accuracy: number;
  readonly f1Weighted: number;
} {
  if (classification) return classification;
  if (probeFullTest) return { accuracy: probeFullTest.accuracy.mean, f1Weighted: probeFullTest.f1Weighted.mean };
  throw new ShapeError('Metrics hold neither the scores of a classifier nor those of a probe.');
}

// --- internal ---

function probeMetrics({ paper, all }: ProbeReport): Pick<Metrics, 'probePaperSplit' | 'probeFullTest'> {
  return {
    probePaperSplit: paper && scores(paper),
    probeFullTest: { ...scores(all), recallPerClass: [...all.recallPerClass] },
  };
}

function scores({ accuracy, f1Weighted, splits, unconverged }: ProbeResult) {
  return {
    accuracy: { mean: accuracy.mean, sd: accuracy.std },
    f1Weighted: { mean: f1Weighted.mean, sd: f1Weighted.std },
    splits,
    unconverged,
  };
}
