// How steep released decoders are: what their certificates prove from above, and what was measured from below.

import type { SiloSummary } from '../experiments/summary.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { strategiesOf, summariesOf } from './group-metrics.ts';
import type { RunGroup } from './run-groups.ts';
import { strategyLabel } from './strategy-label.ts';
import { type Cell, left, numberCell, right, type Table, withoutEmptyColumns } from './table.ts';

/** A row for each silo that released a decoder somebody looked at, in its last round; null where there is none. */
export function lipschitzTable(groups: readonly RunGroup[]): Table | null {
  const rows = groups.flatMap((group) => strategiesOf(group).flatMap((strategy) => rowsOf(group, strategy)));
  if (rows.length === 0) return null;
  return withoutEmptyColumns({
    id: 'lipschitz',
    title: 'Lipschitz constants of the decoders',
    columns: [
      left('experiment'),
      left('strategy'),
      left('silo'),
      right('certified at most'),
      right('measured at least'),
      right('mean slope'),
      left('factors of the layers'),
    ],
    rows,
    notes: [
      'Images (Euclidean, pixels 0 to 1) against codes, of the decoder released last; of several seeds, the largest numbers. Certified: computed from the weights, holds everywhere. Measured: norm of the Jacobian at draws from the prior; between draws it may be higher. Neither is a privacy guarantee.',
    ],
  });
}

// --- internal ---

function rowsOf(group: RunGroup, strategy: string): readonly (readonly Cell[])[] {
  const all = summariesOf(group, strategy).flatMap(({ silos }) => silos);
  return [...new Set(all.map(({ name }) => name))].flatMap((name) => {
    const own = all.filter((silo) => silo.name === name);
    const last = own.flatMap(({ decoders }) => decoders[decoders.length - 1] ?? []);
    const slopes = last.flatMap(({ localLipschitz }) => localLipschitz ?? []);
    const certified = last.flatMap(({ certificate }) => certificate ?? []);
    if (slopes.length === 0 && certified.length === 0) return [];
    const [first] = certified;
    const worst = first && certified.reduce((most, one) => (one.bound > most.bound ? one : most), first);
    const most = (field: 'largest' | 'mean'): Cell => {
      if (slopes.length === 0) return null;
      const value = Math.max(...slopes.map((slope) => slope[field]));
      return numberCell(value, String(Number(value.toPrecision(4))));
    };
    const bound: Cell = worst ? numberCell(worst.bound, epsilonWords(worst.bound)) : 'no bound';
    return [[group.label, strategyLabel(strategy), name, bound, most('largest'), most('mean'), factorsOf(worst)]];
  });
}

/** Bounds, and so not rounded down. */
function factorsOf(certificate: Certificate | undefined): Cell {
  if (!certificate) return null;
  const layers = certificate.perLayer.map(({ norm }) => epsilonWords(norm));
  const product = certificate.perLayer.reduce((all, { norm }) => all * norm, 1);
  const rest = Number((certificate.bound / product).toPrecision(4)); // of operators without weights
  const name = rest === 0.25 ? 'sigmoid' : 'without weights';
  return [...layers, ...(rest === 1 ? [] : [`${rest} (${name})`])].join(' × ');
}

type Certificate = NonNullable<SiloSummary['decoders'][number]['certificate']>;
