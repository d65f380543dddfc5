// The table that a reader looks for first: what every strategy reached, and what nobody had to train for.

import { isJudged } from '../experiments/metrics.ts';
import type { Metrics } from '../experiments/summary.ts';
import { controlMetrics, finalMetrics, labelsIn, metricSpread, playedBy, strategiesOf } from './group-metrics.ts';
import { formatPercent } from './format.ts';
import type { Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { strategyLabel } from './strategy-label.ts';
import { type Cell, left, metricCell, numberCell, right, type Table, withoutEmptyColumns } from './table.ts';

/** Results of all groups. */
export function resultsSection(groups: readonly RunGroup[]): Section {
  return { id: 'results', title: 'Results', blocks: [{ kind: 'table', table: resultsTable(groups) }] };
}

/** Mean and deviation over seeds of every metric after the last round, a row for each strategy and control. */
export function resultsTable(groups: readonly RunGroup[]): Table {
  const labels = labelsIn(groups);
  const cells = (all: readonly Metrics[]) => labels.map((label) => metricCell(label, metricSpread(all, label.path)));
  const rows = groups.flatMap((group) => [
    ...strategiesOf(group).map((strategy): Cell[] => {
      const played = playedBy(group.runs, strategy);
      const seeds = played.map(({ run }) => run.summary.seed);
      return [group.label, strategyLabel(strategy), ...cells(played.map(({ own }) => own.final)), ...runsCells(seeds)];
    }),
    ...[...controlMetrics(group)].map(([name, bySeed]): Cell[] => [
      group.label,
      `control: ${name}`,
      ...cells([...bySeed.values()]),
      ...runsCells([...bySeed.keys()]),
    ]),
  ]);
  const hasControls = groups.some((group) => controlMetrics(group).size > 0);
  const single = groups.some(({ runs }) => runs.length === 1);
  return withoutEmptyColumns({
    id: 'results',
    title: 'Results',
    columns: [
      left('experiment'),
      left(groups.some(isClassifier) ? 'model' : 'representation'),
      ...labels.map(({ name }) => right(name)),
      right('runs'),
      left('seeds'),
    ],
    rows,
    notes: [
      `Mean ± sample standard deviation over runs that differ in their seed only${single ? '; no ± where there is one run, whose number may lie far from the mean of several' : ''}.`,
      ...(groups.every(isClassifier)
        ? []
        : [
            "The probe is a logistic regression on the global encoder's code of real, labelled test images: how far classes can be told apart by straight lines. The paper's split takes a fifth of them, fits to four fifths of that and scores the rest: 400 images of MNIST.",
          ]),
      ...(groups.some(isClassifier)
        ? [
            'Accuracy on real images: of a classifier on all held-out test images; under ALIGN-FL it learnt from synthetic images alone. Own classes only: recall weighted by how many images of each class one silo has, named among all classes, mean over silos. A silo that tests on images like its own sees that number, however badly the model does on other classes.',
          ]
        : []),
      ...generationNotes(groups),
      ...(groups.some((group) =>
        strategiesOf(group).some((name) => finalMetrics(group, name).some((one) => !isJudged(one))),
      )
        ? ['Not judged: a run without scores, whose server has no test images (data.source.testSource).']
        : []),
      ...(hasControls ? ['Controls are representations that nobody trained, probed alike.'] : []),
    ],
  });
}

// --- internal ---

function isClassifier({ spec }: RunGroup): boolean {
  return spec.task === 'classify';
}

const SHOWN_SEEDS = 6;

/** What looked at the images: more than one where not all FIDs can be compared. */
function generationNotes(groups: readonly RunGroup[]): readonly string[] {
  const all = groups.flatMap((group) => strategiesOf(group).flatMap((strategy) => finalMetrics(group, strategy)));
  const eyes = all.flatMap(({ generation }) => {
    if (generation === null) return [];
    const { extractor, extractorAccuracy, images, neighbours } = generation;
    const worth = extractorAccuracy === null ? '' : `, ${formatPercent(extractorAccuracy)} right on test images`;
    return [
      `${extractor}${worth}: ${images.synthetic} synthetic beside ${images.real} real images, ${neighbours} neighbours`,
    ];
  });
  const different = [...new Set(eyes)];
  if (different.length === 0) return [];
  return [
    `FID, KID, precision, recall, density and coverage compare features of images from the prior and of real test images, by ${different.join('; and by ')}. Numbers of different extractors, or of different counts of images, do not compare: not with each other, and not with published ones.`,
  ];
}

function runsCells(seeds: readonly number[]): readonly Cell[] {
  const last = seeds.length > SHOWN_SEEDS ? `, … ${seeds[seeds.length - 1]}` : '';
  return [numberCell(seeds.length), `${seeds.slice(0, SHOWN_SEEDS).join(', ')}${last}`];
}
