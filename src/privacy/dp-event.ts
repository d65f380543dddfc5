// What a mechanism did with private records, as plain data: accountants read it, ledgers keep it.
//
// An event's meaning never changes. What an accountant does not know it refuses; it never guesses.

/** A Gaussian mechanism on a sum in which one record contributes at most 1 in L2 norm. */
export interface GaussianEvent {
  readonly type: 'gaussian';
  /** Standard deviation of the noise over that bound. 0 means no noise. */
  readonly noiseMultiplier: number;
}

/** `event` on a Poisson sample: every record is in it with this probability, independently of all others. */
export interface PoissonSampledEvent {
  readonly type: 'poissonSampled';
  readonly samplingRate: number;
  readonly event: DpEvent;
}

/** `event`, `count` times, each with fresh noise and a fresh sample. */
export interface SelfComposedEvent {
  readonly type: 'selfComposed';
  readonly event: DpEvent;
  readonly count: number;
}

/** One after another on the same records, each free to depend on what came before. */
export interface ComposedEvent {
  readonly type: 'composed';
  readonly events: readonly DpEvent[];
}

/** Something that gives no guarantee at all: epsilon is infinite. */
export interface NonPrivateEvent {
  readonly type: 'nonPrivate';
  /** For people. */
  readonly reason: string;
}

/** Nothing was released. */
export interface NoOpEvent {
  readonly type: 'noOp';
}

/** Told apart by `type`. */
export type DpEvent =
  | GaussianEvent
  | PoissonSampledEvent
  | SelfComposedEvent
  | ComposedEvent
  | NonPrivateEvent
  | NoOpEvent;

/** `steps` steps of DP-SGD: the Poisson-subsampled Gaussian mechanism (Abadi et al. 2016), composed with itself. */
export function dpSgdEvent(phase: {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly steps: number;
}): DpEvent {
  const { samplingRate, noiseMultiplier, steps } = phase;
  const event: DpEvent = { type: 'poissonSampled', samplingRate, event: { type: 'gaussian', noiseMultiplier } };
  return { type: 'selfComposed', event, count: steps };
}
