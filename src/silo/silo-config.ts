// All that decides what a silo does, and where its state is.

import { join } from 'node:path';
import type { ImageSet } from '../data/image-set.ts';
import type { DpSgdOptions } from '../privacy/dp-plan.ts';
import type { GaussianReleaseOptions } from '../privacy/gaussian-release.ts';
import type { LipschitzFields, LipschitzOptions } from '../privacy/lipschitz-options.ts';
import type { RoundGaps } from '../training/round-training.ts';
import type { TrainingOptions } from '../training/trainer.ts';
import type { SiloModel } from './silo-model.ts';

/** Told apart by `mechanism`. */
export type SiloPrivacy =
  | { readonly mechanism: 'none' }
  | LipschitzOptions
  | ({ readonly mechanism: 'gaussian' } & GaussianReleaseOptions)
  | (DpSgdOptions & Partial<LipschitzFields>);

/** A silo as plain data: it can be sent to a thread. */
export interface SiloConfig {
  readonly name: string;
  readonly model: SiloModel;
  readonly local: TrainingOptions;
  readonly privacy: SiloPrivacy;
  /** The round in which it joins: the first that it trains in, without a state of its own. Default 1. */
  readonly firstRound?: number;
  /** `allowed` only where rounds close without this silo, across machines. Default refused. */
  readonly gaps?: RoundGaps;
  /** Rounds of all strategies together in which the silo is going to train: what the noise is calibrated to. */
  readonly plannedRounds: number;
  /** SHA-256 of the plan that the owner agreed to, across machines: charges are told apart by it. None in a simulation. */
  readonly plan?: string;
  /** Folder of the silo's privacy ledger, which outlives runs. */
  readonly ledgerDir: string;
  /** Folder of the silo's private state; nothing in it is ever sent. */
  readonly stateDir: string;
  /** Root of the experiment's randomness. */
  readonly seed: number;
  readonly images: ImageSet;
}

/** Where a silo's training state is. */
export function stateFileOf({ stateDir }: Pick<SiloConfig, 'stateDir'>): string {
  return join(stateDir, 'state.safetensors');
}
