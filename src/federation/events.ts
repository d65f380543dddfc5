// What happens in a round, as one stream of plain facts. What silos tell of their training comes from their diaries.

import type { Absence, Overdue } from './collect.ts';
import type { StrategyName } from './strategy.ts';

/** Mean of each loss term over an epoch. */
export type Terms = Readonly<Record<string, number>>;

interface Place {
  readonly strategy: StrategyName;
  /** Counted from 1. */
  readonly round: number;
}

interface Steps {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly loss: number;
}

/** What a silo's ledger says, the round under way included. Text where it is infinite, as JSON knows no infinity. */
interface Privacy {
  readonly epsilon: number | 'Infinity';
  readonly budgetEpsilon: number | 'Infinity';
  readonly delta: number;
}

/** Events of a round. Progress events may come with every step and are not kept. */
export type RoundEvent =
  | ({ readonly kind: 'silo-started' | 'silo-finished'; readonly silo: string } & Place)
  | ({ readonly kind: 'silo-missing' } & Absence & Place)
  | ({ readonly kind: 'silo-late'; readonly silo: string; readonly answers: number } & Place)
  | ({ readonly kind: 'round-overdue' } & Overdue & Place)
  | ({ readonly kind: 'silo-progress'; readonly silo: string } & Place & Steps)
  | ({ readonly kind: 'silo-spent'; readonly silo: string } & Place & Privacy)
  | ({ readonly kind: 'silo-epoch'; readonly silo: string; readonly epoch: number; readonly terms: Terms } & Place)
  | ({ readonly kind: 'server-started' | 'server-finished' } & Place)
  | ({ readonly kind: 'server-progress' } & Place & Steps)
  | ({ readonly kind: 'server-epoch'; readonly epoch: number; readonly terms: Terms } & Place);

/** Takes an event; must not throw and must be quick. */
export type Emit = (event: RoundEvent) => void;
