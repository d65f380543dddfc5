// Metrics in tables: the known ones by name, new ones without new code.

import { describe, expect, it } from 'vitest';
import type { Metrics } from '../experiments/summary.ts';
import { formatMetric, formatSpread, metricLabel, metricLabels } from './metric-labels.ts';
import { metricValues } from './metric-values.ts';
import { spreadOf } from './spread.ts';

describe('metricValues', () => {
  it('finds every number, spreads by their mean, and passes over what says how it was taken', () => {
    const probe = { accuracy: { mean: 0.7, sd: 0.1 }, f1Weighted: { mean: 0.6, sd: null }, splits: 5, unconverged: 1 };
    const metrics = {
      probePaperSplit: null,
      probeFullTest: { ...probe, recallPerClass: [0.5, null] },
      reconstructionMse: 0.05,
      generation: {
        extractor: 'cnn',
        extractorAccuracy: 0.9,
        images: { real: 10, synthetic: 10 },
        fid: 12.5,
        kid: { mean: 0.01, sd: 0.1 },
        neighbours: 5,
      },
      outliers: { reproducedShare: { value: 0.2, low: 0.1, high: 0.3 }, nearest: { foreign: 3 } },
      remark: 'text',
    };
    expect([...metricValues(metrics as unknown as Metrics)]).toEqual([
      ['probeFullTest.accuracy', 0.7],
      ['probeFullTest.f1Weighted', 0.6],
      ['reconstructionMse', 0.05],
      ['generation.fid', 12.5],
      ['generation.kid', 0.01],
      ['outliers.reproducedShare', 0.2],
      ['outliers.nearest.foreign', 3],
    ]);
  });
});

describe('metricLabels', () => {
  it('puts known metrics first, in their own order, each once', () => {
    const labels = metricLabels(['novel', 'generation.fid', 'probeFullTest.accuracy', 'generation.fid']);
    expect(labels.map(({ name }) => name)).toEqual(['probe accuracy', 'FID', 'novel']);
  });

  it('names an unknown metric after its path, and prints shares in percent', () => {
    expect(metricLabel('outliers.reproducedShare')).toMatchObject({
      name: 'outliers: reproduced share',
      kind: 'share',
    });
    expect(formatMetric(metricLabel('outliers.reproducedShare'), 0.2)).toBe('20.0 %');
    expect(formatMetric(metricLabel('lipschitz.empirical'), 12.34567)).toBe('12.35');
  });
});

describe('formatSpread', () => {
  it.each([
    ['probeFullTest.accuracy', [0.7, 0.8], '75.0 ± 7.1 %'],
    ['probeFullTest.accuracy', [0.7], '70.0 %'],
    ['reconstructionMse', [0.04, 0.05], '0.0450 ± 0.0071'],
    ['novel', [1.5, 1.5], '1.5 ± 0'],
  ])('%s of %j', (path, values, text) => {
    const spread = spreadOf(values);
    expect(spread && formatSpread(metricLabel(path), spread)).toBe(text);
  });
});

describe('spreadOf', () => {
  it('is mean and sample deviation', () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, sd: Math.sqrt(5 / 3), count: 4 });
  });

  it('knows no deviation of one value, and nothing of none', () => {
    expect(spreadOf([3])).toEqual({ mean: 3, sd: null, count: 1 });
    expect(spreadOf([])).toBeNull();
  });
});
