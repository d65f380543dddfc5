// FedAvg on the same autoencoder: every silo starts from the average, trains, and gives all its weights away.

import type { WeightsUpdate } from '../exchange/weights-update.ts';
import { averageWeights } from '../server/average.ts';
import { requireRoundBefore } from '../training/round-training.ts';
import { loadState, saveState } from '../training/state-file.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { Strategy } from './strategy.ts';

export interface FedAvgOptions {
  readonly run: string;
  /** What the first round starts from. */
  readonly initial: NamedArrays;
  /** File that holds the average. */
  readonly file: string;
}

export function fedAvgStrategy({ run, initial, file }: FedAvgOptions): Strategy {
  return {
    name: 'fedavg',
    instruct: async (round) => {
      const last = await loadState(file);
      // A round played again may find its own average; the silos then answer from their disks all the same.
      if (last?.round !== round) requireRoundBefore({ file, round }, last);
      return { kind: 'train-given', run, round, weights: last?.parameters ?? initial };
    },
    absorb: async (round, uploads) => {
      const updates = uploads.filter((upload): upload is WeightsUpdate => upload.kind === 'weights');
      const parameters = averageWeights(updates);
      await saveState(file, { parameters, memory: {}, epochsDone: 0, round, finished: true });
      return parameters;
    },
  };
}
