// The latent space of the global model round by round: do the classes separate, overlap, collapse?

import type { Codes, RoundCodes } from '../experiments/codes.ts';
import { type Block, type Figure, type Section, foldsAway } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { scatterChart } from './scatter-chart.ts';
import { strategyLabel } from './strategy-label.ts';

/** Null where no run wrote codes. */
export function latentSection(groups: readonly RunGroup[]): Section | null {
  const blocks = groups.flatMap((group) => {
    const run = group.runs.find(({ codes }) => codes.length > 0);
    if (!run) return [];
    return run.codes.map((codes): Block => {
      const name = `${groups.length === 1 ? '' : `${group.label}: `}${strategyLabel(codes.strategy)}, seed ${run.summary.seed}`;
      const figures = shownRounds(codes.rounds).map((round) => scatterFigure(round, { codes, group: group.id, name }));
      return { kind: 'figures', heading: name, folded: foldsAway(groups.length), figures };
    });
  });
  if (blocks.length === 0) return null;
  const text =
    "Where the global encoder puts held-out test images: its code where that has two numbers, else the code's two leading principal components, fitted anew in each round (signs and directions are arbitrary). A number stands at the middle of its class.";
  return { id: 'latent', title: 'Latent space', blocks: [{ kind: 'text', text }, ...blocks] };
}

// --- internal ---

const MAX_ROUNDS = 6;

/** The first round, the last, and others at equal distances. */
function shownRounds(rounds: readonly RoundCodes[]): readonly RoundCodes[] {
  if (rounds.length <= MAX_ROUNDS) return rounds;
  return Array.from(
    { length: MAX_ROUNDS },
    (_, i) => rounds[Math.round((i * (rounds.length - 1)) / (MAX_ROUNDS - 1))] as RoundCodes,
  );
}

function scatterFigure(
  { round, axes, explained, x, y }: RoundCodes,
  { codes, group, name }: { readonly codes: Codes; readonly group: string; readonly name: string },
): Figure {
  const id = `latent-${group}-${codes.strategy.replace(/[^a-z0-9]+/g, '-')}-${round}`;
  const axis = axes === 'code' ? 'code' : 'principal component';
  const share = explained === null ? '' : `; ${Math.round(100 * explained)} % of the variance`;
  return {
    id,
    caption: `Round ${round}: ${codes.labels.length} of ${codes.testImages} test images${share}.`,
    svg: scatterChart({
      id,
      title: `Latent space after round ${round}, ${name}`,
      xLabel: `${axis} 1`,
      yLabel: `${axis} 2`,
      points: { x, y, labels: codes.labels },
    }),
    data: null,
  };
}
