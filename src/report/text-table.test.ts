// Tables, compared as people see them.

import { describe, expect, it } from 'vitest';
import { displayWidth, textTable } from './text-table.ts';

describe('textTable', () => {
  it('aligns words left and numbers right', () => {
    const table = textTable(
      ['method', 'accuracy', 'FID'],
      [
        ['ALIGN-FL', '76.2 ± 0.4 %', 81.91],
        ['FedAvg', '9.0 %', null],
      ],
    );
    expect(table.split('\n')).toEqual([
      'method        accuracy    FID',
      '────────  ────────────  ─────',
      'ALIGN-FL  76.2 ± 0.4 %  81.91',
      'FedAvg           9.0 %      –',
    ]);
  });

  it('follows an alignment that is asked for, and ends no line in spaces', () => {
    const columns = [
      { header: 'a', align: 'right' },
      { header: 'b', align: 'left' },
    ] as const;
    expect(
      textTable(columns, [
        ['long', 1],
        ['x', 22],
      ]).split('\n'),
    ).toEqual(['   a  b', '────  ──', 'long  1', '   x  22']);
  });

  it('counts columns of the terminal, not characters', () => {
    const lines = textTable(
      ['silo', 'n'],
      [
        ['東京', 1],
        ['é', 2],
        ['e\u0301', 3],
        ['🏥', 4],
      ],
    ).split('\n');
    expect(lines.map(displayWidth)).toEqual([7, 7, 7, 7, 7, 7]);
  });

  it('keeps a name from another machine on its line', () => {
    const [, , line, ...more] = textTable(['silo'], [['a\nb\u001b[31mc']]).split('\n');
    expect(line).toBe('a b [31mc');
    expect(more).toEqual([]);
  });

  it('prints a header alone, and short rows with empty cells', () => {
    expect(textTable(['a', 'b'], [])).toBe('a  b\n─  ─');
    expect(textTable(['a', 'b'], [['x']]).split('\n')[2]).toBe('x');
  });
});
