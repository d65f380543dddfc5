// Grids of one step's privacy loss: masses, and the delta they give, against the mechanism's closed form.

import { describe, expect, it } from 'vitest';
import { coarseLossGrid } from './coarse-loss-grid.ts';
import { type LossGrid, lossGrid } from './loss-grid.ts';
import { normalCdf } from './normal-distribution.ts';

const LOG_TAIL = -60;

/** delta of one step that removes a record, from the definition: P(L > epsilon) - e^epsilon Q(L > epsilon). */
function removedDelta(q: number, s: number, epsilon: number): number {
  const t = s * s * Math.log((Math.expm1(epsilon) + q) / q) + 0.5;
  return (1 - q) * normalCdf(-t / s) + q * normalCdf((1 - t) / s) - Math.exp(epsilon) * normalCdf(-t / s);
}

function addedDelta(q: number, s: number, epsilon: number): number {
  if (epsilon >= -Math.log1p(-q)) return 0;
  const t = s * s * Math.log((Math.expm1(-epsilon) + q) / q) + 0.5;
  return normalCdf(t / s) - Math.exp(epsilon) * ((1 - q) * normalCdf(t / s) + q * normalCdf((t - 1) / s));
}

function gridDelta({ first, interval, mass, infinity }: LossGrid, epsilon: number): number {
  return mass.reduce((sum, p, i) => {
    const loss = (first + i) * interval;
    return loss > epsilon ? sum - p * Math.expm1(epsilon - loss) : sum;
  }, infinity);
}

const STEPS = [
  [0.01, 1],
  [0.999, 0.5],
  [1, 2],
  [1e-6, 0.3],
  [0.3, 20],
] as const;

describe('lossGrid', () => {
  it.each(STEPS)('keeps probability on both data sets: q = %d, sigma = %d', (samplingRate, noiseMultiplier) => {
    for (const direction of ['remove', 'add'] as const) {
      const grid = lossGrid({ samplingRate, noiseMultiplier }, direction, { interval: 1e-3, logTail: LOG_TAIL });
      const upper = grid.mass.reduce((sum, p) => sum + p, 0);
      const lower = grid.mass.reduce((sum, p, i) => sum + p * Math.exp(-(grid.first + i) * grid.interval), 0);
      expect(Math.abs(upper + grid.infinity - 1)).toBeLessThan(1e-13);
      expect(Math.abs(lower - 1)).toBeLessThan(1e-13);
      expect(Math.min(...grid.mass)).toBeGreaterThanOrEqual(0);
    }
  });

  it.each(STEPS)('has the exact delta at grid points and more between: q = %d, sigma = %d', (q, s) => {
    const interval = 0.01;
    const step = { samplingRate: q, noiseMultiplier: s };
    for (const [direction, exact] of [
      ['remove', removedDelta],
      ['add', addedDelta],
    ] as const) {
      const grid = lossGrid(step, direction, { interval, logTail: LOG_TAIL });
      for (const epsilon of [-0.3, -0.01, 0, 0.05, 0.1, 1]) {
        if (direction === 'remove' && epsilon <= Math.log1p(-q)) continue; // 1 - e^epsilon
        if (direction === 'add' && epsilon < 0 && q === 1) continue;
        const expected = exact(q, s, epsilon);
        expect(Math.abs(gridDelta(grid, epsilon) - expected)).toBeLessThan(1e-13 + 1e-12 * expected);
        expect(gridDelta(grid, epsilon + interval / 3)).toBeGreaterThanOrEqual(
          exact(q, s, epsilon + interval / 3) - 1e-14,
        );
      }
    }
  });

  it.each([-3, -8])('counts a cut tail as infinite: %d', (logTail) => {
    for (const [q, s] of STEPS) {
      const step = { samplingRate: q, noiseMultiplier: s };
      const grid = lossGrid(step, 'remove', { interval: 0.01, logTail });
      expect(Math.abs(grid.mass.reduce((sum, p) => sum + p, grid.infinity) - 1)).toBeLessThan(1e-13);
      for (const epsilon of [0, 0.05, 1]) {
        expect(gridDelta(grid, epsilon)).toBeGreaterThan(removedDelta(q, s, epsilon) * (1 - 1e-12));
      }
    }
  });

  it('knows no direction without sampling', () => {
    const step = { samplingRate: 1, noiseMultiplier: 2 };
    const [removed, added] = [
      lossGrid(step, 'remove', { interval: 0.01, logTail: LOG_TAIL }),
      lossGrid(step, 'add', { interval: 0.01, logTail: LOG_TAIL }),
    ];
    for (const epsilon of [0, 0.5, 2]) expect(gridDelta(removed, epsilon)).toBeCloseTo(gridDelta(added, epsilon), 14);
  });
});

describe('coarseLossGrid', () => {
  it.each([
    [0.01, 1, 5e-4],
    [0.5, 0.6, 0.02],
    [0.3, 20, 1e-3],
    [1, 2, 0.01],
  ])('never has more delta than the mechanism, and little less: q = %d, sigma = %d', (q, s, interval) => {
    const grid = coarseLossGrid({ samplingRate: q, noiseMultiplier: s }, { interval, logTail: LOG_TAIL });
    expect(grid.mass.reduce((sum, p) => sum + p, 0)).toBeLessThanOrEqual(1 + 1e-12);
    for (const epsilon of [0, 0.003, 0.01, 0.1, 0.137]) {
      const exact = removedDelta(q, s, epsilon);
      expect(gridDelta(grid, epsilon)).toBeLessThanOrEqual(exact * (1 + 1e-6)); // outcomes are nodes here, 8 a grid point
      expect(gridDelta(grid, epsilon)).toBeGreaterThan(0.97 * exact - 1e-12);
    }
  });
});
