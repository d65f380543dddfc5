// A silo's dealings with its own ledger: what a round costs is set aside before training, and sealed before anything leaves.

import { resolve } from 'node:path';
import { imageSetHash } from '../data/image-set.ts';
import { PrivacyError } from '../errors.ts';
import {
  dpSgdStatement,
  gaussianStatement,
  lipschitzStatement,
  neighboursOf,
  NO_PRIVACY,
} from '../exchange/privacy-statement.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import type { Task } from '../exchange/task.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import type { DpEvent } from '../privacy/dp-event.ts';
import { dpEventSchema } from '../privacy/dp-event-schema.ts';
import { nominalEvent, plannedEvent, whyNoGuarantee } from '../privacy/dp-plan.ts';
import { afterFirstRound, type DpTrainingPlan } from '../privacy/dp-training-plan.ts';
import { type GaussianReleasePlan, nominalReleaseEvent, releaseEvent } from '../privacy/gaussian-release.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { type Ledger, openLedger, readLedger } from '../privacy/ledger.ts';
import { type LipschitzControl, lipschitzControlOf, type LipschitzOptions } from '../privacy/lipschitz-options.ts';
import { type Charge, isOfRun, openChargeFor, type RunOfLedger, spentOf } from '../privacy/ledger-charges.ts';
import type { Budget, Neighbours } from '../privacy/ledger-entry.ts';
import { hasLedger, ledgersBeside } from '../privacy/ledger-file.ts';
import type { StoredState } from '../training/state-file.ts';
import { type SiloConfig, stateFileOf } from './silo-config.ts';

/** The account of one round. */
export interface RoundAccount {
  /**
   * To be awaited before training looks at a record, when nothing else can refuse the round any more: then it is paid for.
   * `stored` is the silo's state on disk, `from` what the round goes on with, where that is another. Returns what is spent, or
   * null where nobody counts. Throws PrivacyError over budget, and where the ledger does not know of a round that the state
   * was trained in.
   */
  reserve(stored: Stored | null, from?: Stored | null): Promise<Spent | null>;
  /** To be awaited where training came to a wrong end: another try is paid for anew. */
  fail(): Promise<void>;
  /** To be awaited before what has this SHA-256 (hex) leaves. Returns what may then be claimed of all that left so far. */
  seal(sha256: string): Promise<PrivacyStatement>;
}

/** What a silo is going to do with its records, where it is private. */
export type PrivatePlan = DpTrainingPlan | GaussianReleasePlan;

/** What a silo has spent, the round that was just reserved included, beside its own budget. */
export interface Spent {
  /** May be Infinity. */
  readonly epsilon: number;
  /** May be Infinity. */
  readonly budgetEpsilon: number;
  readonly delta: number;
}

/**
 * Opens the account of a round. Without a mechanism nothing is written down, unless the silo has a ledger, or a budget for
 * one: then that holds for such training too, and refuses it. Throws PrivacyError where the ledger is kept for other records,
 * or where another silo beside this one keeps one for the same records.
 */
export async function openAccount(config: SiloConfig, task: Task, plan: PrivatePlan | null): Promise<RoundAccount> {
  await refuseSecondLedger(config);
  const { privacy } = config;
  if (plan !== null && privacy.mechanism === 'dp-sgd' && 'samplingRate' in plan) {
    return accountWith(config, task, dpSgdTerms(config, privacy, task, plan));
  }
  if (plan !== null && privacy.mechanism === 'gaussian' && 'stages' in plan) {
    return accountWith(config, task, gaussianTerms(config, privacy, task, plan));
  }
  const told = privacy.mechanism === 'lipschitz' ? lipschitzStatement(controlOf(privacy)) : NO_PRIVACY;
  const terms = await termsIn(config.ledgerDir);
  if (terms === null) return { ...UNACCOUNTED, seal: async () => told };
  const event: DpEvent = { type: 'nonPrivate', reason: told.text };
  return accountWith(config, task, {
    ...terms,
    events: { beginning: event, later: event },
    requireHistory: () => {},
    statement: () => told,
  });
}

// --- internal ---

type Stored = Pick<StoredState, 'round' | 'finished'>;

type Private<M> = Extract<SiloConfig['privacy'], { readonly mechanism: M }>;

const UNACCOUNTED: Omit<RoundAccount, 'seal'> = {
  reserve: async () => null,
  fail: async () => {},
};

function dpSgdTerms(config: SiloConfig, privacy: Private<'dp-sgd'>, task: Task, plan: DpTrainingPlan): AccountTerms {
  const stepsPerRound = plan.stepsPerEpoch * config.local.epochs;
  const isSound = whyNoGuarantee(privacy) === null;
  const { delta } = privacy;
  const later = afterFirstRound(plan);
  const isOwn = task.kind === 'train-own'; // given weights had no beginning here
  return {
    events: {
      beginning: plannedEvent(privacy, isOwn ? plan : later, stepsPerRound),
      later: plannedEvent(privacy, later, stepsPerRound),
    },
    budget: { epsilon: isSound ? privacy.epsilon : Number.POSITIVE_INFINITY, delta },
    neighbours: neighboursOf(privacy),
    requireHistory: (ledger, round) => requireHistory(config, task, { ledger, round }),
    statement: ({ entries }) => {
      const steps = roundsBehind(entries, config, task) * stepsPerRound;
      const behind = isOwn ? plan : later;
      const nominalEpsilon = epsilonOf(nominalEvent(behind, steps), delta).epsilon;
      const spent = spentOf(entries, delta);
      const lipschitz = lipschitzControlOf(privacy);
      return dpSgdStatement({ options: privacy, plan: behind, steps, spent, nominalEpsilon, lipschitz });
    },
  };
}

/** The records are looked at in the round that begins; later ones give the same away again, which costs nothing. */
function gaussianTerms(
  config: SiloConfig,
  privacy: Private<'gaussian'>,
  task: Task,
  plan: GaussianReleasePlan,
): AccountTerms {
  const { delta } = privacy;
  const event = releaseEvent(plan);
  return {
    events: { beginning: event, later: { type: 'noOp' } },
    budget: { epsilon: event.type === 'nonPrivate' ? Number.POSITIVE_INFINITY : privacy.epsilon, delta },
    neighbours: 'add-or-remove-one',
    requireHistory: (ledger, round) => requireHistory(config, task, { ledger, round }),
    statement: ({ entries }) => {
      const nominalEpsilon = epsilonOf(nominalReleaseEvent(plan), delta).epsilon;
      return gaussianStatement({ options: privacy, plan, spent: spentOf(entries, delta), nominalEpsilon });
    },
  };
}

/** A mechanism of its own always has a form. */
function controlOf(privacy: LipschitzOptions): LipschitzControl {
  return lipschitzControlOf(privacy) as LipschitzControl;
}

interface AccountTerms {
  /** What a round does with the records: one that begins a model, and one that goes on with it. */
  readonly events: { readonly beginning: DpEvent; readonly later: DpEvent };
  /** Of a ledger that is begun now. */
  readonly budget: Budget;
  readonly neighbours: Neighbours;
  /** Throws PrivacyError where the ledger does not know how the state came to be in `round`. */
  readonly requireHistory: (ledger: Ledger, round: number) => void;
  readonly statement: (ledger: Ledger) => PrivacyStatement;
}

async function accountWith(config: SiloConfig, task: Task, terms: AccountTerms): Promise<RoundAccount> {
  const { events, budget, neighbours, requireHistory: requireKnown, statement } = terms;
  const handle = await openLedger({
    folder: config.ledgerDir,
    silo: config.name,
    dataFingerprint: imageSetHash(config.images),
    neighbours,
    budget,
    now: () => new Date(),
  });
  const requestFor = (event: DpEvent) => ({ ...runOf(config, task), purpose: task.kind, round: task.round, event });
  let request = requestFor(events.later);
  let charged: string | null = null;
  return {
    async reserve(stored, from = stored) {
      if (stored) requireKnown(handle.ledger, stored.round);
      if (from === null) request = requestFor(events.beginning);
      else if (from.round === task.round) {
        // Begun already: as what it was charged for is in the ledger alone. Where that failed, what it began with is there.
        const isOpenFor = (event: DpEvent) =>
          openChargeFor(handle.ledger, requestFor(dpEventSchema.parse(event))) !== null;
        const open = [events.beginning, events.later].find(isOpenFor);
        if (open) request = requestFor(open);
      }
      // A round that is complete on disk looks at no record again; `seal` finds what paid for it.
      if (!(stored?.round === task.round && stored.finished)) charged = (await handle.charge(request)).id;
      const { budget: own } = handle.ledger;
      return { epsilon: handle.spent().epsilon, budgetEpsilon: own.epsilon, delta: own.delta };
    },
    async fail() {
      if (charged !== null) await handle.fail(charged);
    },
    async seal(sha256) {
      const paid = handle.ledger.entries.find(
        (charge) => isOf(config, task, charge) && charge.sealed?.sha256 === sha256,
      );
      return statement(await handle.seal(paid?.id ?? (await handle.charge(request)).id, sha256));
    },
  };
}

/** What holds for training without a mechanism, or null where nobody set anything. */
async function termsIn(folder: string): Promise<Pick<AccountTerms, 'budget' | 'neighbours'> | null> {
  if (hasLedger(folder)) {
    const { budget, header } = await readLedger(folder);
    return { budget, neighbours: header.neighbours };
  }
  const budget = await firstBudget(folder);
  return budget && { budget, neighbours: 'zero-out-one' };
}

/** Whether a charge paid for the round of a task. */
function isOf(config: SiloConfig, task: Task, charge: Charge): boolean {
  return isOfRun(charge, runOf(config, task)) && charge.purpose === task.kind && charge.round === task.round;
}

function runOf({ plan }: SiloConfig, { run }: Task): RunOfLedger {
  return plan === undefined ? { run } : { run, plan };
}

/**
 * Rounds that the release of `task` comes from, each once: a ledger may hold other runs of the same name, and a round that
 * was played anew.
 */
function roundsBehind(entries: readonly Charge[], config: SiloConfig, task: Task): number {
  const own = entries.filter(
    (charge) => charge.round <= task.round && isOf(config, { ...task, round: charge.round }, charge),
  );
  return new Set(own.map((charge) => charge.round)).size;
}

/** A state that was trained in rounds which its ledger does not know of shows that the ledger was lost, or put back too old. */
function requireHistory(
  config: SiloConfig,
  task: Task,
  { ledger, round }: { readonly ledger: Ledger; readonly round: number },
): void {
  // Given weights carry nothing of this silo's rounds before. Where some may be missing, the newest stands for all: a ledger
  // that knew of it then knew of those before, or it would have been missed in that round.
  const first = task.kind === 'train-own' && config.gaps !== 'allowed' ? (config.firstRound ?? 1) : round;
  for (let r = first; r <= round; r++) {
    if (ledger.entries.some((charge) => isOf(config, { ...task, round: r }, charge))) continue;
    throw new PrivacyError(
      `The privacy ledger in ${ledger.folder} knows nothing of round ${r} of ${task.run} (${task.kind}), but ` +
        `${stateFileOf(config)} was trained in it: the ledger was lost, moved, or put back as it was before. Nothing was spent ` +
        'and nothing left this silo. Put back a copy that knows of every round so far, or name the folder where it lies. ' +
        'Without one nobody can say what was spent: take the whole budget of these records as spent.',
      { folder: ledger.folder, run: task.run, round: r, stateRound: round },
    );
  }
}

/** The same records under another name would have a second budget. */
async function refuseSecondLedger({ name, ledgerDir, images }: SiloConfig): Promise<void> {
  if (hasLedger(ledgerDir)) return;
  const [other] = await ledgersBeside(resolve(ledgerDir), imageSetHash(images));
  if (other === undefined) return;
  throw new PrivacyError(
    `The records of ${name} have a privacy ledger already, under another name: ${other}. A second one in ` +
      `${resolve(ledgerDir)} would have a budget of its own for the same records. Call the silo as that ledger does.`,
    { silo: name, folder: other },
  );
}
