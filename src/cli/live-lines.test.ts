import { expect, test } from 'vitest';
import { createLiveLines } from './live-lines.ts';

const GREEN = '\x1b[32m██\x1b[39m';

/** What is written of lines on a terminal of this width. */
function drawn(columns: number, lines: readonly string[]): string[] {
  const writes: string[] = [];
  const stream = { columns, write: (text: string) => void writes.push(text) } as unknown as NodeJS.WriteStream;
  createLiveLines(stream).draw(lines);
  return writes.join('').split('\n').slice(0, -1);
}

test('no line is as wide as the terminal, with colours or without, and colours end', () => {
  expect(drawn(10, ['0123456789abc', `${GREEN}0123456789`, 'short'])).toEqual([
    '012345678',
    `${GREEN}0123456`,
    'short',
  ]);
  expect(drawn(2, [`${GREEN}0`])).toEqual(['\x1b[32m█\x1b[39m']);
});
