// The events of a whole run: those of its rounds, and what frames them.

import type { RoundEvent } from '../federation/events.ts';
import type { Metrics } from './summary.ts';
import type { WorkPlan } from './work-plan.ts';

export type RunEvent =
  | RoundEvent
  | {
      readonly kind: 'run-started';
      readonly name: string;
      readonly seed: number;
      readonly folder: string;
      readonly specHash: string;
      /** Whether an earlier process had begun it. */
      readonly resumed: boolean;
      readonly executor: string;
      readonly device: string;
      readonly rounds: number;
      readonly strategies: readonly string[];
      /** `train`, `examples`: null where the images are at the silos. */
      readonly dataSet: { readonly name: string; readonly train: number | null; readonly test: number };
      readonly silos: readonly {
        readonly name: string;
        readonly examples: number | null;
        readonly classes: readonly number[];
      }[];
    }
  | ({ readonly kind: 'run-planned' } & WorkPlan)
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'download'; readonly file: string; readonly doneBytes: number; readonly totalBytes: number | null }
  | { readonly kind: 'strategy-started'; readonly strategy: string; readonly roundsDone: number }
  | {
      readonly kind: 'round-finished';
      readonly strategy: string;
      readonly round: number;
      readonly metrics: Metrics;
      readonly seconds: number;
    }
  | { readonly kind: 'controls-started' }
  | {
      readonly kind: 'controls-finished';
      readonly controls: readonly { readonly name: string; readonly metrics: Metrics }[];
    }
  | { readonly kind: 'outliers-started'; readonly silo: string }
  | { readonly kind: 'run-finished'; readonly folder: string; readonly seconds: number };

/** Whether an event belongs into the record; progress is for whoever watches. */
export function isKept(event: RunEvent): boolean {
  return !['silo-progress', 'server-progress', 'download'].includes(event.kind);
}
