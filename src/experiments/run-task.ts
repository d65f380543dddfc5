// What a run is about. The rounds are the same whatever it is; what the server learns and how that is judged differ.

import type { Engine } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import type { Strategy } from '../federation/strategy.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { DecoderSlopes } from './decoder-slopes.ts';
import type { Journal, RoundRecord } from './journal.ts';
import type { DataAccess, Materials } from './materials.ts';
import type { RunEvent } from './run-events.ts';
import type { RunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';

/** A run under way, as its task sees it. */
export interface TaskParts {
  readonly folder: RunFolder;
  readonly journalFile: string;
  readonly materials: Materials;
  readonly engine: Engine;
  /** Root of the run. */
  readonly root: Key;
  readonly data: DataAccess;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}

/** Scores of a round: of the global model, or the means over the silos' own ones, with each of those. */
export type Scores = Pick<RoundRecord, 'metrics' | 'perSilo'>;

/** `represent` (represent.ts) or `classify` (classify.ts). */
export interface RunTask {
  /** ALIGN-FL with the server's learner of this task. */
  align(): Promise<Strategy>;
  /** First weights of the model that is averaged, from the key of FedAvg. */
  initial(key: Key): NamedArrays;
  /** Judges a global model after a round. */
  judge(strategy: StrategyName, round: number, global: NamedArrays): Promise<Scores>;
  /** Judges the silos' own models as if each were the global one, trained in the folders of `strategy`. */
  judgeOwn(strategy: StrategyName, round: number): Promise<Scores>;
  /** How steep each decoder is that left a silo, by silo. */
  slopesOf(round: number, uploads: readonly ReceivedUpload[]): Promise<DecoderSlopes>;
  /** Before the first round: what nobody trained, judged alike. */
  controls(journal: Journal): Promise<Journal>;
  /** After the last round of a strategy with a global model: files, pictures, signs of failure. */
  finish(strategy: StrategyName, journal: Journal): Promise<Journal>;
  /** When all models are there, and the silos' own ones can be looked at. */
  conclude(): Promise<void>;
  close(): Promise<void>;
}
