// A run on the console: live lines where there is a terminal, one line an event where there is none. Writes to stderr.

import { performance } from 'node:perf_hooks';
import colours from 'picocolors';
import { isJudged, mainScores } from '../experiments/metrics.ts';
import type { RunEvent } from '../experiments/run-events.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { formatBytes, formatPercent, formatSeconds } from '../report/format.ts';
import { strategyLabel } from '../report/strategy-label.ts';
import { bar, createLiveLines } from './live-lines.ts';
import { advance, NO_PROGRESS, type Progress, SERVER, secondsLeft, shareDone, workerSecondsLeft } from './progress.ts';
import { counted } from '../experiments/counted.ts';

export interface RunView {
  show(event: RunEvent): void;
  /** Removes the live lines. */
  close(): void;
}

/** A view that writes to `stream`, live where that is a terminal. */
export function createRunView(stream: NodeJS.WriteStream): RunView {
  let progress = NO_PROGRESS;
  const live = createLiveLines(stream);
  let drawnAtMs = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const draw = (nowMs: number) => {
    live.draw(statusLines(progress, nowMs));
    drawnAtMs = nowMs;
  };
  return {
    show(event) {
      const nowMs = performance.now();
      progress = advance(progress, event, nowMs);
      const isDue = nowMs - toldAtMs > TELL_EVERY_MS;
      const line = stream.isTTY ? lastingLine(event, progress, nowMs) : plainLine(event, progress, { nowMs, isDue });
      if (line !== null) toldAtMs = nowMs;
      if (line !== null) {
        live.erase();
        stream.write(`${line}\n`);
      }
      if (stream.isTTY && progress.rounds > 0 && (line !== null || nowMs - drawnAtMs > REDRAW_EVERY_MS)) draw(nowMs);
    },
    close: live.erase,
  };
}

/** The live lines: one for the run, one for each silo at work, one for the server. */
export function statusLines(progress: Progress, nowMs: number): string[] {
  const left = secondsLeft(progress, nowMs);
  const share = shareDone(progress);
  const where =
    progress.strategy === ''
      ? 'preparing'
      : `${strategyLabel(progress.strategy)} round ${Math.min(progress.round, progress.rounds)}/${progress.rounds}`;
  const time = left === null || share === 1 ? '' : `  about ${formatSeconds(left)} left`;
  const head = `${where}  ${bar(share)} ${formatPercent(share, { digits: 0 })}${time}`;
  const workers = Object.entries(progress.workers)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, worker]) => {
      const seconds = workerSecondsLeft(worker, nowMs);
      const label = (name === SERVER ? 'server' : name).padEnd(12);
      const time = seconds === null ? '' : `  ${formatSeconds(seconds)} left`;
      return `  ${label} ${bar(worker.step / worker.steps)}${worker.epoch === 0 ? '' : `  epoch ${worker.epoch}`}${Number.isNaN(worker.loss) ? '' : `  loss ${worker.loss.toFixed(2)}`}${spentText(progress, name, '  ')}${time}`;
    });
  return [head, ...workers];
}

// --- internal ---

const REDRAW_EVERY_MS = 100;
/** Without a terminal: how long there may be silence within an epoch-rich round. */
const TELL_EVERY_MS = 10_000;

/** Lines that stay on the screen in both kinds of view. */
function lastingLine(event: RunEvent, progress: Progress, nowMs: number): string | null {
  switch (event.kind) {
    case 'run-started': {
      const silos = event.silos.map(
        ({ name, examples, classes }) =>
          `  ${name}${examples === null ? '' : `: ${counted(examples, 'image')}, classes ${classes.join(' ')}`}`,
      );
      const { train, test, name } = event.dataSet;
      return [
        `${event.resumed ? 'Going on with' : 'Running'} ${event.name}, seed ${event.seed}, on ${event.executor} (${event.device}), in ${event.folder}`,
        train === null
          ? `Images are at the silos, ${test === 0 ? 'and none are here: nothing is judged' : `${test} held out here to judge`}`
          : `${name}: ${counted(train, 'image')} to deal, ${test} held out to judge`,
        ...silos,
      ].join('\n');
    }
    case 'notice':
      return colours.yellow(event.text);
    case 'controls-started':
      return 'Probing raw pixels and principal components, for comparison';
    case 'outliers-started':
      return `Judging what became of the foreign images of ${event.silo}`;
    case 'round-finished': {
      const { classification, generation } = event.metrics;
      const judge = classification ? 'real images' : 'probe';
      const score = isJudged(event.metrics)
        ? `${judge} ${formatPercent(mainScores(event.metrics).accuracy)}`
        : 'not judged';
      const fid = generation === null ? '' : `FID ${generation.fid.toFixed(2)}, `;
      const left = secondsLeft(progress, nowMs);
      return (
        `${strategyLabel(event.strategy)} round ${event.round}/${progress.rounds}: ${score}, ` +
        `${fid}${formatSeconds(event.seconds)}${left === null || shareDone(progress) === 1 ? '' : `, about ${formatSeconds(left)} left`}`
      );
    }
    default:
      return null;
  }
}

/** Without a terminal also what a live line would show: at the end of each silo's round, and where silence was long. */
function plainLine(
  event: RunEvent,
  progress: Progress,
  { nowMs, isDue }: { readonly nowMs: number; readonly isDue: boolean },
): string | null {
  const lasting = lastingLine(event, progress, nowMs);
  if (lasting !== null) return lasting;
  switch (event.kind) {
    case 'silo-progress':
      // A closed form has no epochs and no loss: it is there at once.
      if (event.step < event.steps || !Number.isNaN(event.loss)) return null;
      return `  ${strategyLabel(event.strategy)} round ${event.round} ${event.silo}: computed${spentText(progress, event.silo, ', ')}`;
    case 'silo-epoch':
      if (!isDue && !isThrough(progress, event.silo)) return null;
      return `  ${strategyLabel(event.strategy)} round ${event.round} ${event.silo}: epoch ${event.epoch}, loss ${lossOf(event.terms)}${spentText(progress, event.silo, ', ')}${timeLeft(progress, event.silo, nowMs)}`;
    case 'server-epoch':
      if (!isDue && !isThrough(progress, SERVER)) return null;
      return `  ${strategyLabel(event.strategy)} round ${event.round} server: epoch ${event.epoch}, loss ${lossOf(event.terms)}${timeLeft(progress, SERVER, nowMs)}`;
    case 'download':
      return event.doneBytes === event.totalBytes ? `  ${event.file}: ${formatBytes(event.doneBytes)}` : null;
    default:
      return null;
  }
}

/** What the silo has spent of its privacy budget, this round included; nothing where nobody counts. */
function spentText(progress: Progress, silo: string, before: string): string {
  const spent = Object.hasOwn(progress.spent, silo) ? progress.spent[silo] : undefined; // it may be called `constructor`
  if (!spent) return '';
  const words = (epsilon: number | 'Infinity') => epsilonWords(Number(epsilon));
  return `${before}epsilon ${words(spent.epsilon)} of ${words(spent.budgetEpsilon)}`;
}

function lossOf(terms: Readonly<Record<string, number>>): string {
  return (terms['loss'] ?? Number.NaN).toFixed(2);
}

/** Whether a worker has made its last step of the round. */
function isThrough(progress: Progress, name: string): boolean {
  const worker = progress.workers[name];
  return worker === undefined || worker.step === worker.steps;
}

function timeLeft(progress: Progress, name: string, nowMs: number): string {
  const worker = progress.workers[name];
  if (worker?.step === worker?.steps) return '';
  const seconds = worker ? workerSecondsLeft(worker, nowMs) : null;
  return seconds === null ? '' : `, ${formatSeconds(seconds)} left`;
}
