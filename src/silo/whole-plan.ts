// Whether a silo's budget pays for a whole run: asked of every silo before any of them spends something.

import { resolve } from 'node:path';
import { PrivacyError } from '../errors.ts';
import type { DpEvent } from '../privacy/dp-event.ts';
import { plannedEvent } from '../privacy/dp-plan.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import { readLedger } from '../privacy/ledger.ts';
import { type Charge, isOfRun, isOpen, spentOf } from '../privacy/ledger-charges.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { releaseEvent } from '../privacy/gaussian-release.ts';
import type { SiloConfig } from './silo-config.ts';
import { releasePlanOf, trainingPlanOf } from './training-plan.ts';

/**
 * Throws PrivacyError where all planned rounds of `run` together exceed the budget that the silo's owner set. To be asked
 * where the run has no model yet: later rounds are refused one by one. Across machines the run may have begun, and its model be
 * lost: rounds of its plan that the ledger has a charge for are paid for, and the next one begins anew. In a simulation a run of
 * an earlier folder may have had the same name.
 */
export async function requireWholePlan(config: SiloConfig, run: string): Promise<void> {
  const account = await accountOf(config.ledgerDir);
  if (account === null) return;
  const { budget } = account;
  const { rounds, others, isBegun } = ahead(config, run, account.entries);
  if (rounds <= 0) return;
  const { event, instead: otherwise } = wholeOf(config, rounds);
  const total = spentOf([...others, { event }], budget.delta).epsilon;
  if (total <= budget.epsilon) return;
  const spent = spentOf(others, budget.delta).epsilon;
  const isAllSpent = spent >= NEARLY_ALL * budget.epsilon;
  const instead = isAllSpent ? 'What is left pays for no training, however small its epsilon.' : otherwise;
  const folder = resolve(config.ledgerDir);
  throw new PrivacyError(
    `All ${isBegun ? 'rounds that are left' : 'planned rounds'} of ${run} together would exceed the privacy budget of ${config.name}: epsilon ` +
      `${epsilonWords(budget.epsilon)} at delta ${budget.delta} is allowed, ${epsilonWords(spent)} is spent, and with this run ` +
      `it would be ${epsilonWords(total)}. Nothing was spent and nothing left any silo. ${instead} Only the owner of the ` +
      `records can raise the budget: align-fl ledger ${folder} --budget-epsilon <e> --budget-delta ${budget.delta}.`,
    {
      silo: config.name,
      run,
      folder,
      budgetEpsilon: jsonEpsilon(budget.epsilon),
      delta: budget.delta,
      spentEpsilon: jsonEpsilon(spent),
      askedEpsilon: jsonEpsilon(total),
    },
  );
}

// --- internal ---

/** Share of a budget after which asking for less is no advice: noise for the rest would drown everything. */
const NEARLY_ALL = 0.99;

async function accountOf(folder: string) {
  if (hasLedger(folder)) return readLedger(folder);
  const budget = await firstBudget(folder);
  return budget && { budget, entries: [] as readonly Charge[] };
}

/** Rounds that are to be paid for, and what was spent besides. */
function ahead({ plan, plannedRounds }: SiloConfig, run: string, entries: readonly Charge[]) {
  if (plan === undefined) {
    const others = entries.filter((charge) => !(isOpen(charge) && isOfRun(charge, { run }))); // an open one is used again
    return { rounds: plannedRounds, others, isBegun: false };
  }
  const own = entries.filter((charge) => charge.purpose === 'train-own' && isOfRun(charge, { run, plan }));
  const paid = new Set(own.map(({ round }) => round)).size; // an open one, too: it pays for its round, should that come again
  return { rounds: plannedRounds - paid, others: entries, isBegun: paid > 0 };
}

/** What so many rounds do with the silo's records, the first of them from nothing, and what to do where that is too much. */
function wholeOf(config: SiloConfig, rounds: number): { readonly event: DpEvent; readonly instead: string } {
  const event = wholeEvent(config, rounds);
  const { mechanism } = config.privacy;
  if (event.type !== 'nonPrivate') {
    return { event, instead: 'Ask for a smaller privacy.epsilon; the noise is then calibrated to it.' };
  }
  const isPrivate = mechanism === 'dp-sgd' || mechanism === 'gaussian';
  const instead = isPrivate
    ? `${event.reason} These records are for training with a guarantee only.`
    : 'These records are for private training only: set privacy.mechanism=dp-sgd.';
  return { event, instead };
}

function wholeEvent(config: SiloConfig, rounds: number): DpEvent {
  const { privacy, model } = config;
  if (model.kind === 'linear-gaussian') {
    const plan = releasePlanOf(config, model);
    if (plan) return releaseEvent(plan);
  }
  const plan = trainingPlanOf(config);
  if (privacy.mechanism !== 'dp-sgd' || plan === null) {
    return { type: 'nonPrivate', reason: `${privacy.mechanism}: no guarantee` };
  }
  return plannedEvent(privacy, plan, (plan.steps / config.plannedRounds) * rounds);
}
