// The table of a sweep: what each strategy reached under each combination of values, over the seeds.

import { spreadOf } from '../evaluation/probe.ts';
import { mainScores } from './metrics.ts';
import type { Summary } from './summary.ts';
import type { CellReport, CellScores, SweepRow } from './sweep-file.ts';

/** What a complete run reached. */
export function scoresOf(summary: Pick<Summary, 'strategies'>): CellScores[] {
  return summary.strategies.map(({ strategy, final }) => ({
    strategy,
    accuracy: mainScores(final).accuracy,
    accuracyPaperSplit: final.probePaperSplit?.accuracy.mean ?? null,
    localLabelAccuracy: final.classification?.localLabelAccuracy ?? null,
    f1Weighted: mainScores(final).f1Weighted,
    reconstructionMse: final.reconstructionMse,
    fid: final.generation?.fid ?? null,
    kid: final.generation?.kid.mean ?? null,
    precision: final.generation?.precision ?? null,
    recall: final.generation?.recall ?? null,
    density: final.generation?.density ?? null,
    coverage: final.generation?.coverage ?? null,
  }));
}

/** One row a combination of values, in the order of the cells; strategies in the order in which they come. */
export function sweepTable(cells: readonly Pick<CellReport, 'values' | 'seed' | 'scores'>[]): SweepRow[] {
  const groups = new Map<string, (typeof cells)[number][]>();
  for (const cell of cells) {
    const name = JSON.stringify(cell.values);
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return [...groups.values()].map((group) => {
    const complete = group.filter(({ scores }) => scores !== null);
    const all = complete.flatMap(({ scores }) => scores ?? []);
    const strategies = [...new Set(all.map(({ strategy }) => strategy))];
    return {
      values: group[0]?.values ?? {},
      seeds: complete.map(({ seed }) => seed),
      strategies: strategies.map((strategy) => {
        const own = all.filter((scores) => scores.strategy === strategy);
        const over = (field: Exclude<keyof CellScores, 'strategy'>) => spreadOver(own.map((scores) => scores[field]));
        return {
          strategy,
          accuracy: over('accuracy'),
          accuracyPaperSplit: over('accuracyPaperSplit'),
          localLabelAccuracy: over('localLabelAccuracy'),
          f1Weighted: over('f1Weighted'),
          reconstructionMse: over('reconstructionMse'),
          fid: over('fid'),
          kid: over('kid'),
          precision: over('precision'),
          recall: over('recall'),
          density: over('density'),
          coverage: over('coverage'),
        };
      }),
    };
  });
}

// --- internal ---

function spreadOver(values: readonly (number | null)[]) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  const { mean, std } = spreadOf(known);
  return { mean, sd: std, count: known.length };
}
