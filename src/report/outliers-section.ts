// What became of foreign images over the seeds of each experiment, and whether a mechanism changed it by more than chance.

import { MAX_VALUES, permutationTest } from '../evaluation/permutation-test.ts';
import type { OutlierVerdict } from '../experiments/outlier-file.ts';
import { canonicalJson } from '../experiments/spec-identity.ts';
import { formatMetric, formatSpread, type MetricLabel } from './metric-labels.ts';
import type { Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { spreadOf } from './spread.ts';
import { type Cell, left, numberCell, right, type Table } from './table.ts';

/** Null where no run looked at foreign images. */
export function outliersSection(groups: readonly RunGroup[]): Section | null {
  const table = outliersTable(groups);
  if (table === null) return null;
  const tests = outlierTests(groups);
  return {
    id: 'outliers',
    title: 'Foreign images',
    blocks: [{ kind: 'table', table }, ...(tests ? [{ kind: 'table', table: tests } as const] : [])],
  };
}

/** A row for each experiment, model and space; a column for each measure. Null where no run has any. */
export function outliersTable(groups: readonly RunGroup[]): Table | null {
  const seen = groups.filter((group) => group.runs.some(({ outliers }) => outliers !== null));
  if (seen.length === 0) return null;
  const rows = seen.flatMap((group) =>
    VIEWS.flatMap((view): (readonly Cell[])[] => {
      const cells = MEASURES.map((measure) => {
        const spread = spreadOf(valuesOf(group, view, measure));
        return spread && { text: formatSpread(measure.label, spread), value: spread.mean, sd: spread.sd };
      });
      const count = valuesOf(group, view, MEASURES[0]).length;
      return count === 0 ? [] : [[group.label, view.model, view.space, ...cells, numberCell(count)]];
    }),
  );
  return {
    id: 'outliers',
    title: 'What became of foreign images',
    columns: [
      left('experiment'),
      left('model'),
      left('space'),
      ...MEASURES.map(({ label }) => right(label.name)),
      right('runs'),
    ],
    rows,
    notes: [
      'Mean ± sample standard deviation over seeds; docs/outliers.md defines each measure. `silo`: the autoencoder of the silo that had foreign images. `reproduced` is to be read with `separation`: whatever a model makes of everything may be nearest to something foreign.',
    ],
  };
}

/** Each experiment beside the one without a mechanism on the same data and models. Null where there is no such pair. */
export function outlierTests(groups: readonly RunGroup[]): Table | null {
  const seen = groups.filter((group) => group.runs.some(({ outliers }) => outliers !== null));
  const rows = seen.flatMap((group) => {
    if (group.spec.privacy.mechanism === 'none') return [];
    const base = seen.find(({ spec }) => spec.privacy.mechanism === 'none' && subject(spec) === subject(group.spec));
    return base ? testRows(group, base) : [];
  });
  if (rows.length === 0) return null;
  return {
    id: 'outlier-tests',
    title: 'Foreign images, with a mechanism and without',
    columns: [
      ...[left('experiment'), left('model'), left('space'), left('measure')],
      ...[right('without'), right('with'), right('difference'), right('p'), right('runs')],
    ],
    rows,
    notes: [
      'p: exact permutation test on the difference of means over seeds, two-sided; with five seeds on each side it cannot be below 0.008. None is corrected for their number. The schedule of training may differ where the mechanism asks for another.',
    ],
  };
}

// --- internal ---

interface View {
  readonly model: 'silo' | 'global';
  readonly space: string;
}

interface Measure {
  readonly label: MetricLabel;
  readonly of: (verdict: OutlierVerdict, space: OutlierVerdict['spaces'][number]) => number;
  /** Whether it says how much is given away, so that mechanisms are tested by it. */
  readonly isTested: boolean;
}

const VIEWS: readonly View[] = (['silo', 'global'] as const).flatMap((model) =>
  ['pixels', 'normalised pixels'].map((space) => ({ model, space })),
);

function label(name: string, kind: MetricLabel['kind'], digits: number): MetricLabel {
  return { path: name, name, kind, digits, better: null, charted: false };
}

const MEASURES: readonly [Measure, ...Measure[]] = [
  {
    label: label('reproduced', 'share', 1),
    of: (_, { reproduction }) => reproduction.members.reproduced.share,
    isTested: true,
  },
  {
    label: label('held out: reproduced', 'share', 1),
    of: (_, { reproduction }) => reproduction.heldOut.reproduced.share,
    isTested: false,
  },
  {
    label: label('separation', 'plain', 3),
    of: (_, { reproduction }) => reproduction.separation.estimate,
    isTested: true,
  },
  {
    label: label('recognised', 'share', 2),
    of: (_, { reproduction }) => reproduction.members.recognised.share,
    isTested: true,
  },
  {
    label: label('synthetic look foreign', 'share', 1),
    of: (_, { discriminator }) => discriminator.synthetic.looksForeign.share,
    isTested: true,
  },
  {
    label: label('distance, held out − in training', 'plain', 3),
    of: (_, { nearestSynthetic }) => nearestSynthetic.foreign.difference.estimate,
    isTested: false,
  },
  {
    label: label('AUC by distance', 'plain', 3),
    of: (_, { membershipByDistance }) => membershipByDistance.foreign.auc.estimate,
    isTested: true,
  },
  {
    label: label('AUC by reconstruction', 'plain', 3),
    of: ({ membershipByReconstruction }) => membershipByReconstruction.foreign.auc.estimate,
    isTested: true,
  },
];

function valuesOf(group: RunGroup, { model, space }: View, { of }: Measure): readonly number[] {
  return group.runs.flatMap(({ outliers }) => {
    const verdict = outliers?.models[model];
    const own = verdict?.spaces.find((one) => one.space === space);
    return verdict && own ? [of(verdict, own)] : [];
  });
}

/** What two experiments must share to be compared. */
function subject({ data, model, silos }: RunGroup['spec']): string {
  return canonicalJson({ data, model, silos });
}

function testRows(group: RunGroup, base: RunGroup): readonly (readonly Cell[])[] {
  return VIEWS.flatMap((view) =>
    MEASURES.filter(({ isTested }) => isTested).flatMap((measure) => {
      const [before, after] = [valuesOf(base, view, measure), valuesOf(group, view, measure)];
      const [without, having] = [spreadOf(before), spreadOf(after)];
      if (!without || !having) return [];
      const canTest = before.length + after.length <= MAX_VALUES && Math.min(before.length, after.length) > 1;
      const p = canTest ? permutationTest(after, before) : null;
      const difference = having.mean - without.mean;
      const size = formatMetric(measure.label, Math.abs(difference)).replace(' %', ' points');
      return [
        [
          ...[group.label, view.model, view.space, measure.label.name],
          { text: formatSpread(measure.label, without), value: without.mean, sd: without.sd },
          { text: formatSpread(measure.label, having), value: having.mean, sd: having.sd },
          numberCell(difference, `${difference < 0 ? '−' : '+'}${size}`),
          p === null ? null : numberCell(p, p.toPrecision(2)),
          numberCell(after.length, `${after.length} and ${before.length}`),
        ],
      ];
    }),
  );
}
