// Which images the runs are about, and which silo had which.

import type { Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import type { Manifest, RunRecord } from './run-record.ts';
import { type Cell, left, numberCell, right, type Table } from './table.ts';

export function dataSection(groups: readonly RunGroup[]): Section {
  const dealt = partitionTable(groups);
  return {
    id: 'data',
    title: 'Data and partition',
    blocks: [
      { kind: 'table', table: dataTable(groups) },
      ...(dealt === null ? [] : [{ kind: 'table' as const, table: dealt }]),
    ],
  };
}

// --- internal ---

const SHORT_HASH = 12;

function dataTable(groups: readonly RunGroup[]): Table {
  return {
    id: 'data',
    title: 'Data',
    columns: [
      left('experiment'),
      left('data set'),
      right('training images'),
      right('test images'),
      left('partition'),
      left('classes'),
      left('SHA-256'),
    ],
    rows: groups.map(({ label, spec, runs: [{ summary, manifest }] }): Cell[] => [
      label,
      summary.dataSet.name,
      summary.dataSet.train === null ? null : numberCell(summary.dataSet.train),
      numberCell(summary.dataSet.test),
      spec.data.partition.kind,
      manifest && classesWords(manifest),
      `${summary.dataSet.sha256.slice(0, SHORT_HASH)}…`,
    ]),
    notes: ['Counts before the images were dealt. Test images are held out: no silo sees them.'],
  };
}

function classesWords({ disjoint, sharedClasses }: Manifest): string {
  if (disjoint === null) return 'known to the silos alone';
  return disjoint ? 'of one silo each' : `shared: ${sharedClasses.join(', ')}`;
}

/** Of the first run of each group; groups that were dealt alike share a row. Null where no run has a manifest. */
function partitionTable(groups: readonly RunGroup[]): Table | null {
  const dealt = new Map<string, { readonly labels: string[]; readonly silos: Manifest['silos'] }>();
  for (const { label, runs } of groups) {
    const silos = runs[0].manifest?.silos;
    if (!silos || silos.length === 0) continue;
    const key = JSON.stringify(silos);
    const same = dealt.get(key);
    if (same) same.labels.push(label);
    else dealt.set(key, { labels: [label], silos });
  }
  if (dealt.size === 0) return null;
  return {
    id: 'partition',
    title: 'Partition',
    columns: [
      left('experiment'),
      left('silo'),
      right('images'),
      left('images of each class'),
      right('foreign'),
      left('SHA-256'),
    ],
    rows: [...dealt.values()].flatMap(({ labels, silos }) =>
      silos.map(({ name, examples, classes, foreign, sha256 }): Cell[] => [
        labels.length > 2 ? `${labels[0]} and ${labels.length - 1} others` : labels.join('; '),
        name,
        numberCell(examples),
        classes.map(({ label, count }) => `${label}: ${count}`).join(', '),
        numberCell(foreign),
        `${sha256.slice(0, SHORT_HASH)}…`,
      ]),
    ),
    notes: [`Counted and hashed from what was dealt${seedWords(groups)}.`],
  };
}

function seedWords(groups: readonly RunGroup[]): string {
  const differs = groups.some(({ runs }) => new Set(runs.map(hashOf)).size > 1);
  return differs ? ', in the first run of each experiment; other seeds were dealt other images' : '';
}

function hashOf({ summary }: RunRecord): string {
  return summary.partition.sha256;
}
