// What became of foreign images over the seeds of each experiment, and whether a mechanism changed it by more than chance.

import { MAX_VALUES, permutationTest } from '../evaluation/permutation-test.ts';
import type { OutlierFile, OutlierVerdict } from '../experiments/outlier-file.ts';
import { playedBy } from './group-metrics.ts';
import { formatMetric, type MetricLabel } from './metric-labels.ts';
import { isPrivate, nearestOpen } from './nearest-open.ts';
import type { Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { spreadOf } from './spread.ts';
import { strategyLabel } from './strategy-label.ts';
import { type Cell, left, metricCell, numberCell, right, type Table, withoutEmptyColumns } from './table.ts';

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

/** A row for each experiment, strategy, model and space; a column for each measure. Null where no run has any. */
export function outliersTable(groups: readonly RunGroup[]): Table | null {
  const all = groups.flatMap(judgedIn);
  if (all.length === 0) return null;
  const areAlike = new Set(all.map(judgedWords)).size === 1;
  const rows = all.flatMap((judged) =>
    viewsOf(judged).map((view): readonly Cell[] => {
      const cells = MEASURES.map(({ label: own, ...measure }) =>
        metricCell(own, spreadOf(valuesOf(judged, view, measure))),
      );
      return [
        ...[judged.group.label, strategyLabel(judged.strategy), view.model, view.space],
        areAlike ? null : judgedWords(judged),
        ...cells,
        numberCell(valuesOf(judged, view, MEASURES[0]).length),
      ];
    }),
  );
  return withoutEmptyColumns({
    id: 'outliers',
    title: 'What became of foreign images',
    columns: [
      ...[left('experiment'), left('strategy'), left('model'), left('space'), left('judged')],
      ...MEASURES.map(({ label }) => right(label.name)),
      right('runs'),
    ],
    rows,
    notes: [
      `Mean ± sample standard deviation over seeds; docs/outliers.md defines each measure. Model silo: the autoencoder of the silo that had foreign images${areAlike ? ` (${judgedWords(all[0] as Judged)} of each decoder)` : ''}. 'Reproduced' is to be read with 'separation': whatever a model makes of everything may be nearest to something foreign.`,
    ],
  });
}

/** Each private experiment beside the one without privacy that is most like it. Null where there is no such pair. */
export function outlierTests(groups: readonly RunGroup[]): Table | null {
  const all = groups.flatMap(judgedIn);
  const rows = all.flatMap((judged) => {
    if (!isPrivate(judged.group.spec)) return [];
    const others = all.filter((other) => judgedKey(other) === judgedKey(judged));
    const base = nearestOpen(
      judged.group,
      others.map(({ group }) => group),
    );
    const beside = others.find(({ group }) => group === base);
    return beside ? testRows(judged, beside) : [];
  });
  if (rows.length === 0) return null;
  return {
    id: 'outlier-tests',
    title: 'Foreign images, with a mechanism and without',
    columns: [
      ...[left('experiment'), left('beside'), left('strategy'), left('model'), left('space'), left('measure')],
      ...[right('without'), right('with'), right('difference'), right('p'), right('runs')],
    ],
    rows,
    notes: [
      'p: exact permutation test on the difference of means over seeds, two-sided; with five seeds on each side it cannot be below 0.008. None is corrected for their number. Beside: the experiment without privacy on the same data and models that is most like it; the schedule of training may differ where the mechanism asks for another.',
    ],
  };
}

// --- internal ---

/** Verdicts that may be averaged: of one experiment, on the models of one strategy, in the same way. */
interface Judged {
  readonly group: RunGroup;
  readonly strategy: string;
  readonly silo: string;
  /** Images of each decoder that were looked at. */
  readonly synthetic: number;
  readonly files: readonly [OutlierFile, ...OutlierFile[]];
}

interface View {
  readonly model: 'silo' | 'global';
  readonly space: string;
}

interface Measure {
  readonly label: MetricLabel;
  readonly of: (verdict: OutlierVerdict, space: OutlierVerdict['spaces'][number]) => number;
  /** Whether it says how much is given away, so that mechanisms are tested by it. */
  readonly isTested: boolean;
  /** Whether it is the same in every space. */
  readonly isOfNoSpace?: boolean;
}

const MODELS = ['silo', 'global'] as const;

/** The silo and the count of images may have been chosen for each run by itself; so may its main strategy. */
function judgedIn(group: RunGroup): readonly Judged[] {
  const looked = group.runs.filter(({ outliers }) => outliers !== null);
  const strategies = [...new Set(looked.flatMap(({ outliers }) => outliers?.strategy ?? []))];
  const byKey = new Map<string, Judged>();
  for (const strategy of strategies) {
    const own = looked.filter(({ outliers }) => outliers?.strategy === strategy);
    for (const file of playedBy(own, strategy).flatMap(({ run }) => run.outliers ?? [])) {
      const judged = { group, strategy, silo: file.silo, synthetic: syntheticOf(file) };
      const before = byKey.get(judgedKey(judged))?.files ?? [];
      byKey.set(judgedKey(judged), { ...judged, files: [...before, file] as [OutlierFile, ...OutlierFile[]] });
    }
  }
  return [...byKey.values()];
}

function judgedKey({ strategy, silo, synthetic }: Pick<Judged, 'strategy' | 'silo' | 'synthetic'>): string {
  return JSON.stringify([strategy, silo, synthetic]);
}

function judgedWords({ silo, synthetic }: Pick<Judged, 'silo' | 'synthetic'>): string {
  return `${silo}, ${synthetic} synthetic images`;
}

/** A strategy has one of the two models at least. */
function syntheticOf({ models }: OutlierFile): number {
  return (models.silo ?? models.global)?.images.synthetic ?? 0;
}

/** Pixels, and the features of those who asked for them. */
function viewsOf({ files }: Judged): readonly View[] {
  return MODELS.flatMap((model) => {
    const spaces = files.flatMap(({ models }) => models[model]?.spaces.map(({ space }) => space) ?? []);
    return [...new Set(spaces)].map((space) => ({ model, space }));
  });
}

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
    isOfNoSpace: true,
  },
];

function valuesOf({ files }: Judged, { model, space }: View, { of }: Pick<Measure, 'of'>): readonly number[] {
  return files.flatMap(({ models }) => {
    const verdict = models[model];
    const own = verdict?.spaces.find((one) => one.space === space);
    return verdict && own ? [of(verdict, own)] : [];
  });
}

function testRows(judged: Judged, base: Judged): readonly (readonly Cell[])[] {
  const views = viewsOf(judged);
  return views.flatMap((view) => {
    const isFirst = views.find(({ model }) => model === view.model) === view;
    const tested = MEASURES.filter(({ isTested, isOfNoSpace }) => isTested && (isFirst || !isOfNoSpace));
    return tested.flatMap((measure) => {
      const [before, after] = [valuesOf(base, view, measure), valuesOf(judged, view, measure)];
      const [without, having] = [spreadOf(before), spreadOf(after)];
      if (!without || !having) return [];
      const canTest = before.length + after.length <= MAX_VALUES && Math.min(before.length, after.length) > 1;
      const p = canTest ? permutationTest(after, before) : null;
      const difference = having.mean - without.mean;
      const size = formatMetric(measure.label, Math.abs(difference)).replace(' %', ' points');
      return [
        [
          ...[judged.group.label, base.group.label, strategyLabel(judged.strategy)],
          ...[view.model, measure.isOfNoSpace ? null : view.space, measure.label.name],
          metricCell(measure.label, without),
          metricCell(measure.label, having),
          numberCell(difference, `${difference < 0 ? '−' : '+'}${size}`),
          p === null ? null : numberCell(p, p.toPrecision(2)),
          numberCell(after.length, `${after.length} and ${before.length}`),
        ],
      ];
    });
  });
}
