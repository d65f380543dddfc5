// The paper's failure signatures: what each measures in every experiment, in how many runs it shows, and what to do then.

import type { Diagnostics } from '../experiments/diagnostic-fields.ts';
import { formatPercent } from './format.ts';
import { strategiesOf, summariesOf } from './group-metrics.ts';
import type { Block, Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { spreadOf } from './spread.ts';
import { strategyLabel } from './strategy-label.ts';
import { type Cell, left, right, type Table, withoutEmptyColumns } from './table.ts';

/** Null where no run was looked at. */
export function diagnosticsSection(groups: readonly RunGroup[]): Section | null {
  const subjects = groups.flatMap((group) =>
    strategiesOf(group).map((strategy) => ({
      group,
      strategy,
      all: summariesOf(group, strategy).flatMap(({ diagnostics }) => diagnostics ?? []),
    })),
  );
  const judged = subjects.filter(({ all }) => all.length > 0);
  if (judged.length === 0) return null;
  const shown = SIGNATURES.flatMap(({ name, of }) => {
    const advice = judged.flatMap(({ all }) => all.flatMap((one) => (of(one)?.seen ? [of(one)?.advice ?? ''] : [])));
    return advice.length === 0 ? [] : [{ term: name, text: [...new Set(advice)].join(' '), strong: true }];
  });
  const blocks: Block[] = [
    { kind: 'table', table: tableOf(judged) },
    shown.length === 0 ? { kind: 'text', text: 'None of them shows in these runs.' } : { kind: 'list', items: shown },
  ];
  return { id: 'diagnostics', title: 'Failure signatures', blocks };
}

// --- internal ---

interface Signature {
  readonly name: string;
  readonly of: (diagnostics: Diagnostics) => { readonly seen: boolean; readonly advice: string } | null;
  readonly numbers: readonly { readonly name: string; readonly of: (diagnostics: Diagnostics) => number | undefined }[];
}

const SIGNATURES: readonly Signature[] = [
  {
    name: 'overlapping latent clusters',
    of: ({ latentOverlap }) => latentOverlap,
    numbers: [{ name: 'overlap', of: ({ latentOverlap }) => latentOverlap?.overlap }],
  },
  {
    name: 'averaging by accident',
    of: ({ averaging }) => averaging,
    numbers: [
      { name: 'class contrast', of: ({ averaging }) => averaging?.classContrast },
      { name: 'sample variance', of: ({ averaging }) => averaging?.sampleVariance },
    ],
  },
  {
    name: 'outlier leakage',
    of: ({ outlierLeakage }) => outlierLeakage,
    numbers: [
      {
        name: 'excess of foreign images',
        of: ({ outlierLeakage }) =>
          outlierLeakage === null ? undefined : Math.max(...outlierLeakage.silos.map(({ excess }) => excess.estimate)),
      },
    ],
  },
];

interface Subject {
  readonly group: RunGroup;
  readonly strategy: string;
  /** One of each run that has them. */
  readonly all: readonly Diagnostics[];
}

function tableOf(subjects: readonly Subject[]): Table {
  return withoutEmptyColumns({
    id: 'diagnostics',
    title: 'Failure signatures',
    columns: [
      left('experiment'),
      left('representation'),
      ...SIGNATURES.flatMap(({ name, numbers }) => [left(name), ...numbers.map((number) => right(number.name))]),
    ],
    rows: subjects.map(({ group, strategy, all }) => [
      group.label,
      strategyLabel(strategy),
      ...SIGNATURES.flatMap((signature) => cellsOf(signature, all)),
    ]),
    notes: [
      'After the last round. Overlap: share of other classes among the nearest codes of a test image, over that of random ones (0 apart, 1 mixed). Class contrast: variance between classes that reconstructions keep. Sample variance: of synthetic images, over that of test images. Excess of foreign images: share of a decoder’s images that resemble foreign training images most, minus that of test images; of the silo that has most, where there are foreign images.',
    ],
  });
}

function cellsOf({ of, numbers }: Signature, all: readonly Diagnostics[]): readonly Cell[] {
  const told = all.flatMap((one) => of(one) ?? []);
  if (told.length === 0) return [null, ...numbers.map(() => null)];
  const seen = told.filter((one) => one.seen).length;
  const words = told.length === 1 ? 'SEEN' : `SEEN in ${seen} of ${told.length}`;
  return [
    seen === 0 ? 'no' : { text: words, strong: true },
    ...numbers.map((number): Cell => {
      const spread = spreadOf(all.flatMap((one) => number.of(one) ?? []));
      return spread && { text: formatPercent(spread.mean, { std: spread.sd }), value: spread.mean, sd: spread.sd };
    }),
  ];
}
