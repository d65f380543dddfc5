// All studies of the paper, one sweep after the other, as one piece of work: planned, resumed and timed together.

import { join } from 'node:path';
import { AbortedError } from '../errors.ts';
import type { PaperStudy } from './paper-studies.ts';
import type { RunState } from './run-folder.ts';
import { runSweep, type SweepEvent, sweepStates } from './sweep.ts';
import type { CellReport } from './sweep-file.ts';
import { planSweep, type SweepPlan } from './sweep-plan.ts';
import type { PlayCell } from './sweep-process.ts';

export interface PlannedStudy extends PaperStudy {
  readonly plan: SweepPlan;
  /** Of its sweep. */
  readonly folder: string;
  /** Of each cell of the plan, before anything is run. */
  readonly states: readonly RunState[];
}

/** Every run of every study, below the folder `root`. Nothing is run. Throws SpecError where a study or its folder is unfit. */
export async function planPaper(studies: readonly PaperStudy[], root: string): Promise<readonly PlannedStudy[]> {
  return Promise.all(
    studies.map(async (study) => {
      const plan = await planSweep(study.sweep);
      const folder = join(root, study.id);
      return { ...study, plan, folder, states: await sweepStates(plan, folder) };
    }),
  );
}

/** A cell's name among those of all studies: its run folder below the folder of the paper. */
export function paperCell(study: Pick<PaperStudy, 'id'>, cell: string): string {
  return `${study.id}/${cell}`;
}

export interface PaperOptions {
  readonly studies: readonly PlannedStudy[];
  /** Folder of all studies. */
  readonly root: string;
  /** Runs at a time; default one a core, as far as memory goes. */
  readonly jobs?: number | undefined;
  readonly dataDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears of one sweep over all studies; its cells are named by `paperCell`. */
  readonly emit?: (event: SweepEvent) => void;
  readonly playCell?: PlayCell;
}

/** What became of the cells of a study; they are named by `paperCell`. */
export interface PlayedStudy extends PlannedStudy {
  readonly cells: readonly CellReport[];
}

/**
 * Plays all that is not complete, study by study, up to one of which no run succeeds. What fails is in the reports. Throws
 * as `runSweep`; its AbortedError counts the runs of all studies.
 */
export async function playPaper(options: PaperOptions): Promise<readonly PlayedStudy[]> {
  const { studies, root, emit = () => {}, ...common } = options;
  const played: PlayedStudy[] = [];
  let hasStarted = false;
  for (const study of studies) {
    const named = (event: SweepEvent): SweepEvent | null => {
      if (event.kind !== 'sweep-started') return { ...event, cell: paperCell(study, event.cell) };
      if (hasStarted) return null;
      hasStarted = true;
      return { ...event, folder: root, complete: studies.flatMap(completeCells) };
    };
    const report = await runSweep({
      plan: study.plan,
      folder: study.folder,
      ...common,
      emit: (event) => {
        const told = named(event);
        if (told) emit(told);
      },
    }).catch(async (error: unknown) => {
      throw error instanceof AbortedError ? await stopped(studies, root, error) : error;
    });
    played.push({ ...study, cells: report.cells.map((cell) => ({ ...cell, name: paperCell(study, cell.name) })) });
    if (report.cells.every(({ state }) => state === 'failed')) break; // the next would fail the same way
  }
  return played;
}

// --- internal ---

async function stopped(studies: readonly PlannedStudy[], root: string, cause: AbortedError): Promise<AbortedError> {
  const states = (await Promise.all(studies.map(({ plan, folder }) => sweepStates(plan, folder)))).flat();
  const done = states.filter((state) => state === 'complete').length;
  return new AbortedError(`Stopped: ${done} of ${states.length} runs are complete.`, { folder: root, done }, { cause });
}

function completeCells(study: PlannedStudy): readonly string[] {
  return study.plan.cells.flatMap(({ name }, i) => (study.states[i] === 'complete' ? [paperCell(study, name)] : []));
}
