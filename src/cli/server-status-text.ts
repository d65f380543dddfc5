// Where a federation stands, for people: `align-fl server status`.

import type { RoundPlayed, SiloTrouble } from '../deployment/status-file.ts';
import { secondsSince, type ServerStatus, type StatusOfSilo } from '../deployment/server-status.ts';
import { plainLine } from '../exchange/plain-text.ts';
import { isSiloEnd } from '../net/messages.ts';
import { counted } from '../experiments/counted.ts';
import { formatSeconds } from '../report/format.ts';
import { textTable } from '../report/text-table.ts';

/** Several lines. `now` is the time for which `status` was asked. */
export function serverStatusText(status: ServerStatus, now: Date): string {
  const { name, state, rounds, roundsDone, isAtWork, playing, silos, networkLog } = status;
  const ago = (at: string) => `${formatSeconds(secondsSince(at, now))} ago`;
  const rows = silos.map((silo) => [
    silo.name,
    silo.access,
    stateText(silo, isAtWork),
    silo.round === null ? '' : String(silo.round),
    silo.percent === null ? '' : `${silo.percent} %`,
    silo.heardAt === null ? 'never' : ago(silo.heardAt),
    silo.committed.join(' '),
  ]);
  const troubles = silos.flatMap(({ name: silo, trouble }) =>
    trouble === null
      ? []
      : [`  ${silo}${roundOf(trouble)}, ${ago(trouble.at)} (${trouble.code}): ${plainLine(trouble.message)}`],
  );
  return [
    `${name}: ${state}, ${roundsDone} of ${counted(rounds, 'round')} done; ${isAtWork ? 'a server is at work' : 'no server is at work here'}`,
    closingText(status),
    ...(playing === null ? [] : [roundText(playing, status, now)]),
    '',
    textTable(
      [
        'silo',
        'access',
        'state',
        'round',
        'of it',
        { header: 'heard', align: 'right' },
        { header: 'committed rounds', align: 'left' },
      ],
      rows,
    ),
    ...(troubles.length === 0 ? [] : ['', 'What went wrong last', ...troubles]),
    ...(networkLog === null ? [] : ['', `What happened on the network: ${networkLog}`]),
  ].join('\n');
}

// --- internal ---

function closingText({ quorum, deadlineMinutes }: ServerStatus): string {
  if (quorum === null || deadlineMinutes === null) return 'A round closes when every silo has answered.';
  return (
    `A round closes when every silo has answered, or after ${formatSeconds(deadlineMinutes * 60)} ` +
    `with ${counted(quorum, 'answer')}.`
  );
}

function roundText(
  { round, beganAt, answered, awaited, isOverdue, isClosed }: RoundPlayed,
  { isAtWork }: ServerStatus,
  now: Date,
): string {
  const came = answered.length === 0 ? 'no answer yet' : `answered by ${answered.join(', ')}`;
  const late = isOverdue && !isClosed ? ', over time' : '';
  if (!isAtWork) {
    const open = isClosed ? '' : `, waited for ${awaited.join(', ')}`;
    return `Round ${round} was not complete when the server ended: ${came}${open}${late}.`;
  }
  const next = isClosed ? 'closed, the server learns' : `waits for ${awaited.join(', ')}`;
  return `Round ${round}, for ${formatSeconds(secondsSince(beganAt, now))}: ${came}, ${next}${late}.`;
}

function roundOf({ round }: SiloTrouble): string {
  return round === null ? '' : `, round ${round}`;
}

/** What a silo said last counts as long as nobody knows better: a server at work knows who is away. */
function stateText({ state, isHere }: StatusOfSilo, isAtWork: boolean): string {
  if (state === null) return isHere ? 'here' : '';
  if (!isAtWork || isHere || isSiloEnd(state)) return state;
  return `away (${state})`;
}
