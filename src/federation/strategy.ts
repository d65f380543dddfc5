// What distinguishes one way of federating from another: what silos are asked for, and what becomes of their answers.

import type { Task } from '../exchange/task.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import type { RoundHooks } from '../training/round-training.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';

/** ALIGN-FL, averaging (FedAvg, FedProx), and the two ends of the scale: nothing shared, everything shared. */
export const STRATEGY_NAMES = ['align', 'fedavg', 'fedprox', 'local-only', 'centralised'] as const;

export type StrategyName = (typeof STRATEGY_NAMES)[number];

export interface Strategy {
  readonly name: StrategyName;
  /** The task of a round, the same for every silo. */
  instruct(round: number): Promise<Task>;
  /**
   * Turns the silos' uploads into the global model; its parameters are returned and already on disk. Null where there is
   * no global model.
   */
  absorb(round: number, uploads: readonly ReceivedUpload[], hooks?: RoundHooks): Promise<NamedArrays | null>;
}
