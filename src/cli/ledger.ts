// `align-fl ledger`: what a silo's own ledger says was spent, and the one way to set its budget: on the silo's machine.

import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { SpecError, StateError } from '../errors.ts';
import type { EpsilonBounds } from '../privacy/accountant.ts';
import { epsilonWords, eventWords } from '../privacy/event-words.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { type Ledger, readLedger, setBudget } from '../privacy/ledger.ts';
import { type Charge, spentOf } from '../privacy/ledger-charges.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { DELTA, type NumberKind, numberArgument } from './number-argument.ts';

/** Adds `ledger` to `program`. `now` dates a new budget. */
export function addLedgerCommand(program: Command, console: Console, now: () => Date): void {
  program
    .command('ledger')
    .argument('<silo folder>', 'folder of one silo: runs/<name>/silos/<silo>, or <images>/.align-fl/<silo>')
    .description("show a silo's privacy ledger: its budget, what was spent on what, and what remains")
    .option('--json', 'print as JSON')
    .option('--budget-epsilon <e>', 'set the budget: an epsilon that must not be exceeded, or Infinity for no limit')
    .option('--budget-delta <d>', 'set the budget: delta at which epsilon is counted')
    .addHelpText('after', HELP)
    .action((folder: string, flags: LedgerFlags) => ledgerCommand(folder, flags, console, now));
}

// --- internal ---

interface LedgerFlags {
  readonly json?: boolean;
  readonly budgetEpsilon?: string;
  readonly budgetDelta?: string;
}

const HELP = `
Only the owner of the records sets the budget, here, on the machine that holds them; no server and no run can raise it.
Set it before the first run: the ledger then begins with it. Otherwise it begins with the epsilon and delta of that run.
A charge counts from the moment it is made, before training looks at any record, and is never taken back.

Examples:
  align-fl ledger images/.align-fl/hospital-a --budget-epsilon 4 --budget-delta 1e-5
  align-fl ledger runs/mine/silos/hospital-a`;

const BUDGET_EPSILON: NumberKind = {
  expected: 'an epsilon from 0 up, or Infinity for no limit',
  example: '8',
  accepts: (value) => value >= 0,
};

async function ledgerCommand(folder: string, flags: LedgerFlags, console: Console, now: () => Date): Promise<void> {
  if (!hasLedger(folder)) return beforeLedger(folder, flags, console, now);
  const before = await readLedger(folder);
  const wanted = wantedBudget(flags, before.budget);
  const ledger = wanted === null ? before : await changedBudget(folder, wanted, now);
  const spent = spentOf(ledger.entries, ledger.budget.delta);
  if (flags.json) return console.print(JSON.stringify(asData(ledger, spent), null, 2));
  if (wanted !== null) {
    console.print(`The budget was ${budgetWords(before.budget)}, and is now ${budgetWords(ledger.budget)}.\n`);
  }
  console.print(asText(ledger, spent));
}

/** Where nothing was charged yet: shows or sets the budget that the ledger is going to begin with. */
async function beforeLedger(folder: string, flags: LedgerFlags, console: Console, now: () => Date): Promise<void> {
  refuseFolderOfSilos(folder);
  const before = await firstBudget(folder);
  const wanted = wantedBudget(flags, before);
  if (wanted !== null) await setBudget(folder, wanted, now);
  const budget = wanted ?? before ?? (await readLedger(folder)).budget; // which says what a silo folder looks like
  if (flags.json) {
    const nothing = { header: { silo: null, dataFingerprint: null, neighbours: null, unit: 'record' }, entries: [] };
    const spent = spentOf([], budget.delta);
    return console.print(JSON.stringify(asData({ ...nothing, budget }, spent), null, 2));
  }
  console.print(
    `There is no ledger in ${resolve(folder)} yet. The first charge begins one, with the budget that you set: ` +
      `${budgetWords(budget)}. No run there can exceed it.`,
  );
}

async function changedBudget(folder: string, budget: Budget, now: () => Date): Promise<Ledger> {
  return (await setBudget(folder, budget, now)) ?? readLedger(folder); // which throws: it was taken away meanwhile
}

/** The budget that is asked for, with what is not named as it was; null where none is. */
function wantedBudget({ budgetEpsilon, budgetDelta }: LedgerFlags, before: Budget | null): Budget | null {
  if (budgetEpsilon === undefined && budgetDelta === undefined) return null;
  const epsilon =
    budgetEpsilon === undefined
      ? before?.epsilon
      : budgetEpsilon === 'Infinity'
        ? Number.POSITIVE_INFINITY
        : numberArgument('--budget-epsilon', budgetEpsilon, BUDGET_EPSILON);
  const delta = budgetDelta === undefined ? before?.delta : numberArgument('--budget-delta', budgetDelta, DELTA);
  if (epsilon !== undefined && delta !== undefined) return { epsilon, delta };
  const path = epsilon === undefined ? '--budget-epsilon' : '--budget-delta';
  throw new SpecError(`${path}: missing. The first budget of a ledger needs both an epsilon and a delta.`, { path });
}

function asText(ledger: Ledger, spent: EpsilonBounds): string {
  const { header, budget, entries, folder } = ledger;
  const charges = entries.map((charge) => [
    charge.id,
    charge.run,
    charge.purpose,
    charge.round,
    eventWords(charge.event),
    sealWords(charge),
    charge.date.slice(0, 16).replace('T', ' '),
  ]);
  return [
    `Privacy ledger of ${header.silo} (${folder})`,
    `Kept since ${header.date} for the records ${header.dataFingerprint.slice(0, SHORT_HASH)}…`,
    `Neighbours: ${NEIGHBOURS[header.neighbours]}. Unit: one ${header.unit}.`,
    '',
    textTable(
      ['', 'epsilon', 'at delta', 'RDP', 'PLD'].map((name, i) => ({ header: name, align: i === 0 ? 'left' : 'right' })),
      [
        ['budget', epsilonWords(budget.epsilon), budget.delta],
        ['spent', epsilonWords(spent.epsilon), budget.delta, epsilonWords(spent.rdp), epsilonWords(spent.pld)],
        ['remains', epsilonWords(remaining(budget, spent)), budget.delta],
      ],
    ),
    'Charges do not add up like money: all of them together are counted, never more than the sum of each alone.',
    '',
    charges.length === 0
      ? 'Nothing was charged so far.'
      : textTable(
          ['charge', 'run', 'purpose', 'round', { header: 'what', align: 'left' }, 'what left', 'date (UTC)'],
          charges,
        ),
    '',
    'Only the owner of these records sets the budget, on this machine: --budget-epsilon and --budget-delta.',
  ].join('\n');
}

function asData(ledger: Shown, spent: EpsilonBounds) {
  const { header, budget, entries } = ledger;
  const { epsilon, rdp, pld } = spent;
  return {
    silo: header.silo,
    dataFingerprint: header.dataFingerprint,
    neighbours: header.neighbours,
    unit: header.unit,
    budget: { epsilon: jsonEpsilon(budget.epsilon), delta: budget.delta },
    spent: { epsilon: jsonEpsilon(epsilon), rdp: jsonEpsilon(rdp), pld: jsonEpsilon(pld), delta: budget.delta },
    remaining: jsonEpsilon(remaining(budget, spent)),
    entries,
  };
}

/** A ledger, or what stands for one that is yet to begin. */
interface Shown extends Pick<Ledger, 'budget' | 'entries'> {
  readonly header: { readonly [Name in 'silo' | 'dataFingerprint' | 'neighbours' | 'unit']: string | null };
}

/** Of epsilon. Without a limit nothing is ever used up. */
function remaining(budget: Budget, spent: EpsilonBounds): number {
  if (budget.epsilon === Number.POSITIVE_INFINITY) return budget.epsilon;
  return Math.max(0, budget.epsilon - spent.epsilon);
}

const SHORT_HASH = 12;

const NEIGHBOURS = {
  'zero-out-one': 'one record is there, or an empty one in its place',
  'add-or-remove-one': 'one record is there, or not',
} as const;

function sealWords({ sealed, isFailed }: Charge): string {
  if (sealed !== null) return `${sealed.sha256.slice(0, SHORT_HASH)}…`;
  return isFailed ? 'nothing: failed' : 'nothing so far';
}

function budgetWords({ epsilon, delta }: Budget): string {
  return `epsilon ${epsilonWords(epsilon)} at delta ${delta}`;
}

/** Says which folder was meant where this one is a run's, not a silo's. */
function refuseFolderOfSilos(folder: string): void {
  const silos = silosBelow(folder);
  if (silos.length === 0) return;
  throw new StateError(`${folder} has no ledger itself, but its silos have. Name one of them: ${silos.join(', ')}.`, {
    folder,
    silos,
  });
}

/** Folders with a ledger, where `folder` is a run's, or the folder of its silos. */
function silosBelow(folder: string): readonly string[] {
  return [join(folder, 'silos'), folder].flatMap((parent) => {
    try {
      return readdirSync(parent)
        .map((name) => join(parent, name))
        .filter(hasLedger);
    } catch {
      return []; // no folder
    }
  });
}
