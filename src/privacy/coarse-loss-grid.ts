// The privacy loss of one step on an even grid, never more than the truth at any epsilon: for a lower bound.
//
// Outcomes are put together until what they have in common is a loss on the grid. That is post-processing, which only
// takes information away, so the steps composed of it leak at most as much; and as only outcomes of nearly the same loss
// meet, it is as sharp as the grid that bounds from above.

import type { GridOptions, LossGrid } from './loss-grid.ts';
import { ratioLoss, ratioPoint, visitOutcomes } from './density-ratio.ts';
import { quantileOfLog } from './normal-distribution.ts';
import type { SampledGaussian } from './sampled-phases.ts';

/** Of a removed record. Mass in the tails that `logTail` cuts is left out, which lowers delta too. */
export function coarseLossGrid(step: SampledGaussian, { interval, logTail }: GridOptions): LossGrid {
  const cut = -quantileOfLog(logTail) * step.noiseMultiplier;
  const [lowX, highX] = [-cut, 1 + cut];
  const first = Math.floor(ratioLoss(step, lowX) / interval) - 1;
  const last = Math.ceil(ratioLoss(step, highX) / interval);
  const mass = new Float64Array(last - first + 1);
  let index = first + 1; // grid point of the group at hand
  let target = Math.exp(index * interval);
  let group = 0; // its mass under P
  let surplus = 0; // and that minus the target times its mass under Q: a group is complete at 0
  const put = (at: number, amount: number): void => {
    mass[at - first] = (mass[at - first] as number) + amount;
  };
  const visit = (underQ: number, ratio: number): void => {
    let underP = underQ * ratio;
    for (;;) {
      const gain = underP * (1 - target / ratio);
      if (surplus + gain < 0) {
        group += underP;
        surplus += gain;
        return;
      }
      const taken = gain > 0 ? underP * Math.min(1, -surplus / gain) : 0; // the share that completes the group
      put(index, group + taken);
      underP -= taken;
      [group, surplus] = [0, 0];
      const next = Math.max(index + 1, Math.floor(Math.log(ratio) / interval)); // groups below have no outcome
      if (next >= last) {
        put(Math.min(last, Math.floor(Math.log(ratio) / interval)), underP);
        return;
      }
      index = next;
      target = Math.exp(index * interval);
      if (underP === 0) return;
    }
  };
  let from = lowX;
  for (let bin = first; bin <= last; bin++) {
    const to = bin === last ? highX : Math.min(highX, ratioPoint(step, bin * interval));
    if (!(to > from)) continue;
    visitOutcomes(step, { from, to }, visit);
    from = to;
  }
  put(index - 1, group); // incomplete: rounded down
  return { interval, first, mass, infinity: 0 };
}
