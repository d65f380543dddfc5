// What a ledger says: its budget, what was charged, what that costs together, and whether one more charge is allowed.
// Pure: nothing here touches a disk.

import { PrivacyError } from '../errors.ts';
import { type EpsilonBounds, epsilonOf } from './accountant.ts';
import type { DpEvent } from './dp-event.ts';
import { epsilonWords, eventWords } from './event-words.ts';
import type { Budget, HeaderEntry, LedgerEntry, ReserveEntry, SealedEntry } from './ledger-entry.ts';

/** Privacy set aside, and what left for it. */
export interface Charge extends Omit<ReserveEntry, 'type'> {
  /** Null as long as nothing left. */
  readonly sealed: Pick<SealedEntry, 'sha256' | 'date'> | null;
  /** Whether its training came to a wrong end: then nothing leaves for it, and another try is charged anew. */
  readonly isFailed: boolean;
}

/** What a ledger says. */
export interface LedgerState {
  readonly header: HeaderEntry;
  /** The last one that the silo's owner set. */
  readonly budget: Budget;
  /** In the order in which they were made. */
  readonly entries: readonly Charge[];
}

/** Which run a charge is of: by its name, and across machines by its plan, too. */
export type RunOfLedger = Pick<ReserveEntry, 'run' | 'plan'>;

/** What a round is going to do, before it looks at any record. */
export interface ChargeRequest extends RunOfLedger {
  /** What it is spent on, such as the strategy. */
  readonly purpose: string;
  readonly round: number;
  readonly event: DpEvent;
}

/** Bounds of epsilon at a delta: `epsilonOf` of `accountant.ts`, or a stand-in for it. */
export type Account = (event: DpEvent, delta: number) => EpsilonBounds;

/** The state that `lines` lead to, or the number of the line, from 1, that contradicts those before it, and why. */
export function stateOf(
  lines: readonly LedgerEntry[],
): LedgerState | { readonly line: number; readonly problem: string } {
  const [header] = lines;
  if (header?.type !== 'header') return { line: 1, problem: 'the header is missing' };
  let budget: Budget | null = null;
  const charges = new Map<string, Charge>();
  for (const [i, entry] of lines.entries()) {
    if (entry.type === 'budget') budget = { epsilon: entry.epsilon, delta: entry.delta };
    if (entry.type === 'reserve') {
      if (charges.has(entry.id)) return { line: i + 1, problem: `there is a charge ${entry.id} already` };
      const { type: _, ...charge } = entry;
      charges.set(entry.id, { ...charge, sealed: null, isFailed: false });
    }
    if (entry.type === 'sealed' || entry.type === 'failed') {
      const charge = charges.get(entry.id);
      if (!charge || !isOpen(charge)) return { line: i + 1, problem: `there is no open charge ${entry.id}` };
      const end = entry.type === 'failed' ? { isFailed: true } : { sealed: { sha256: entry.sha256, date: entry.date } };
      charges.set(entry.id, { ...charge, ...end });
    }
  }
  if (budget === null) return { line: lines.length, problem: 'no line sets a budget' };
  return { header, budget, entries: [...charges.values()] };
}

/** Bounds of the epsilon that all charges cost together, sealed or not, at `delta`. */
export function spentOf(
  entries: readonly Pick<Charge, 'event'>[],
  delta: number,
  account: Account = epsilonOf,
): EpsilonBounds {
  return account({ type: 'composed', events: entries.map(({ event }) => event) }, delta);
}

/** Whether something may still leave for a charge. */
export function isOpen({ sealed, isFailed }: Charge): boolean {
  return sealed === null && !isFailed;
}

/** Whether a charge is of this very run: of two of one name on one ledger each has its own rounds. */
export function isOfRun(charge: RunOfLedger, { run, plan }: RunOfLedger): boolean {
  return charge.run === run && charge.plan === plan;
}

/**
 * The open charge that `request` repeats: of the same round of the same run for the same event. As nothing left for it and
 * its training did not fail, the round was interrupted: it pays for the round once.
 */
export function openChargeFor({ entries }: LedgerState, request: ChargeRequest): Charge | null {
  const event = JSON.stringify(request.event);
  const same = (charge: Charge) =>
    isOpen(charge) &&
    isOfRun(charge, request) &&
    charge.purpose === request.purpose &&
    charge.round === request.round &&
    JSON.stringify(charge.event) === event;
  return entries.find(same) ?? null;
}

/** What all charges would cost with `request`. Throws PrivacyError where that is more than the budget. */
export function priceOf(state: LedgerState, request: ChargeRequest, account: Account = epsilonOf): EpsilonBounds {
  const { budget, entries } = state;
  const bounds = spentOf([...entries, request], budget.delta, account);
  if (bounds.epsilon <= budget.epsilon) return bounds; // not a number is no permission
  throw overBudget(state, request, bounds, account);
}

// --- internal ---

function overBudget(state: LedgerState, request: ChargeRequest, asked: EpsilonBounds, account: Account): PrivacyError {
  const { budget, entries, header } = state;
  const spent = spentOf(entries, budget.delta, account);
  const steps = stepsThatFit(state, request.event, account);
  const charges = entries.length === 1 ? '1 charge' : `${entries.length} charges`;
  const fits = steps === null ? '' : steps === 0 ? 'Not one such step fits. ' : `Only ${steps} such steps would fit. `;
  return new PrivacyError(
    `Round ${request.round} of ${request.run} (${request.purpose}: ${eventWords(request.event)}) would exceed the privacy ` +
      `budget of ${header.silo}: epsilon ${epsilonWords(budget.epsilon)} at delta ${budget.delta} is allowed, ` +
      `${epsilonWords(spent.epsilon)} is spent by ${charges}, and with this round it would be ` +
      `${epsilonWords(asked.epsilon)}. ${fits}Nothing was spent and nothing left the silo. Ask for fewer rounds, fewer ` +
      'steps or more noise; only the owner of the records can raise the budget (align-fl ledger --help).',
    {
      silo: header.silo,
      run: request.run,
      round: request.round,
      budgetEpsilon: factOf(budget.epsilon),
      delta: budget.delta,
      spentEpsilon: factOf(spent.epsilon),
      askedEpsilon: factOf(asked.epsilon),
      stepsThatFit: steps,
    },
  );
}

/** How many steps of a self-composed event the rest of the budget pays for; null for other events. */
function stepsThatFit({ budget, entries }: LedgerState, event: DpEvent, account: Account): number | null {
  if (event.type !== 'selfComposed') return null;
  const fits = (count: number) =>
    spentOf([...entries, { event: { ...event, count } }], budget.delta, account).epsilon <= budget.epsilon;
  let fit = 0; // as nothing was spent if not even what was spent fits
  let tooMany = event.count;
  while (tooMany - fit > 1) {
    const middle = Math.floor((fit + tooMany) / 2);
    if (fits(middle)) fit = middle;
    else tooMany = middle;
  }
  return fit;
}

/** Facts are printed as JSON, which knows no infinity. */
function factOf(epsilon: number): number | string {
  return Number.isFinite(epsilon) ? epsilon : String(epsilon);
}
