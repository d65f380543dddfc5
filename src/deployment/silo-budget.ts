// What a plan may cost a silo: asked before its owner is, and before anything is spent.

import { SpecError } from '../errors.ts';
import type { Spec } from '../experiments/spec.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import { isOfRun } from '../privacy/ledger-charges.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { type SiloConfig, stateFileOf } from '../silo/silo-config.ts';
import { requireWholePlan } from '../silo/whole-plan.ts';
import { isThere } from '../storage/presence.ts';

/** What a silo does in a plan: trains or computes as `config` says, or looks at no record (null). */
interface Work {
  readonly spec: Pick<Spec, 'name'>;
  /** SHA-256. */
  readonly plan: string;
  readonly config: SiloConfig | null;
}

/**
 * All rounds that the ledger has not paid for yet have to fit the budget together before a model begins; later ones are refused one
 * by one. Throws PrivacyError.
 */
export async function requireAffordable({ spec, config }: Work): Promise<void> {
  if (config === null || isThere(stateFileOf(config))) return;
  await requireWholePlan(config, spec.name);
}

/** Whether a round of the plan was paid for, though its training may have failed and left no state. */
export async function isCharged({ spec, plan, config }: Work): Promise<boolean> {
  if (config === null || !hasLedger(config.ledgerDir)) return false;
  return (await readLedger(config.ledgerDir)).entries.some((charge) => isOfRun(charge, { run: spec.name, plan }));
}

/**
 * The budget that a ledger is to begin with: kept beside it at once, whatever becomes of the joining that named it. A ledger that has
 * begun is changed by nothing but `align-fl ledger`: throws SpecError where it has another budget.
 */
export async function nameBudget(ledger: string, named: Budget, now: () => Date): Promise<void> {
  const { epsilon, delta } = named;
  if (!hasLedger(ledger)) {
    await setBudget(ledger, named, now);
    return;
  }
  const { budget } = await readLedger(ledger);
  if (budget.epsilon === epsilon && budget.delta === delta) return;
  throw new SpecError(
    `--budget-epsilon: the ledger in ${ledger} has begun, with epsilon ${epsilonWords(budget.epsilon)} at delta ${budget.delta}, and ` +
      'joining does not change it. Leave the option out, or first set the budget with: ' +
      `align-fl ledger ${ledger} --budget-epsilon ${epsilonWords(epsilon)} --budget-delta ${delta}`,
    { path: '--budget-epsilon', ledger },
  );
}

/** Of the ledger in a folder, or the one that waits there for it; null where its owner set none. */
export async function budgetIn(ledgerDir: string): Promise<Budget | null> {
  return hasLedger(ledgerDir) ? (await readLedger(ledgerDir)).budget : firstBudget(ledgerDir);
}
