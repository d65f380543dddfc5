// Who watches a silo at work: its own diary, never a server.

import type { RoundHooks } from '../training/round-training.ts';
import type { Spent } from './silo-account.ts';

export interface SiloHooks extends RoundHooks {
  /** When a round is paid for, before its training. */
  readonly onSpent?: ((spent: Spent) => void) | undefined;
}
