// All weights of a model, as parameter averaging exchanges them. NOT a release: for comparison in simulations only.
//
// FedAvg and its kin need the whole model, encoder included, and the number of examples. Both say far more about a
// silo's data than a decoder does, so none of this passes the gate and nothing of it may cross a network.

import type { PrivacyStatement } from './privacy-statement-schema.ts';

/** One silo's answer in a round of a parameter-averaging baseline. */
export interface WeightsUpdate {
  readonly kind: 'weights';
  readonly silo: string;
  readonly round: number;
  /** Every parameter of the model by name, row by row. */
  readonly weights: Readonly<Record<string, Float32Array>>;
  /** Number of examples trained on: the silo's weight in the average. */
  readonly examples: number;
  readonly privacy: PrivacyStatement;
}
