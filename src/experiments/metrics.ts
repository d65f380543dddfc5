// Judgements of the evaluation room in the form of the summary.

import type { Control } from '../evaluation/controls.ts';
import type { Judgement } from '../evaluation/global-evaluator.ts';
import type { ProbeReport, ProbeResult } from '../evaluation/probe.ts';
import type { Metrics } from './summary.ts';

export function metricsOf({ probe, reconstruction }: Judgement, generation: Metrics['generation']): Metrics {
  return { ...probeMetrics(probe), reconstructionMse: reconstruction.perPixel, generation };
}

export function controlMetrics({ name, probe }: Control): { name: string; metrics: Metrics } {
  return {
    name: name.replaceAll(' ', '-').toLowerCase(),
    metrics: { ...probeMetrics(probe), reconstructionMse: null, generation: null },
  };
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
