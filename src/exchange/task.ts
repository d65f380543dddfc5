// What goes to a silo: which run and round to work for, and from which weights to start.

/** ALIGN-FL: go on from your own last state and answer with a decoder. Carries nothing that could overwrite a silo. */
export interface TrainOwnTask {
  readonly kind: 'train-own';
  /** Name of the run. */
  readonly run: string;
  /** Counted from 1. */
  readonly round: number;
}

/** Parameter-averaging baselines: start from these weights and answer with all weights. */
export interface TrainGivenTask {
  readonly kind: 'train-given';
  /** Name of the run. */
  readonly run: string;
  /** Counted from 1. */
  readonly round: number;
  /** Every parameter of the model by name, row by row. */
  readonly weights: Readonly<Record<string, Float32Array>>;
  /** FedProx: weight of the pull back to `weights` while training, from 0 up. Default 0. */
  readonly proximalWeight?: number;
}

/** Told apart by `kind`. */
export type Task = TrainOwnTask | TrainGivenTask;
