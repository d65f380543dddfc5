// Each silo's own record of the privacy it spent, with a hard budget that its owner sets: asked before training looks at a
// record, and told before anything leaves. Nobody else can raise the budget, and no crash makes the ledger forget.

import { resolve } from 'node:path';
import { PrivacyError, StateError } from '../errors.ts';
import { type EpsilonBounds, epsilonOf } from './accountant.ts';
import { dpEventSchema } from './dp-event-schema.ts';
import { firstBudget, forgetFirstBudget, saveFirstBudget } from './first-budget.ts';
import {
  type Account,
  type Charge,
  type ChargeRequest,
  isOpen,
  type LedgerState,
  openChargeFor,
  priceOf,
  spentOf,
} from './ledger-charges.ts';
import type { Budget, LedgerEntry, Neighbours } from './ledger-entry.ts';
import {
  appendToLedger,
  createLedgerFile,
  hasLedger,
  type LedgerOnDisk,
  ledgerPath,
  readLedgerFile,
  withLedgerLock,
} from './ledger-file.ts';

/** What a ledger said when it was read. */
export interface Ledger extends LedgerState {
  /** The silo's folder, absolute. */
  readonly folder: string;
}

/** An open ledger. It holds no file and no lock between calls: there is nothing to close. */
export interface LedgerHandle {
  /** As of the last call through this handle. */
  readonly ledger: Ledger;
  /**
   * Sets aside what `request` costs; on disk when the promise resolves, and spent from then on. The charge of the same
   * round is used again where it was only interrupted; where something left for it or its training failed, the round is
   * played anew with fresh noise and charged anew. `bounds` are of all charges together. Throws PrivacyError over budget,
   * with what would still fit; then nothing is written.
   */
  charge(request: ChargeRequest): Promise<{ readonly id: string; readonly bounds: EpsilonBounds }>;
  /**
   * Writes down, before it leaves, the SHA-256 (hex) of what leaves for charge `id`, and returns the ledger as it is then.
   * Once a charge: throws PrivacyError where something else left for it already, or where it failed. Sealing the same
   * SHA-256 again changes nothing.
   */
  seal(id: string, sha256: string): Promise<Ledger>;
  /** Writes down that the training that `id` paid for failed: another try is charged anew. No matter where it is closed. */
  fail(id: string): Promise<void>;
  /** Bounds of the epsilon spent so far at the budget's delta, as of the last call through this handle. */
  spent(): EpsilonBounds;
}

/** Whose ledger to open, and what to begin it with where there is none. */
export interface LedgerOptions {
  /** The silo's folder; made where it is missing. */
  readonly folder: string;
  readonly silo: string;
  /** SHA-256 (hex) of the silo's records. */
  readonly dataFingerprint: string;
  readonly neighbours: Neighbours;
  /** Of a new ledger whose owner set none. Else the owner's stands, neither raised nor lowered by this. */
  readonly budget: Budget;
  readonly now: () => Date;
  /** In place of `epsilonOf`, for tests. */
  readonly account?: Account;
}

/**
 * Opens the ledger of a silo. Where there is none, the first charge that is allowed begins it. Throws PrivacyError where the
 * ledger was kept for another silo, other records or other neighbours; StateError where it is damaged.
 */
export async function openLedger(options: LedgerOptions): Promise<LedgerHandle> {
  const { now, account = epsilonOf } = options;
  const folder = resolve(options.folder);
  let state = stateBefore(options);
  let disk: LedgerOnDisk | null = null;

  /** Others may have written since. What was once there is never begun anew. */
  const read = async () => {
    if (disk === null && !hasLedger(folder)) {
      state = { ...state, budget: (await firstBudget(folder)) ?? checkedBudget(options.budget) };
      return;
    }
    disk = await readLedgerFile(folder);
    state = disk.state;
    requireSameRecords(state, folder, options);
  };
  const locked = <T>(work: () => Promise<T>): Promise<T> =>
    withLedgerLock(folder, async () => {
      await read();
      return work();
    });
  const append = async (entry: LedgerEntry) => {
    if (disk === null) {
      const budget: LedgerEntry = { type: 'budget', ...state.budget, date: now().toISOString() };
      disk = await createLedgerFile(folder, [state.header, budget, entry]);
      await forgetFirstBudget(folder);
    } else disk = await appendToLedger(folder, disk, entry);
    state = disk.state;
  };
  const spent = () => spentOf(state.entries, state.budget.delta, account);

  await read();
  return {
    get ledger() {
      return { folder, ...state };
    },
    charge: (request) =>
      locked(async () => {
        const asked = { ...request, event: checkedEvent(request.event) };
        const open = openChargeFor(state, asked);
        if (open) return { id: open.id, bounds: spent() };
        const bounds = priceOf(state, asked, account);
        const id = `c${state.entries.length + 1}`;
        await append({ type: 'reserve', id, ...asked, date: now().toISOString() });
        return { id, bounds };
      }),
    seal: (id, sha256) =>
      locked(async () => {
        const charge = requireCharge(state, id, folder);
        if (isOpen(charge)) await append({ type: 'sealed', id, sha256, date: now().toISOString() });
        else if (charge.sealed?.sha256 !== sha256) throw usedUp(charge, folder);
        return { folder, ...state };
      }),
    fail: (id) =>
      locked(async () => {
        if (isOpen(requireCharge(state, id, folder))) await append({ type: 'failed', id, date: now().toISOString() });
      }),
    spent,
  };
}

/** What the ledger in `folder` says, for showing: takes no lock. Throws StateError where there is none or it is damaged. */
export async function readLedger(folder: string): Promise<Ledger> {
  const root = resolve(folder);
  if (!hasLedger(root)) throw noLedger(root);
  return { folder: root, ...(await readLedgerFile(root)).state };
}

/**
 * Sets the budget of the ledger in `folder`, or of the one that the first charge there is going to begin. The act of the
 * records' owner, on the silo's own machine. A budget below what is spent is allowed: nothing fits any more. Returns the
 * ledger, or null where there is none yet.
 */
export async function setBudget(folder: string, budget: Budget, now: () => Date): Promise<Ledger | null> {
  const root = resolve(folder);
  const { epsilon, delta } = checkedBudget(budget);
  return withLedgerLock(root, async () => {
    const date = now().toISOString();
    if (!hasLedger(root)) {
      await saveFirstBudget(root, { epsilon, delta }, date);
      return null;
    }
    const changed = await appendToLedger(root, await readLedgerFile(root), { type: 'budget', epsilon, delta, date });
    return { folder: root, ...changed.state };
  });
}

// --- internal ---

/** What stands for a ledger that is not begun. */
function stateBefore({ silo, dataFingerprint, neighbours, budget, now }: LedgerOptions): LedgerState {
  const date = now().toISOString();
  return {
    header: { type: 'header', format: 'align-fl/ledger@1', silo, dataFingerprint, neighbours, unit: 'record', date },
    budget: checkedBudget(budget),
    entries: [],
  };
}

function requireSameRecords({ header }: LedgerState, folder: string, wanted: LedgerOptions): void {
  const keys = ['silo', 'dataFingerprint', 'neighbours'] as const;
  const changed = keys.filter((key) => header[key] !== wanted[key]);
  if (changed.length === 0) return;
  const what = changed.map((key) => `${key} was ${header[key]}, is now ${wanted[key]}`).join('; ');
  throw new PrivacyError(
    `The privacy ledger ${ledgerPath(folder)} is kept for other records: ${what}. A ledger counts what was spent on one set ` +
      'of records of one silo. Restore the records, or use another silo folder; if these records were trained on before, ' +
      'what that cost stands in the old ledger and is not undone.',
    { folder, changed },
  );
}

/** As the file will hold it: with keys in their order. */
function checkedEvent(event: ChargeRequest['event']): ChargeRequest['event'] {
  const parsed = dpEventSchema.safeParse(event);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .map((issue) => `${issue.path.join('.') || 'event'}: ${issue.message}`)
    .join('; ');
  throw new PrivacyError(`An event that cannot be accounted for was to be charged: ${problems}. Nothing was spent.`, {
    event: JSON.stringify(event) ?? 'nothing',
  });
}

function checkedBudget({ epsilon, delta }: Budget): Budget {
  if (epsilon >= 0 && delta > 0 && delta < 0.1) return { epsilon, delta };
  throw new PrivacyError(
    'A privacy budget is an epsilon from 0 up (Infinity is no limit) and a delta above 0 and below 0.1, best far below one ' +
      `over the number of records; got epsilon ${epsilon} and delta ${delta}.`,
    { epsilon: String(epsilon), delta: String(delta) },
  );
}

function requireCharge({ entries }: LedgerState, id: string, folder: string): Charge {
  const charge = entries.find((one) => one.id === id);
  if (charge) return charge;
  throw new StateError(`${ledgerPath(folder)} has no charge ${id}. Charge first, then train, then seal.`, {
    folder,
    id,
  });
}

function usedUp({ id, sealed }: Charge, folder: string): PrivacyError {
  const what = sealed === null ? 'is of a training that failed' : `has paid for a release already (${sealed.sha256})`;
  return new PrivacyError(
    `Charge ${id} of ${ledgerPath(folder)} ${what}: it pays for no other. This one did not leave. If two processes play the ` +
      'same round, stop one of them; then play the round again.',
    { folder, id },
  );
}

function noLedger(folder: string): StateError {
  return new StateError(
    `There is no privacy ledger in ${folder} (${ledgerPath(folder)}). Name the folder of one silo, such as ` +
      'runs/<name>/silos/<silo>; a silo has a ledger from its first round with a privacy mechanism on. Its owner may set a ' +
      'budget before: --budget-epsilon and --budget-delta.',
    { folder },
  );
}
