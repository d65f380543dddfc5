// Tables before they become text: cells keep their numbers, so that one table is HTML, Markdown and CSV alike.

import { formatSpread, type MetricLabel } from './metric-labels.ts';
import type { Spread } from './spread.ts';

export interface TextCell {
  readonly text: string;
  /** The number behind the text, in its base unit (fraction, second, byte), for CSV. */
  readonly value?: number;
  /** Sample standard deviation of it; null for a single run. */
  readonly sd?: number | null;
  /** Not to be overlooked. */
  readonly strong?: boolean;
}

/** null is unknown, or does not apply. */
export type Cell = string | TextCell | null;

export interface Column {
  readonly header: string;
  /** Numbers right, words left. */
  readonly align: 'left' | 'right';
}

export interface Table {
  /** Name of its file: small letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Sentences to stand below it. */
  readonly notes: readonly string[];
}

export function left(header: string): Column {
  return { header, align: 'left' };
}

export function right(header: string): Column {
  return { header, align: 'right' };
}

/** A metric of one or several runs; null where there is none. */
export function metricCell(label: MetricLabel, spread: Spread | null): Cell {
  return spread && { text: formatSpread(label, spread), value: spread.mean, sd: spread.sd };
}

/** A number with its text. */
export function numberCell(value: number, text = String(value)): Cell {
  return { text, value };
}

/** What a reader sees in a cell. */
export function cellText(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return '–';
  return typeof cell === 'string' ? cell : cell.text;
}

/** The table without columns in which every cell is unknown. */
export function withoutEmptyColumns(table: Table): Table {
  const kept = table.columns.map((_, c) => table.rows.some((row) => (row[c] ?? null) !== null));
  const keep = <T>(items: readonly T[]) => items.filter((_, c) => kept[c]);
  return { ...table, columns: keep(table.columns), rows: table.rows.map(keep) };
}
