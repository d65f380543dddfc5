// How to repeat each run, and what exactly it was.

import { privaciesOf } from '../experiments/spec.ts';
import { join } from 'node:path';
import { machineWords } from './costs-section.ts';
import { repeatCommand } from './repeat-command.ts';
import type { Block, Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import type { RunRecord } from './run-record.ts';
import { type Cell, left, numberCell, right, type Table } from './table.ts';

export function repeatSection(groups: readonly RunGroup[]): Section {
  const runs = groups.flatMap((group) => group.runs);
  const specs = groups.map(
    ({ label, spec, runs: [{ root }] }): Block => ({
      kind: 'folded',
      heading: `Complete spec of ${label} (${root})`,
      text: JSON.stringify(spec, null, 2),
    }),
  );
  const usesData = groups.some(({ spec }) => ['mnist', 'fashion-mnist'].includes(spec.data.source.kind));
  const isSecret = runs.some(({ spec }) =>
    privaciesOf(spec).some((privacy) => 'noise' in privacy && privacy.noise === 'secure'),
  );
  const remarks = [
    'The same spec and seed give the same numbers, to the last bits on the same kind of machine.',
    ...(usesData ? ['Add --data DIR where MNIST and Fashion-MNIST lie in a folder of yours.'] : []),
    ...(isSecret
      ? [
          'Private noise comes from the operating system and cannot be repeated: those runs give other numbers each time.',
        ]
      : []),
  ];
  return {
    id: 'repeat',
    title: 'To repeat it',
    blocks: [
      { kind: 'text', text: remarks.join(' ') },
      { kind: 'code', lines: runs.map(({ root, spec }) => repeatCommand(spec, join(root, 'spec.json'))) },
      { kind: 'table', table: runsTable(runs) },
      ...specs,
    ],
  };
}

// --- internal ---

const SHORT_HASH = 12;

function runsTable(runs: readonly RunRecord[]): Table {
  return {
    id: 'runs',
    title: 'Runs',
    columns: [
      left('run folder'),
      right('seed'),
      left('spec'),
      left('global models'),
      left('align-fl'),
      left('finished (UTC)'),
      left('machine'),
    ],
    rows: runs.map(({ root, summary }): Cell[] => [
      root,
      numberCell(summary.seed),
      summary.specHash.slice(0, SHORT_HASH),
      summary.strategies
        .flatMap(({ strategy, globalSha256: hash }) =>
          hash === null ? [] : `${strategy} ${hash.slice(0, SHORT_HASH)}`,
        )
        .join(', '),
      summary.alignFlVersion,
      summary.finishedAt.slice(0, 16).replace('T', ' '),
      machineWords(summary.machine),
    ]),
    notes: ['Hashes are SHA-256, cut short: equal specs are equal experiments, equal global models are equal results.'],
  };
}
