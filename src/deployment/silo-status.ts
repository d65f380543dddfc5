// Where a silo stands, from its own files: what any process on its machine may look at while it is at work.

import { parseSpec } from '../experiments/parse-spec.ts';
import { siloIn } from '../experiments/silo-configs.ts';
import { type PrivacySpec, privacyOfSilo } from '../experiments/spec.ts';
import { type Departure, readDepartures } from '../net/departures.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { readLedger } from '../privacy/ledger.ts';
import { spentOf } from '../privacy/ledger-charges.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { readJson } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { MAX_PLAN_BYTES } from './federation-spec.ts';
import { requireSiloSettings, type SiloLayout } from './silo-home.ts';
import { roundDone } from './silo-rounds.ts';
import { isAtWork } from './work-lock.ts';

export interface SiloStatus {
  readonly silo: string;
  readonly federation: string;
  readonly isAtWork: boolean;
  readonly wish: 'work' | 'paused' | 'left';
  /** Whether the server was told that this silo has left. */
  readonly farewell: boolean;
  /** The last round that it has completed; null for none. */
  readonly round: number | null;
  /** Of the plan; null before one was agreed to. */
  readonly rounds: number | null;
  /** What its ledger says, in words. */
  readonly privacy: string;
  readonly departures: readonly Departure[];
}

/** Throws StateError where the folder is none of a silo, or damaged. */
export async function siloStatus(layout: SiloLayout): Promise<SiloStatus> {
  const { silo, federation, ledger, wish, farewell, agreed } = await requireSiloSettings(layout);
  const plan = agreed === null ? null : parseSpec(await readJson(layout.plan(agreed), { maxBytes: MAX_PLAN_BYTES }));
  return {
    silo,
    federation,
    isAtWork: await isAtWork(layout.root),
    wish,
    farewell,
    round: agreed === null ? null : await roundDone(layout, agreed),
    rounds: plan?.rounds ?? null,
    privacy: await privacyIn(ledger, plan && privacyOfSilo(plan, siloIn(plan, silo))),
    departures: isThere(layout.departures) ? (await readDepartures(layout.departures)).departures : [],
  };
}

// --- internal ---

async function privacyIn(folder: string, privacy: PrivacySpec | null): Promise<string> {
  if (!hasLedger(folder)) {
    return privacy !== null && !('epsilon' in privacy)
      ? `the plan's mechanism is ${privacy.mechanism}: no epsilon is promised, and none is counted`
      : `no ledger yet, nothing is counted (${folder})`;
  }

  const { entries, budget } = await readLedger(folder);
  const spent = spentOf(entries, budget.delta).epsilon;
  return `epsilon ${epsilonWords(spent)} of ${epsilonWords(budget.epsilon)} at delta ${budget.delta} spent (${folder})`;
}
