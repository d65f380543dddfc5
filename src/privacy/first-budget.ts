// The budget that a silo's owner sets before there is a ledger: `budget.json` in the silo's folder. The first charge
// begins the ledger with it, and from then on the ledger alone counts.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import type { Budget } from './ledger-entry.ts';

/** The budget that waits in `folder`, or null where none does. Throws StateError where it is damaged: nothing may be spent. */
export async function firstBudget(folder: string): Promise<Budget | null> {
  const path = budgetPath(folder);
  if (!isThere(path)) return null;
  const parsed = budgetFileSchema.safeParse(await readJson(path, { maxBytes: MAX_BUDGET_BYTES }));
  if (!parsed.success) {
    const message = `${path} is damaged: it is no budget of the format ${FORMAT}. Set it again: align-fl ledger --help.`;
    throw new StateError(message, { path });
  }
  const { epsilon, delta } = parsed.data;
  return { epsilon: epsilon === INFINITY ? Number.POSITIVE_INFINITY : epsilon, delta };
}

/** Replaces the budget that waits. Only while holding the ledger's lock, and where there is no ledger. */
export async function saveFirstBudget(folder: string, { epsilon, delta }: Budget, date: string): Promise<void> {
  const shown = Number.isFinite(epsilon) ? epsilon : INFINITY;
  await writeJsonAtomic(budgetPath(folder), { format: FORMAT, epsilon: shown, delta, date });
}

/** Removes it, where the ledger has taken it over. */
export async function forgetFirstBudget(folder: string): Promise<void> {
  await rm(budgetPath(folder), { force: true });
}

// --- internal ---

const FORMAT = 'align-fl/budget@1';
const INFINITY = 'Infinity';
const MAX_BUDGET_BYTES = 10_000;

const budgetFileSchema = z.strictObject({
  format: z.literal(FORMAT),
  epsilon: z.union([z.number().min(0), z.literal(INFINITY)]),
  delta: z.number().gt(0).lt(0.1),
  date: z.iso.datetime(),
});

function budgetPath(folder: string): string {
  return join(folder, 'budget.json');
}
