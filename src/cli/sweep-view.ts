// A sweep on the console: live lines where there is a terminal, one line a cell where there is none. Writes to stderr.

import { performance } from 'node:perf_hooks';
import colours from 'picocolors';
import type { SweepEvent } from '../experiments/sweep.ts';
import type { CellReport } from '../experiments/sweep-file.ts';
import { formatPercent, formatSeconds } from '../report/format.ts';
import { strategyLabel } from '../report/strategy-label.ts';
import { bar, createLiveLines } from './live-lines.ts';
import { type Progress, shareDone } from './progress.ts';
import {
  advanceSweep,
  cellCounts,
  type SweepProgress,
  sweepProgressOf,
  sweepSecondsLeft,
  sweepShareDone,
} from './sweep-progress.ts';

export interface SweepView {
  show(event: SweepEvent): void;
  /** Removes the live lines. */
  close(): void;
}

/** A view that writes to `stream`; `work` is that of each cell by name, in any one unit. */
export function createSweepView(stream: NodeJS.WriteStream, work: Readonly<Record<string, number>>): SweepView {
  let progress = sweepProgressOf(work);
  const live = createLiveLines(stream);
  let drawnAtMs = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return {
    show(event) {
      const nowMs = performance.now();
      progress = advanceSweep(progress, event, nowMs);
      const lasting = lastingLine(event, progress, nowMs);
      const isDue = !stream.isTTY && event.kind === 'cell-event' && nowMs - toldAtMs > TELL_EVERY_MS;
      const line = lasting ?? (isDue ? headLine(progress, nowMs) : null);
      if (line !== null) {
        toldAtMs = nowMs;
        live.erase();
        stream.write(`${line}\n`);
      }
      if (!stream.isTTY || (line === null && nowMs - drawnAtMs < REDRAW_EVERY_MS)) return;
      live.draw(liveSweepLines(progress, nowMs, stream.rows ?? 24));
      drawnAtMs = nowMs;
    },
    close: live.erase,
  };
}

/** One line for the sweep, one for each cell at work as far as there is room. */
export function liveSweepLines(progress: SweepProgress, nowMs: number, rows: number): string[] {
  const cells = Object.entries(progress.running).map(([name, cell]) => cellLine(name, cell));
  const room = Math.max(1, rows - 3);
  const more = cells.length > room ? [`  and ${cells.length - room} more`] : [];
  return [headLine(progress, nowMs), ...cells.slice(0, room), ...more];
}

// --- internal ---

const REDRAW_EVERY_MS = 150;
const TELL_EVERY_MS = 30_000;

function headLine(progress: SweepProgress, nowMs: number): string {
  const { complete, all } = cellCounts(progress);
  const share = sweepShareDone(progress);
  const left = sweepSecondsLeft(progress, nowMs);
  const time = timeText(left);
  return `sweep ${bar(share)} ${formatPercent(share, { digits: 0 })}  ${complete} of ${all} runs complete${time}`;
}

function cellLine(name: string, cell: Progress): string {
  const share = shareDone(cell);
  const where =
    cell.strategy === ''
      ? 'preparing'
      : `${strategyLabel(cell.strategy)} round ${Math.min(cell.round, cell.rounds)}/${cell.rounds}`;
  return `  ${bar(share)} ${formatPercent(share, { digits: 0 }).padStart(5)}  ${name}  ${where}`;
}

function timeText(left: number | null): string {
  return left === null || left < 1 ? '' : `, about ${formatSeconds(left)} left`;
}

/** Lines that stay. */
function lastingLine(event: SweepEvent, progress: SweepProgress, nowMs: number): string | null {
  switch (event.kind) {
    case 'sweep-started': {
      const { complete, all } = cellCounts(progress);
      const before = complete === 0 ? '' : `, ${complete} of them complete already`;
      return `Sweep of ${all} ${all === 1 ? 'run' : 'runs'}${before}, ${event.jobs} at a time, in ${event.folder}`;
    }
    case 'cell-event':
      return event.event.kind === 'notice' ? colours.yellow(`${event.cell}: ${event.event.text}`) : null;
    case 'cell-finished': {
      const { complete, all } = cellCounts(progress);
      const left = sweepSecondsLeft(progress, nowMs);
      const time = complete === all ? '' : timeText(left);
      return `${event.cell}: ${outcomeText(event.report)} (${complete} of ${all} complete${time})`;
    }
    default:
      return null;
  }
}

function outcomeText({ state, error, scores }: CellReport): string {
  if (state === 'failed') return colours.red(`failed: ${error}`);
  if (scores === null) return state;
  return scores.map(({ strategy, accuracy }) => `${strategyLabel(strategy)} ${formatPercent(accuracy)}`).join(', ');
}
