// From Rényi divergences to (epsilon, delta), by the improved conversion, over a grid of orders and between its points.

import type { RdpCurve } from './rdp.ts';

/** An upper bound and the order that gave it (1 where no single order did). */
export interface RdpBound {
  readonly value: number;
  readonly order: number;
}

/**
 * epsilon at `delta` in (0, 1): min over a of r + ln((a - 1) / a) - (ln delta + ln a) / (a - 1), at least 0
 * (Canonne, Kamath and Steinke 2020, proposition 12). 0 as well where r bounds the total variation by delta
 * (Bretagnolle and Huber). Infinity where no order is finite.
 */
export function epsilonFromRdp(curve: RdpCurve, delta: number, orders: readonly number[]): RdpBound {
  return smallest(orders, (order) => orderEpsilon(curve(order), order, delta));
}

/** As `epsilonFromRdp`, and then between the neighbours of the best order by golden section: every order is a bound. */
export function refinedEpsilonFromRdp(curve: RdpCurve, delta: number, orders: readonly number[]): RdpBound {
  return refined(orders, (order) => orderEpsilon(curve(order), order, delta));
}

/** delta at `epsilon` >= 0: min over a of e^((a - 1) (r - epsilon + ln(1 - 1/a)) - ln a) and sqrt(1 - e^-r). */
export function refinedDeltaFromRdp(curve: RdpCurve, epsilon: number, orders: readonly number[]): RdpBound {
  return refined(orders, (order) => orderDelta(curve(order), order, epsilon));
}

/** The conversion at one order. NaN divergences give Infinity. */
export function orderEpsilon(divergence: number, order: number, delta: number): number {
  if (!(divergence < Infinity) || order <= 1.01) return Infinity; // close to 1 the formula loses its digits
  if (delta * delta + Math.expm1(-divergence) > 0) return 0;
  const epsilon = divergence + Math.log1p(-1 / order) - (Math.log(delta) + Math.log(order)) / (order - 1);
  return Math.max(0, epsilon);
}

// --- internal ---

const GOLDEN = (Math.sqrt(5) - 1) / 2;

function orderDelta(divergence: number, order: number, epsilon: number): number {
  if (!(divergence < Infinity) || order <= 1.01) return 1;
  const moment = (order - 1) * (divergence - epsilon + Math.log1p(-1 / order)) - Math.log(order);
  return Math.min(1, Math.exp(moment), Math.sqrt(-Math.expm1(-divergence)));
}

function smallest(orders: readonly number[], bound: (order: number) => number): RdpBound {
  let best: RdpBound = { value: Infinity, order: 1 };
  for (const order of orders) {
    const value = bound(order);
    if (value < best.value) best = { value, order };
    if (value === 0) break;
  }
  return best;
}

function refined(orders: readonly number[], bound: (order: number) => number): RdpBound {
  let best = smallest(orders, bound);
  if (best.value === 0 || best.value === Infinity) return best;
  const at = orders.indexOf(best.order);
  let low = orders[at - 1] ?? 1.02;
  let high = orders[at + 1] ?? best.order;
  for (let step = 0; step < 16 && high > low; step++) {
    const [left, right] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    const [atLeft, atRight] = [bound(left), bound(right)];
    if (atLeft < best.value) best = { value: atLeft, order: left };
    if (atRight < best.value) best = { value: atRight, order: right };
    if (atLeft <= atRight) high = right;
    else low = left;
  }
  return best;
}
