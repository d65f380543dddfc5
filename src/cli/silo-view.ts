// A silo at work on its own console: live lines where there is a terminal, one line an event where there is none.

import { performance } from 'node:perf_hooks';
import colours from 'picocolors';
import type { SiloEvent } from '../deployment/silo-events.ts';
import { plainLine } from '../exchange/plain-text.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { formatSeconds } from '../report/format.ts';
import { bar, createLiveLines } from './live-lines.ts';
import { agentWords, connectionWords } from './network-words.ts';

export interface SiloView {
  show(event: SiloEvent): void;
  /** Removes the live lines. */
  close(): void;
}

/** A view that writes to `stream`, live where that is a terminal. */
export function createSiloView(stream: NodeJS.WriteStream): SiloView {
  const live = createLiveLines(stream);
  let round: { readonly number: number; readonly startedAtMs: number; readonly firstStep: number } | null = null;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  /** The last line: since when it has come again and again, when it came last, and when that was told. */
  let last = { line: '', sinceMs: 0, cameMs: 0, toldMs: 0 };
  const write = (line: string) => {
    live.erase();
    stream.write(`${line}\n`);
  };
  return {
    show(event) {
      if (event.kind !== 'training') {
        const line = shownLine(event);
        const nowMs = performance.now();
        // What is tried again and again is told once a minute.
        if (line === null) return;
        const isRepeat = line === last.line && nowMs - last.cameMs < REPEAT_AFTER_MS;
        const isDue = !isRepeat || nowMs - last.toldMs >= REPEAT_AFTER_MS;
        last = { line, sinceMs: isRepeat ? last.sinceMs : nowMs, cameMs: nowMs, toldMs: isDue ? nowMs : last.toldMs };
        if (!isDue) return;
        write(isRepeat ? `${line} (for ${formatSeconds((nowMs - last.sinceMs) / 1000)})` : line);
        return;
      }
      const nowMs = performance.now();
      if (round?.number !== event.round) round = { number: event.round, startedAtMs: nowMs, firstStep: event.step };
      const everyMs = stream.isTTY ? REDRAW_EVERY_MS : TELL_EVERY_MS;
      if (nowMs - toldAtMs < everyMs && event.step < event.steps) return;
      toldAtMs = nowMs;
      const done = event.step - round.firstStep;
      const left = done < 5 ? null : ((event.steps - event.step) / done) * ((nowMs - round.startedAtMs) / 1000);
      const time = left === null || event.step === event.steps ? '' : `  about ${formatSeconds(left)} left`;
      const loss = Number.isNaN(event.loss) ? '' : `, loss ${event.loss.toFixed(2)}`; // a closed form has none
      const line = `round ${event.round} ${bar(event.step / event.steps)}${loss}${time}`;
      if (stream.isTTY) live.draw([line]);
      else stream.write(`  round ${event.round}: step ${event.step} of ${event.steps}${loss}${time}\n`);
    },
    close: live.erase,
  };
}

// --- internal ---

const REDRAW_EVERY_MS = 100;
const REPEAT_AFTER_MS = 60_000;
/** Without a terminal. */
const TELL_EVERY_MS = 10_000;

type OtherEvent = Exclude<SiloEvent, { kind: 'training' }>;

/** A broker's words may be in it: nothing of what comes over the network reaches the terminal as it came. */
function shownLine(event: OtherEvent): string | null {
  const line = lineOf(event);
  if (line === null) return null;
  const isTrouble = event.kind === 'unreachable' || event.kind === 'connection';
  return isTrouble ? colours.yellow(plainLine(line)) : plainLine(line);
}

function lineOf(event: OtherEvent): string | null {
  switch (event.kind) {
    case 'enrolling':
      return `Silo ${event.silo} made a key of its own and shows its public half to ${event.servers.join(' or ')}`;
    case 'resumed':
      return 'This silo was paused, and goes on now';
    case 'unreachable':
      return `${event.message} Trying again; Ctrl-C stops.`;
    case 'connection': // how old the NATS server is concerns whoever runs it, and is told there
      return event.notice.type === 'old-server' ? null : connectionWords(event.notice);
    case 'spent': {
      const { epsilon, budgetEpsilon, delta } = event.spent;
      return `Round ${event.round}: with it, epsilon ${epsilonWords(epsilon)} of ${epsilonWords(budgetEpsilon)} at delta ${delta} is spent`;
    }
    case 'agent':
      return agentWords(event.event);
  }
}
