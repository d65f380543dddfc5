// Plain-text tables for terminals and logs: aligned columns, one rule under the header, no colours.

export interface TableColumn {
  readonly header: string;
  /** Default: right where every cell begins like a number or is unknown, else left. */
  readonly align?: 'left' | 'right';
}

/** Numbers are printed as they are; format them first. null is unknown and printed as `–`. */
export type TableCell = string | number | null;

/**
 * Lines of equal width joined by `\n`, columns two spaces apart, no spaces at the ends of lines. Cells that a row lacks
 * are empty, those beyond the columns are dropped; line breaks and other control characters become spaces.
 */
export function textTable(columns: readonly (string | TableColumn)[], rows: readonly (readonly TableCell[])[]): string {
  const cells = rows.map((row) => columns.map((_, c) => cellText(row[c])));
  const layout = columns.map((column, c) => {
    const { header, align } = typeof column === 'string' ? { header: column, align: undefined } : column;
    const own = cells.map((row) => row[c] as string);
    const text = oneLine(header);
    const width = Math.max(displayWidth(text), ...own.map(displayWidth));
    return { header: text, width, right: (align ?? (own.every(looksNumeric) ? 'right' : 'left')) === 'right' };
  });
  const line = (texts: readonly string[]): string =>
    layout
      .map(({ width, right }, c) => {
        const text = texts[c] as string;
        const space = ' '.repeat(width - displayWidth(text));
        return right ? space + text : text + space;
      })
      .join('  ')
      .trimEnd();
  const header = line(layout.map((column) => column.header));
  const rule = layout.map(({ width }) => '─'.repeat(width)).join('  ');
  return [header, rule, ...cells.map(line)].join('\n');
}

/** Columns of a terminal that `text` takes: 2 for East Asian wide characters and emoji, 0 for combining marks. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += ZERO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

// --- internal ---

const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

function cellText(cell: TableCell | undefined): string {
  if (cell === undefined) return '';
  return cell === null ? '–' : oneLine(String(cell));
}

/** Names may come from other machines: nothing in them may move the cursor. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

function looksNumeric(text: string): boolean {
  return text === '' || text === '–' || /^[-+−<>≥≤~]?\s?\.?\d/.test(text);
}
