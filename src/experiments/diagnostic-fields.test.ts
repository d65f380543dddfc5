import { expect, test } from 'vitest';
import { type Diagnostics, diagnosticNotices } from './diagnostic-fields.ts';

const advice = 'Do this.';
const silo = (name: string, seen: boolean) => ({
  silo: name,
  seen,
  synthetic: 0.054,
  heldOut: 0.002,
  excess: { estimate: 0.052, low: seen ? 0.03 : -0.01, high: 0.07 },
});
const diagnostics = (seen: boolean): Diagnostics => ({
  latentOverlap: { seen, overlap: 0.8, otherNeighbours: 0.72, chance: 0.9, images: 2000, advice },
  averaging: { seen, classContrast: 0.001, sampleVariance: 0.014, images: 10_000, advice },
  outlierLeakage: { seen, silos: [silo('north', seen), silo('east', false)], advice },
});

test('what shows is told with its numbers and with what to do, a silo at a time', () => {
  const notices = diagnosticNotices('fedavg', diagnostics(true));
  expect(notices).toHaveLength(3);
  expect(notices[0]).toMatch(/^fedavg: overlapping latent clusters: .*72\.0 %.*90\.0 %.* Do this\.$/);
  expect(notices[1]).toMatch(/^fedavg: averaging by accident: .*0\.1 %.*1\.4 %.* Do this\.$/);
  expect(notices[2]).toMatch(/^fedavg: outlier leakage: 5\.4 %.*north.*0\.2 %.* Do this\.$/);
});

test('what does not show, or could not be told, is not told', () => {
  expect(diagnosticNotices('align', diagnostics(false))).toEqual([]);
  expect(diagnosticNotices('align', { latentOverlap: null, averaging: null, outlierLeakage: null })).toEqual([]);
});
