// Each silo's own record of the privacy it spent, with a hard budget that its owner sets: asked before training looks at a
// record, and told before anything leaves. Nobody else can raise the budget, and no crash makes the ledger forget.

import { resolve } from 'node:path';
import { PrivacyError, StateError } from '../errors.ts';
import { type EpsilonBounds, epsilonOf } from './accountant.ts';
import { dpEventSchema } from './dp-event-schema.ts';
import {
  type Account,
  type Charge,
  type ChargeRequest,
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
  /** The silo's folder, absolute. */
  readonly folder: string;
  /** As of the last call through this handle. */
  readonly ledger: Ledger;
  /**
   * Sets aside what `request` costs; on disk when the promise resolves, and spent from then on. The charge of the same
   * round is used again where nothing left for it; where something did, the round is played anew with fresh noise and
   * charged anew. `bounds` are of all charges together. Throws PrivacyError over budget, with what would still fit;
   * then nothing is written.
   */
  charge(request: ChargeRequest): Promise<{ readonly id: string; readonly bounds: EpsilonBounds }>;
  /**
   * Writes down, before it leaves, what leaves for charge `id`: its SHA-256 (hex), null for weights. Once a charge: throws
   * PrivacyError where something else left for it already. Sealing the same SHA-256 again changes nothing.
   */
  seal(id: string, sha256: string | null): Promise<void>;
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
  /** Of a new ledger only. Where there is one, its own budget stands: the owner's, neither raised nor lowered by this. */
  readonly budget: Budget;
  readonly now: () => Date;
  /** In place of `epsilonOf`, for tests. */
  readonly account?: Account;
}

/**
 * Opens the ledger of a silo, or begins one. Throws PrivacyError where the ledger was kept for another silo, other records
 * or other neighbours; StateError where it is damaged.
 */
export async function openLedger(options: LedgerOptions): Promise<LedgerHandle> {
  const { now, account = epsilonOf } = options;
  const folder = resolve(options.folder);
  let disk = hasLedger(folder) ? await readLedgerFile(folder) : await beginLedger(folder, options);
  requireSameRecords(disk.state, folder, options);

  /** Does `work` on the ledger as it is on disk now. */
  const locked = <T>(work: () => Promise<T>): Promise<T> =>
    withLedgerLock(folder, async () => {
      disk = await readLedgerFile(folder); // others may have written since
      requireSameRecords(disk.state, folder, options);
      return work();
    });
  const append = async (entry: LedgerEntry) => {
    disk = await appendToLedger(folder, disk, entry);
  };

  return {
    folder,
    get ledger() {
      return { folder, ...disk.state };
    },
    charge: (request) =>
      locked(async () => {
        const asked = { ...request, event: checkedEvent(request.event) };
        const open = openChargeFor(disk.state, asked);
        if (open) return { id: open.id, bounds: spentOf(disk.state.entries, disk.state.budget.delta, account) };
        const bounds = priceOf(disk.state, asked, account);
        const id = `c${disk.state.entries.length + 1}`;
        await append({ type: 'reserve', id, ...asked, date: now().toISOString() });
        return { id, bounds };
      }),
    seal: (id, sha256) =>
      locked(async () => {
        const charge = requireCharge(disk.state, id, folder);
        if (charge.sealed === null) return append({ type: 'sealed', id, sha256, date: now().toISOString() });
        if (sha256 === null || charge.sealed.sha256 !== sha256) throw sealedTwice(charge, folder);
      }),
    spent: () => spentOf(disk.state.entries, disk.state.budget.delta, account),
  };
}

/** What the ledger in `folder` says, for showing: takes no lock. Throws StateError where there is none or it is damaged. */
export async function readLedger(folder: string): Promise<Ledger> {
  const root = resolve(folder);
  if (!hasLedger(root)) throw noLedger(root);
  return { folder: root, ...(await readLedgerFile(root)).state };
}

/**
 * Sets the budget of an existing ledger, and returns the ledger. The act of the records' owner, on the silo's own machine.
 * A budget below what is spent is allowed: nothing fits any more. Throws StateError where there is no ledger.
 */
export async function setBudget(folder: string, budget: Budget, now: () => Date): Promise<Ledger> {
  const root = resolve(folder);
  if (!hasLedger(root)) throw noLedger(root);
  return withLedgerLock(root, async () => {
    const disk = await readLedgerFile(root);
    const { epsilon, delta } = checkedBudget(budget);
    const changed = await appendToLedger(root, disk, { type: 'budget', epsilon, delta, date: now().toISOString() });
    return { folder: root, ...changed.state };
  });
}

// --- internal ---

async function beginLedger(folder: string, options: LedgerOptions): Promise<LedgerOnDisk> {
  const { silo, dataFingerprint, neighbours, now } = options;
  const { epsilon, delta } = checkedBudget(options.budget);
  return withLedgerLock(folder, async () => {
    if (hasLedger(folder)) return readLedgerFile(folder); // somebody was faster
    const date = now().toISOString();
    return createLedgerFile(folder, [
      { type: 'header', format: 'align-fl/ledger@1', silo, dataFingerprint, neighbours, unit: 'record', date },
      { type: 'budget', epsilon, delta, date },
    ]);
  });
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

function sealedTwice({ id, sealed }: Charge, folder: string): PrivacyError {
  return new PrivacyError(
    `Charge ${id} of ${ledgerPath(folder)} has paid for a release already (${sealed?.sha256 ?? 'weights'}), and pays for one ` +
      'only. This second one did not leave. If two processes play the same round, stop one of them; then play the round again.',
    { folder, id },
  );
}

function noLedger(folder: string): StateError {
  return new StateError(
    `There is no privacy ledger in ${folder} (${ledgerPath(folder)}). Name the folder of one silo, such as ` +
      'runs/<name>/silos/<silo>; a silo has a ledger from its first round with a privacy mechanism on.',
    { folder },
  );
}
