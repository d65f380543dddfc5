// ALIGN-FL (arXiv 2512.13316): silos train on from their own state and give a decoder; the server dreams and learns.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { GlobalVae } from '../server/global-vae.ts';
import { drawPool, type Pool } from '../server/pool.ts';
import type { Strategy } from './strategy.ts';

export interface AlignOptions {
  readonly run: string;
  readonly engine: Engine;
  readonly globalVae: GlobalVae;
  readonly shape: ImageShape;
  readonly images: number;
  readonly imagesPer: 'silo' | 'total';
  readonly key: Key;
  /**
   * What the pool of a round is drawn from, given what arrived in it: the pool is additive, so a silo that is late, or has
   * left, is there with its newest decoder so far. The order decides the pool's. Default: what arrived, alone.
   */
  readonly poolOf?: (round: number, arrived: readonly ReceivedRelease[]) => Promise<readonly ReceivedRelease[]>;
  /** Sees each pool before the server learns from it: for pictures. */
  readonly onPool?: (pool: Pool) => Promise<void>;
}

export function alignStrategy(options: AlignOptions): Strategy {
  const { run, engine, globalVae, shape, images, imagesPer, key, poolOf, onPool } = options;
  return {
    name: 'align',
    instruct: async (round) => ({ kind: 'train-own', run, round }),
    absorb: (round, uploads, hooks) => {
      const arrived = uploads.filter((upload): upload is ReceivedRelease => upload.kind === 'decoder');
      const dream = async () => {
        const releases = (await poolOf?.(round, arrived)) ?? arrived;
        const poolKey = childKey(key, `round-${round}`, 'pool');
        const pool = await drawPool({
          engine,
          releases,
          images,
          imagesPer,
          shape,
          key: poolKey,
          signal: hooks?.signal,
        });
        await onPool?.(pool);
        return pool.images;
      };
      return globalVae.learn(round, dream, hooks);
    },
  };
}
