// What happens on the network, in a line for people. Null for what needs none.

import type { ServerEvent } from '../deployment/server-events.ts';
import type { ConnectionNotice } from '../net/connect.ts';
import type { AgentEvent, HubEvent } from '../net/net-events.ts';
import { formatBytes } from '../report/format.ts';

/** Of the connection to the NATS server. */
export function connectionWords(notice: ConnectionNotice): string {
  switch (notice.type) {
    case 'old-server':
      return notice.advice;
    case 'disconnected':
      return `The connection to ${notice.server} is gone. Trying to come back.`;
    case 'reconnected':
      return `Connected to ${notice.server} again.`;
    case 'refused':
      return notice.message;
    case 'permission':
      return `The NATS server does not let this key ${notice.operation} ${notice.subject}: its configuration is older than this program.`;
  }
}

/** At the server. */
export function hubWords(event: HubEvent): string | null {
  switch (event.kind) {
    case 'silo-here':
      return `${event.silo} is here`;
    case 'silo-away':
      return `${event.silo} is away`;
    case 'silo-left':
      return `${event.silo} has left the federation`;
    case 'two-instances':
      return `Two processes work as ${event.silo} at the same time: its owner should stop one of them`;
    case 'silo-denied':
      return `${event.silo} was denied (${event.code}): ${event.message}`;
    case 'silo-let-in-by-ledger':
      return `${event.silo} knows nothing in its folder (new, or an older copy) of its decoders up to round ${event.round}; its ledger knows of each, so it was let in`;
    case 'silo-failed':
      return `${event.silo} gives nothing in round ${event.round} (${event.code}): ${event.message}`;
    case 'release-ready':
      return `  round ${event.round} ${event.silo}: decoder ${event.sha256.slice(0, 12)} came and passed inspection`;
    case 'release-refused':
      return `${event.silo}: the decoder of round ${event.round} was refused (${event.code}): ${event.reason}`;
    case 'message-dropped':
      return `A message on ${event.subject} was dropped (${event.reason}): ${event.message}`;
    case 'retry':
      return `${event.what}: ${event.message}; trying again`;
    case 'task-sent':
    case 'release-announced':
    case 'release-committed':
    case 'silo-status':
      return null;
  }
}

/** What a server tells of its rounds and its desk, where a simulation has nothing to tell. */
export function serverWords(event: ServerEvent): string | null {
  switch (event.kind) {
    case 'silo-joined':
      return `${event.silo} has joined`;
    case 'join-refused':
      return `${event.silo} could not join: ${event.why}`;
    case 'round-overdue':
      return `round ${event.round} is over time: ${answersWords(event)}; waits for ${event.awaited.join(', ')}`;
    case 'silo-missing': // other reasons were told when they came
      return event.code === 'DEADLINE' ? `round ${event.round} goes on without ${event.silo}: its time is up` : null;
    case 'silo-late':
      return `${event.silo}: its answer to round ${event.answers} came late, and joins round ${event.round}`;
    default:
      return null;
  }
}

/** `quorum` 2, one answered: `1 of the 2 answers it needs`. */
export function answersWords({
  quorum,
  answered,
}: {
  readonly quorum: number;
  readonly answered: readonly string[];
}): string {
  return quorum === 1 ? 'not one answer yet' : `${answered.length} of the ${quorum} answers it needs`;
}

/** At a silo. */
export function agentWords(event: AgentEvent): string | null {
  switch (event.kind) {
    case 'server-away':
      return `The server is not there: ${event.message} Waiting for it.`;
    case 'denied':
      if (event.code === 'ALREADY_CONNECTED') return JUST_HEARD;
      return `The server says no (${event.code}): ${event.message}`;
    case 'ledger-shown':
      return `The server has decoders of this silo that its folder knows nothing of. The ledger has a seal of each that it named (${event.seals}): the server was told that, and nothing else of the ledger.`;
    case 'welcome':
      return `The server of ${event.run} is there, with plan ${event.plan.slice(0, 16)}.`;
    case 'task':
      return `Round ${event.round}: at work`;
    case 'leaving':
      return `Round ${event.round}: a decoder of ${formatBytes(event.bytes)} leaves, SHA-256 ${event.sha256.slice(0, 16)}. ${event.privacy}`;
    case 'delivered':
      return `Round ${event.round}: delivered`;
    case 'committed':
      return `Round ${event.round}: the server has it for good`;
    case 'refused':
      return `Round ${event.round}: the server refused the decoder (${event.code}): ${event.reason}`;
    case 'failed':
      return `Round ${event.round}: nothing leaves (${event.code}): ${event.message}`;
    case 'task-ignored':
      return `A task was passed over: ${event.because}`;
    case 'message-dropped':
      return `A message was dropped (${event.reason}): ${event.message}`;
    case 'retry':
      return `${event.what}: ${event.message}; trying again`;
    case 'progress':
    case 'played':
    case 'kept':
    case 'uploaded':
      return null;
  }
}

// --- internal ---

const JUST_HEARD =
  'The server heard another process of this silo a moment ago. If that was stopped or killed, this one is let in within half a minute.';
