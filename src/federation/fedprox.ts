// FedProx (Li et al. 2020, arXiv 1812.06127): FedAvg whose silos stay near the average that they started from.

import type { Task } from '../exchange/task.ts';
import { type FedAvgOptions, fedAvgStrategy } from './fedavg.ts';
import type { Strategy } from './strategy.ts';

export interface FedProxOptions extends FedAvgOptions {
  /** Weight of the proximal term mu/2 ||w - w_t||^2 in every silo's loss, from 0 up; 0 is FedAvg, bit by bit. */
  readonly mu: number;
}

/** Every silo does all of its epochs: of the paper's algorithm 2 this is the part about data, not the one about stragglers. */
export function fedProxStrategy({ mu, ...options }: FedProxOptions): Strategy {
  const averaging = fedAvgStrategy(options);
  return {
    ...averaging,
    name: 'fedprox',
    instruct: async (round) => {
      const task: Task = await averaging.instruct(round);
      return task.kind === 'train-given' ? { ...task, proximalWeight: mu } : task;
    },
  };
}
