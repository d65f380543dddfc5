// Events and epsilons in words, for messages and tables.

import type { DpEvent } from './dp-event.ts';

/** `940 steps, q 0.0107, noise 0.81`: q is the sampling rate, noise the noise multiplier. */
export function eventWords(event: DpEvent): string {
  switch (event.type) {
    case 'gaussian':
      return `noise ${short(event.noiseMultiplier)}`;
    case 'poissonSampled':
      return `q ${short(event.samplingRate)}, ${eventWords(event.event)}`;
    case 'selfComposed':
      return `${event.count} ${event.count === 1 ? 'step' : 'steps'}, ${eventWords(event.event)}`;
    case 'composed':
      return event.events.length === 0 ? 'nothing' : event.events.map(eventWords).join('; then ');
    case 'nonPrivate':
      return `no privacy: ${event.reason}`;
    case 'noOp':
      return 'nothing';
  }
}

/** What a statement says of epsilon: `not known` where its maker's word is all there is. */
export function statedEpsilon(epsilon: number | 'Infinity' | null): string {
  return epsilon === null ? 'not known' : epsilonWords(Number(epsilon));
}

/** An epsilon with five digits, rounded up: a bound must not shrink by being printed. `infinite` where it is. */
export function epsilonWords(epsilon: number): string {
  if (!Number.isFinite(epsilon)) return epsilon > 0 ? 'infinite' : String(epsilon);
  const nearest = Number(epsilon.toPrecision(DIGITS));
  if (nearest >= epsilon) return String(nearest);
  const unit = 10 ** (Math.floor(Math.log10(epsilon)) + 1 - DIGITS);
  return String(Number((nearest + unit).toPrecision(DIGITS)));
}

// --- internal ---

const DIGITS = 5;

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
