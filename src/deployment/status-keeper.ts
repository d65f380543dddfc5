// Keeps `status.json` while a server is at work, from what it tells its console: for `align-fl server status`, whichever process asks.

import { plainLine } from '../exchange/plain-text.ts';
import type { HubEvent } from '../net/net-events.ts';
import { every, LOOK_EVERY_MS } from './every.ts';
import type { ServerEvent } from './server-events.ts';
import type { ServerLayout } from './server-folder.ts';
import {
  heardOf,
  NOTHING_HEARD,
  readStatus,
  type RoundPlayed,
  saveStatus,
  type SiloHeard,
  type SiloTrouble,
  type StatusFile,
} from './status-file.ts';

export interface StatusKeeper {
  /** Must be called with all that the server tells; the file follows within a second. */
  take(event: ServerEvent): void;
  /** Writes what it has. */
  close(): Promise<void>;
}

/**
 * Goes on with what an earlier server has heard; of the present nothing is known yet. `onFailure` hears once where the file cannot
 * be replaced, which is tried again; the server goes on without.
 */
export async function keepStatus(
  layout: ServerLayout,
  { now, onFailure }: { readonly now: () => Date; readonly onFailure: (error: Error) => void },
): Promise<StatusKeeper> {
  let status = atStart(await readStatus(layout));
  let saved = NOTHING_HEARD;
  let hasFailed = false;
  const save = async () => {
    if (status === saved) return;
    const content = status;
    try {
      await saveStatus(layout, content);
      saved = content;
    } catch (error) {
      if (!hasFailed) onFailure(error instanceof Error ? error : new Error(String(error)));
      hasFailed = true;
    }
  };
  await save();
  const end = every(LOOK_EVERY_MS, save);
  return {
    take(event) {
      status = statusAfter(status, event, now().toISOString());
    },
    async close() {
      await end();
      await save();
    },
  };
}

/** What is known after an event that came `at` an ISO time. The same object where it tells nothing. */
export function statusAfter(status: StatusFile, event: ServerEvent, at: string): StatusFile {
  switch (event.kind) {
    case 'network':
      return afterNetwork(status, event.event, at);
    case 'silo-started': {
      const { silo, round } = event;
      const playing = status.playing?.round === round ? status.playing : newRound(round, at);
      return { ...status, playing: { ...playing, awaited: [...without(playing.awaited, silo), silo] } };
    }
    case 'silo-finished':
      return withRound(status, event.round, ({ answered, awaited }) => ({
        answered: [...without(answered, event.silo), event.silo],
        awaited: without(awaited, event.silo),
      }));
    case 'silo-missing': {
      const { silo, round, code, message } = event;
      const next = withRound(status, round, ({ awaited }) => ({ awaited: without(awaited, silo) }));
      return hasTold(status, event) ? next : withTrouble(next, silo, { at, round, code, message });
    }
    case 'silo-joined':
      return withoutTrouble(status, event.silo, 'LOST_PEER'); // it is back
    case 'silo-late':
      return afterLate(status, event);
    case 'round-overdue':
      return withRound(status, event.round, () => ({ isOverdue: true }));
    case 'server-started':
      return withRound(status, event.round, () => ({ isClosed: true, awaited: [] }));
    case 'round-finished':
    case 'run-finished':
      return { ...status, playing: null };
    default:
      return status;
  }
}

// --- internal ---

/** A server that begins plays nothing yet, and has heard nobody. */
function atStart({ silos }: StatusFile): StatusFile {
  const entries = Object.entries(silos).map(([name, silo]) => [name, { ...silo, isHere: false }]);
  return { ...NOTHING_HEARD, silos: Object.fromEntries(entries) };
}

function afterNetwork(status: StatusFile, event: HubEvent, at: string): StatusFile {
  switch (event.kind) {
    case 'silo-here':
      return withSilo(status, event.silo, { isHere: true });
    case 'silo-away':
      return withSilo(status, event.silo, { isHere: false });
    case 'silo-left':
      return withSilo(status, event.silo, { isHere: false, said: { at, state: 'left', round: null, percent: null } });
    case 'silo-status': {
      const { state, round, percent } = event.status;
      const next = withSilo(status, event.silo, { isHere: true, said: { at, state, round, percent } });
      return state === 'declined' ? withTrouble(next, event.silo, { at, round: null, ...DECLINED }) : next;
    }
    case 'silo-failed':
    case 'release-refused': {
      const { silo, round, code } = event;
      const message = event.kind === 'silo-failed' ? event.message : event.reason;
      // A server that begins hears again what an earlier one has told.
      if (event.kind === 'silo-failed' && !event.isNew && round <= roundOfTrouble(status, silo)) return status;
      return withTrouble(status, silo, { at, round, code, message });
    }
    case 'silo-denied': {
      const { silo, code, message } = event;
      return withTrouble(status, silo, { at, round: null, code, message });
    }
    case 'two-instances': {
      const message = 'Two processes work as this silo at the same time: its owner should stop one of them.';
      return withTrouble(status, event.silo, { at, round: null, code: 'ALREADY_CONNECTED', message });
    }
    case 'silo-let-in-by-ledger': {
      const message = `Its folder knows nothing of its decoders up to round ${event.round} (new, or an older copy); its ledger knows of each.`;
      return withTrouble(status, event.silo, { at, round: null, code: 'LOST_STATE', message });
    }
    default:
      return status;
  }
}

function newRound(round: number, at: string): RoundPlayed {
  return { round, beganAt: at, answered: [], awaited: [], isOverdue: false, isClosed: false };
}

function withRound(
  status: StatusFile,
  round: number,
  change: (playing: RoundPlayed) => Partial<RoundPlayed>,
): StatusFile {
  const { playing } = status;
  return playing?.round === round ? { ...status, playing: { ...playing, ...change(playing) } } : status;
}

function withSilo(status: StatusFile, name: string, change: Partial<SiloHeard>): StatusFile {
  const known = heardOf(status, name) ?? { isHere: false, said: null, trouble: null };
  return { ...status, silos: { ...status.silos, [name]: { ...known, ...change } } };
}

function withTrouble(status: StatusFile, name: string, trouble: SiloTrouble): StatusFile {
  const message = plainLine(trouble.message.slice(0, LONGEST_MESSAGE));
  return withSilo(status, name, { trouble: { ...trouble, message } });
}

const LONGEST_MESSAGE = 1000;

const DECLINED = {
  code: 'DECLINED',
  message:
    'Its owner did not agree to the plan, or its privacy ledger does not allow it. Its owner can see more on its machine.',
};

function withoutTrouble(status: StatusFile, name: string, code: string): StatusFile {
  return heardOf(status, name)?.trouble?.code === code ? withSilo(status, name, { trouble: null }) : status;
}

/** That a round went on without it is no trouble any more, and its owner should read that. */
function afterLate(
  status: StatusFile,
  { silo, answers, round }: Extract<ServerEvent, { kind: 'silo-late' }>,
): StatusFile {
  const trouble = heardOf(status, silo)?.trouble;
  if (trouble?.code !== 'DEADLINE' || trouble.round !== answers) return status;
  const message = `Its answer to round ${answers} came late, and joined round ${round}.`;
  return withTrouble(status, silo, { ...trouble, message });
}

/** Whether the silo itself has told why nothing comes from it in this round. */
function hasTold(status: StatusFile, { silo, round, code }: Extract<ServerEvent, { kind: 'silo-missing' }>): boolean {
  const { playing } = status;
  const trouble = heardOf(status, silo)?.trouble;
  if (!trouble || playing?.round !== round) return false;
  return trouble.round === round && trouble.code === code && trouble.at >= playing.beganAt;
}

function roundOfTrouble(status: StatusFile, name: string): number {
  return heardOf(status, name)?.trouble?.round ?? 0;
}

function without(names: readonly string[], name: string): string[] {
  return names.filter((one) => one !== name);
}
