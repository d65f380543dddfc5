// ALIGN-FL (arXiv 2512.13316): silos train on from their own state and give a decoder; the server dreams and learns.

import type { ReceivedRelease } from '../exchange/release.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { RoundHooks } from '../training/round-training.ts';
import type { Strategy } from './strategy.ts';

export interface AlignOptions<Pool> {
  readonly run: string;
  /**
   * What the pool of a round is drawn from, given what arrived in it: the pool is additive, so a silo that is late, or has
   * left, is there with its newest decoder so far. The order decides the pool's. Default: what arrived, alone.
   */
  readonly poolOf?: (round: number, arrived: readonly ReceivedRelease[]) => Promise<readonly ReceivedRelease[]>;
  /** Draws a pool of synthetic images, with labels where the decoders know classes. */
  readonly draw: (round: number, releases: readonly ReceivedRelease[], hooks?: RoundHooks) => Promise<Pool>;
  /** Goes on learning from a round's pool, which is drawn only where the round is not complete yet. */
  readonly learn: (round: number, pool: () => Promise<Pool>, hooks?: RoundHooks) => Promise<NamedArrays>;
}

export function alignStrategy<Pool>({ run, poolOf, draw, learn }: AlignOptions<Pool>): Strategy {
  return {
    name: 'align',
    instruct: async (round) => ({ kind: 'train-own', run, round }),
    absorb(round, uploads, hooks) {
      const arrived = uploads.filter((upload): upload is ReceivedRelease => upload.kind === 'decoder');
      const dream = async () => draw(round, (await poolOf?.(round, arrived)) ?? arrived, hooks);
      return learn(round, dream, hooks);
    },
  };
}
