// A silo's dealings with its own ledger: what a round costs is set aside before training, and sealed before anything leaves.

import { join } from 'node:path';
import { imageSetHash } from '../data/image-set.ts';
import { dpSgdStatement, neighboursOf, NO_PRIVACY, type PrivacyStatement } from '../exchange/privacy-statement.ts';
import type { Task } from '../exchange/task.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import type { DpEvent } from '../privacy/dp-event.ts';
import { type DpSgdPlan, nominalEvent, plannedEvent, whyNoGuarantee } from '../privacy/dp-plan.ts';
import { openLedger, readLedger } from '../privacy/ledger.ts';
import { spentOf } from '../privacy/ledger-charges.ts';
import type { Budget, Neighbours } from '../privacy/ledger-entry.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { loadState } from '../training/state-file.ts';
import type { SiloConfig } from './silo-config.ts';

/** The account of one round. */
export interface RoundAccount {
  /**
   * To be awaited before training looks at a record: then the round is paid for. Returns what is spent, or null where
   * nobody counts. Throws PrivacyError over budget.
   */
  reserve(): Promise<Spent | null>;
  /** What may be claimed of everything up to this round. */
  statement(): PrivacyStatement;
  /** To be awaited before the upload with this SHA-256 (hex) leaves. */
  seal(sha256: string): Promise<void>;
}

/** What a silo has spent, the round that was just reserved included, beside its own budget. */
export interface Spent {
  /** May be Infinity. */
  readonly epsilon: number;
  /** May be Infinity. */
  readonly budgetEpsilon: number;
  readonly delta: number;
}

/** Where a silo's training state is. */
export function stateFileOf(config: Pick<SiloConfig, 'stateDir'>): string {
  return join(config.stateDir, 'state.safetensors');
}

/**
 * Opens the account of a round. Without a mechanism nothing is written down, unless the silo has a ledger: then its budget
 * holds for such training too, and refuses it.
 */
export async function openAccount(config: SiloConfig, task: Task, plan: DpSgdPlan | null): Promise<RoundAccount> {
  const { privacy } = config;
  if (privacy.mechanism === 'none' || plan === null) {
    if (!hasLedger(config.ledgerDir)) return UNACCOUNTED;
    const event: DpEvent = { type: 'nonPrivate', reason: NO_PRIVACY.text };
    const { budget, header } = await readLedger(config.ledgerDir);
    const kept = await accountWith(config, task, { event, budget, neighbours: header.neighbours });
    return { ...kept, statement: () => NO_PRIVACY };
  }
  const stepsPerRound = plan.stepsPerEpoch * config.local.epochs;
  const isSound = whyNoGuarantee(privacy) === null;
  const { delta } = privacy;
  const kept = await accountWith(config, task, {
    event: plannedEvent(privacy, plan, stepsPerRound),
    budget: { epsilon: isSound ? privacy.epsilon : Number.POSITIVE_INFINITY, delta },
    neighbours: neighboursOf(privacy),
  });
  return {
    ...kept,
    statement: () => {
      const entries = kept.charges();
      const steps = entries.filter(({ run }) => run === task.run).length * stepsPerRound;
      const nominalEpsilon = epsilonOf(nominalEvent(plan, steps), delta).epsilon;
      return dpSgdStatement({ options: privacy, plan, steps, spent: spentOf(entries, delta), nominalEpsilon });
    },
  };
}

// --- internal ---

const UNACCOUNTED: RoundAccount = {
  reserve: async () => null,
  statement: () => NO_PRIVACY,
  seal: async () => {},
};

interface AccountTerms {
  readonly event: DpEvent;
  /** Of a ledger that is begun now. */
  readonly budget: Budget;
  readonly neighbours: Neighbours;
}

async function accountWith(config: SiloConfig, task: Task, { event, budget, neighbours }: AccountTerms) {
  const handle = await openLedger({
    folder: config.ledgerDir,
    silo: config.name,
    dataFingerprint: imageSetHash(config.images),
    neighbours,
    budget,
    now: () => new Date(),
  });
  const request = { run: task.run, purpose: task.kind, round: task.round, event };
  const spent = (): Spent => {
    const { budget: own } = handle.ledger;
    return { epsilon: handle.spent().epsilon, budgetEpsilon: own.epsilon, delta: own.delta };
  };
  return {
    charges: () => handle.ledger.entries,
    async reserve() {
      const stored = await loadState(stateFileOf(config));
      // A round that is complete on disk looks at no record again; `seal` finds what paid for it.
      if (!(stored?.round === task.round && stored.finished)) await handle.charge(request);
      return spent();
    },
    async seal(sha256: string) {
      const paid = handle.ledger.entries.find(
        ({ run, purpose, round, sealed }) =>
          run === task.run && purpose === task.kind && round === task.round && sealed?.sha256 === sha256,
      );
      if (!paid) await handle.seal((await handle.charge(request)).id, sha256);
    },
  };
}
