// The last line of `npm test`, counted from what vitest reports.

import { expect, test } from 'vitest';
import type { TestModule } from 'vitest/node';
import { summaryLine } from './summary-line.mjs';

function moduleOf(states: readonly string[], errors: readonly unknown[] = []): TestModule {
  const tests = states.map((state) => ({ result: () => ({ state }) }));
  return { children: { allTests: () => tests }, errors: () => errors } as unknown as TestModule;
}

test('tests are counted by state over all files', () => {
  const modules = [moduleOf(['passed', 'failed', 'skipped']), moduleOf(['passed', 'pending'])];
  expect(summaryLine(modules, 0)).toBe('2 passed, 1 failed, 2 skipped');
});

test('a file that could not be loaded and an error outside of tests are failures', () => {
  expect(summaryLine([moduleOf([], ['cannot load'])], 2)).toBe('0 passed, 3 failed, 0 skipped');
});

test('no tests are zeros', () => {
  expect(summaryLine([], 0)).toBe('0 passed, 0 failed, 0 skipped');
});
