// A report on disk: the page, and its tables and figures as files of their own.

import { join } from 'node:path';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { standaloneSvg } from './chart-style.ts';
import { htmlPage } from './html-page.ts';
import type { Report } from './report-blocks.ts';
import type { Table } from './table.ts';
import { csvTable, markdownTable } from './table-text.ts';

/** Writes the page to `path` in one step, and returns its size in bytes. */
export async function writePage(report: Report, path: string): Promise<number> {
  const page = Buffer.from(htmlPage(report));
  await writeFileAtomic(path, page);
  return page.length;
}

/**
 * Writes into `folder`: `tables.md` with all tables, `<table>.csv` for each, `figures/<figure>.svg` for each chart with
 * the numbers in it as `figures/<figure>.csv`. Returns the paths within the folder. Other files there are left alone.
 */
export async function writeTables(report: Report, folder: string): Promise<readonly string[]> {
  const blocks = report.sections.flatMap((section) => section.blocks);
  const shown = blocks.flatMap((block) => (block.kind === 'table' ? [block.table] : []));
  const all = blocks.flatMap((block) => (block.kind === 'table' || block.kind === 'data' ? [block.table] : []));
  const figures = blocks.flatMap((block) => (block.kind === 'figures' ? block.figures : []));
  const csv = (prefix: string, table: Table) => [`${prefix}${table.id}.csv`, csvTable(table)] as const;
  const files: (readonly [string, string])[] = [
    ['tables.md', shown.map(markdownTable).join('\n')],
    ...all.map((table) => csv('', table)),
    ...figures.map(({ id, svg }) => [`figures/${id}.svg`, standaloneSvg(svg)] as const),
    ...figures.flatMap(({ data }) => (data ? [csv('figures/', data)] : [])),
  ];
  for (const [name, content] of files) await writeFileAtomic(join(folder, name), content);
  return files.map(([name]) => name);
}
