// A reporter for vitest that ends the output with one plain line, `N passed, N failed, N skipped`, for people who
// skim and programs that count.

/**
 * Counts tests; a file that could not be loaded, or an error outside of any test, counts as one failure.
 * @param {readonly import('vitest/node').TestModule[]} modules
 * @param {number} unhandledErrors
 */
export function summaryLine(modules, unhandledErrors) {
  const counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      counts[state === 'pending' ? 'skipped' : state] += 1;
    }
    if (module.errors().length > 0) counts.failed += 1;
  }
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/**
 * Prints the line when the process ends, so that nothing comes after it.
 * @returns {import('vitest/node').Reporter}
 */
export function summaryLineReporter() {
  let line = '';
  process.once('exit', () => {
    if (line !== '') console.log(line);
  });
  return {
    onTestRunEnd(modules, unhandledErrors) {
      line = summaryLine(modules, unhandledErrors.length);
    },
  };
}
