// How the learning rate changes over training.

export type ScheduleOptions =
  | { readonly kind: 'constant' }
  /** Half a cosine from 1 down to `finalFactor`. */
  | { readonly kind: 'cosine'; readonly finalFactor: number }
  /** Linear from 0 over the first `warmupSteps`, then constant. */
  | { readonly kind: 'linear-warmup'; readonly warmupSteps: number };

/** Factor on the learning rate at a step, counted from 1, of `steps`. */
export function rateFactor(schedule: ScheduleOptions, step: number, steps: number): number {
  switch (schedule.kind) {
    case 'constant':
      return 1;
    case 'cosine': {
      const done = steps <= 1 ? 1 : (step - 1) / (steps - 1);
      return schedule.finalFactor + (1 - schedule.finalFactor) * 0.5 * (1 + Math.cos(Math.PI * done));
    }
    case 'linear-warmup':
      return Math.min(1, step / Math.max(1, schedule.warmupSteps));
  }
}
