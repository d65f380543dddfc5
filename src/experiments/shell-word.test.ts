import { expect, test } from 'vitest';
import { shellWord } from './shell-word.ts';

test('quotes what a shell would take for itself', () => {
  expect(shellWord('$(rm -rf /)')).toBe("'$(rm -rf /)'");
  expect(shellWord("it's")).toBe("'it'\\''s'");
  expect(shellWord('runs/a-1')).toBe('runs/a-1');
});
