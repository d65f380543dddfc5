// Tables as Markdown, for documents, and as CSV, for other programs.

import { type Cell, cellText, type Table } from './table.ts';

/** A heading, the table, its notes. What comes from files cannot become markup. */
export function markdownTable({ title, columns, rows, notes }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `## ${markdownText(title)}`,
    '',
    line(columns.map(({ header }) => markdownText(header))),
    `|${columns.map(({ align }) => (align === 'right' ? '--:' : '---')).join('|')}|`,
    ...rows.map((row) => line(columns.map((_, c) => markdownCell(row[c])))),
    '',
    ...notes.flatMap((note) => [markdownText(note), '']),
  ].join('\n');
}

/**
 * RFC 4180: a header, then the rows, lines ended by CR LF. Numbers are in base units (fractions, seconds, bytes) with all
 * digits; a column with deviations has a second one beside it. Unknown cells are empty.
 */
export function csvTable({ columns, rows }: Table): string {
  const spreads = columns.map((_, c) => rows.some((row) => sdOf(row[c]) !== undefined));
  const beside = (c: number, value: string, sd: string) => (spreads[c] ? [value, sd] : [value]);
  const lines = [
    columns.flatMap(({ header }, c) => beside(c, csvText(header), csvText(`${header} (sd)`))),
    ...rows.map((row) => columns.flatMap((_, c) => beside(c, csvCell(row[c]), String(sdOf(row[c]) ?? '')))),
  ];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}

// --- internal ---

/** Pipes, line breaks, HTML and Markdown's own signs lose their meaning. */
function markdownText(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]|]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}

function markdownCell(cell: Cell | undefined): string {
  const text = markdownText(cellText(cell));
  return typeof cell === 'object' && cell?.strong ? `**${text}**` : text;
}

function sdOf(cell: Cell | undefined): number | null | undefined {
  return typeof cell === 'object' ? cell?.sd : undefined;
}

function csvCell(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return '';
  if (typeof cell === 'string') return csvText(cell);
  return cell.value === undefined ? csvText(cell.text) : String(cell.value);
}

/** A spreadsheet would run a text that begins like a formula: an apostrophe before it makes it text. */
function csvText(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
