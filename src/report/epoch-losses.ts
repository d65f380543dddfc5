// The losses of a run from its events: one entry for each term of each epoch, of every silo and of the server.

import { z } from 'zod';
import { readEvents } from '../experiments/event-log.ts';

export interface EpochLoss {
  readonly strategy: string;
  /** Name of a silo; null for the server. */
  readonly silo: string | null;
  readonly round: number;
  /** Within its round, from 1. */
  readonly epoch: number;
  /** `loss`, `reconstruction`, `kl`, ... */
  readonly term: string;
  /** Mean over the epoch. */
  readonly value: number;
}

/**
 * All losses of an events file, in order. An epoch that was repeated after a stop counts as it was last. Throws StateError
 * where a line is damaged.
 */
export async function readLosses(path: string): Promise<readonly EpochLoss[]> {
  const last = new Map<string, EpochLoss>();
  for await (const line of readEvents(path)) {
    if (line['kind'] !== 'silo-epoch' && line['kind'] !== 'server-epoch') continue;
    const parsed = epochSchema.safeParse(line);
    if (!parsed.success) continue; // of another version: a report shows what it understands
    const { strategy, round, epoch, terms, silo = null } = parsed.data;
    for (const [term, value] of Object.entries(terms)) {
      if (value === null) continue; // JSON's way to write a number that is none
      last.set(JSON.stringify([strategy, silo, round, epoch, term]), { strategy, silo, round, epoch, term, value });
    }
  }
  return [...last.values()];
}

// --- internal ---

const epochSchema = z.object({
  strategy: z.string(),
  silo: z.string().exactOptional(),
  round: z.int().min(1),
  epoch: z.int().min(1),
  terms: z.record(z.string(), z.number().nullable()),
});
