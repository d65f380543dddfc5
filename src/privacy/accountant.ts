// The one place that says what a release costs: two accountants side by side, and the smaller of their upper bounds.
//
// Neighbours: data sets that differ by one record, added or removed (replaced by an all-zero one: the same numbers).

import { SpecError } from '../errors.ts';
import type { DpEvent } from './dp-event.ts';
import { pldDelta, pldEpsilon, pldLowerEpsilon } from './pld.ts';
import { orderEpsilon, refinedDeltaFromRdp, refinedEpsilonFromRdp } from './rdp-conversion.ts';
import { composedRdp, RDP_ORDERS, sampledGaussianRdp } from './rdp.ts';
import { type SampledPhase, sampledPhases } from './sampled-phases.ts';

/** Upper bounds on epsilon, each valid on its own. Infinity where there is no guarantee. */
export interface EpsilonBounds {
  /** The smaller of both. */
  readonly epsilon: number;
  /** By Rényi divergences: fast, and some percent loose. */
  readonly rdp: number;
  /** By the distribution of the privacy loss: tight. */
  readonly pld: number;
}

/** Upper bounds on delta, each valid on its own. */
export interface DeltaBounds {
  readonly delta: number;
  readonly rdp: number;
  readonly pld: number;
}

/** Upper bounds on the epsilon of `event` at `delta`. Throws SpecError for a delta outside [0, 1] or an event that cannot be. */
export function epsilonOf(event: DpEvent, delta: number): EpsilonBounds {
  const phases = sampledPhases(event);
  const edge = edgeEpsilon(phases, checkedDelta(delta));
  if (edge !== undefined) return { epsilon: edge, rdp: edge, pld: edge };
  const { value: rdp } = refinedEpsilonFromRdp(composedRdp(phases as readonly SampledPhase[]), delta, RDP_ORDERS);
  const pld = rdp === 0 ? 0 : pldEpsilon(phases as readonly SampledPhase[], delta);
  return { epsilon: Math.min(rdp, pld), rdp, pld };
}

/** Upper bounds on the delta of `event` at `epsilon` >= 0 (which may be Infinity). */
export function deltaOf(event: DpEvent, epsilon: number): DeltaBounds {
  if (!(epsilon >= 0)) throw new SpecError(`An epsilon must be at least 0, not ${epsilon}.`, { epsilon });
  const phases = sampledPhases(event);
  if (phases === 'nonPrivate') return { delta: 1, rdp: 1, pld: 1 };
  if (phases.length === 0 || epsilon === Infinity) return { delta: 0, rdp: 0, pld: 0 };
  const { value: rdp } = refinedDeltaFromRdp(composedRdp(phases), epsilon, RDP_ORDERS);
  const pld = pldDelta(phases, epsilon);
  return { delta: Math.min(rdp, pld), rdp, pld };
}

/**
 * Epsilon after any number of steps of one phase, by Rényi divergences alone: what a progress line can ask for at every
 * step. The divergences are computed once, here.
 */
export function fastEpsilonCurve(
  phase: { readonly samplingRate: number; readonly noiseMultiplier: number },
  delta: number,
): (steps: number) => number {
  const { samplingRate, noiseMultiplier } = phase;
  const gaussian: DpEvent = { type: 'gaussian', noiseMultiplier };
  const step: DpEvent = { type: 'poissonSampled', samplingRate, event: gaussian };
  const one = sampledPhases(step);
  checkedDelta(delta);
  const first = one === 'nonPrivate' ? undefined : one[0];
  const curve = first === undefined ? undefined : sampledGaussianRdp(first);
  const divergences = curve === undefined ? [] : RDP_ORDERS.map((order) => curve(order));
  return (steps) => {
    const phases = sampledPhases({ type: 'selfComposed', event: step, count: steps });
    const edge = edgeEpsilon(phases, delta);
    if (edge !== undefined) return edge;
    return divergences.reduce(
      (best, divergence, i) => Math.min(best, orderEpsilon(steps * divergence, RDP_ORDERS[i] as number, delta)),
      Infinity,
    );
  };
}

/**
 * A lower estimate of epsilon, by grids that never overstate the loss of a removed record: the truth lies between it and
 * `epsilonOf`, mostly within 1e-4 of both. Null where it cannot be had.
 */
export function optimisticEpsilon(event: DpEvent, delta: number): number | null {
  const phases = sampledPhases(event);
  const edge = edgeEpsilon(phases, checkedDelta(delta));
  if (phases === 'nonPrivate') return edge === 0 ? 0 : null;
  return edge ?? pldLowerEpsilon(phases, delta) ?? null;
}

// --- internal ---

/** Where no accountant is needed: undefined elsewhere. */
function edgeEpsilon(phases: readonly SampledPhase[] | 'nonPrivate', delta: number): number | undefined {
  if (phases.length === 0 || delta === 1) return 0;
  return phases === 'nonPrivate' || delta === 0 ? Infinity : undefined;
}

function checkedDelta(delta: number): number {
  if (delta >= 0 && delta <= 1) return delta;
  throw new SpecError(`A delta must lie in [0, 1], not ${delta}.`, { delta });
}
