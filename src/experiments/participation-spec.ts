// When a silo takes part, in a spec. What follows from it is in participation.ts.

import { z } from 'zod';
import { count, MAX_ROUNDS } from './spec-numbers.ts';

/** Rounds of one silo. Left out: all of them, in time. */
export const participationSchema = z
  .strictObject({
    from: count(MAX_ROUNDS).default(1).describe('First round that it trains in.'),
    to: count(MAX_ROUNDS)
      .nullable()
      .default(null)
      .describe('Last round that it trains in; null for the last of the run. Its last decoder stays in the pool.'),
    lateBy: z
      .int()
      .min(0)
      .max(MAX_ROUNDS)
      .default(0)
      .describe(
        'Rounds by which its releases are late: that of round r reaches the server in round r + lateBy. What would come after ' +
          'the last round is not asked for; averaging strategies go on without a late silo.',
      ),
  })
  .nullable()
  .describe(
    'When it takes part; all rounds where it is left out, never where it is null: it then has images and does nothing.',
  );
