// One table as Markdown and as CSV, with cells that would rather be something else.

import { describe, expect, it } from 'vitest';
import { left, right, type Table } from './table.ts';
import { csvTable, markdownTable } from './table-text.ts';

const TABLE: Table = {
  id: 'results',
  title: 'Results',
  columns: [left('silo'), right('accuracy')],
  rows: [
    ['silo-a', { text: '75.0 ± 7.1 %', value: 0.75, sd: 0.0707 }],
    ['silo-b', { text: '70.0 %', value: 0.7, sd: null }],
    [{ text: 'NO guarantee', strong: true }, null],
  ],
  notes: ['A note.'],
};

const withCell = (cell: string): Table => ({ ...TABLE, columns: [left('silo')], rows: [[cell]], notes: [] });

describe('markdownTable', () => {
  it('has a heading, aligned columns and notes', () => {
    expect(markdownTable(TABLE)).toBe(
      [
        '## Results',
        '',
        '| silo | accuracy |',
        '|---|--:|',
        '| silo-a | 75.0 ± 7.1 % |',
        '| silo-b | 70.0 % |',
        '| **NO guarantee** | – |',
        '',
        'A note.',
        '',
      ].join('\n'),
    );
  });

  it('keeps hostile names in their cell, as text', () => {
    const text = markdownTable(withCell('a|b\n## c <img src=x> [d](e) `f`'));
    expect(text).toContain('| a\\|b ## c &lt;img src=x> \\[d\\](e) \\`f\\` |');
  });
});

describe('csvTable', () => {
  it('has numbers with all digits, deviations beside them, and nothing for the unknown', () => {
    expect(csvTable(TABLE)).toBe(
      'silo,accuracy,accuracy (sd)\r\nsilo-a,0.75,0.0707\r\nsilo-b,0.7,\r\nNO guarantee,,\r\n',
    );
  });

  it.each([
    ['quotes, commas and line breaks', 'a "b",\nc', '"a ""b"",\nc"'],
    ['formulas', '=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
    ['formulas that begin with a sign', '-1+cmd', "'-1+cmd"],
  ])('makes text of %s', (_, cell, expected) => {
    expect(csvTable(withCell(cell))).toBe(`silo\r\n${expected}\r\n`);
  });
});
