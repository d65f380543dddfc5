// How `npm test` runs: which files are tests, how many at a time, how long one may take.

import { defineConfig } from 'vitest/config';
import { summaryLineReporter } from './scripts/summary-line.mjs';

export default defineConfig({
  test: {
    include: ['{src,test,scripts}/**/*.test.ts'],
    pool: 'forks', // a process a file: a crash of native code names its file and ends nothing else
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 5_000,
    unstubEnvs: true,
    restoreMocks: true,
    reporters: ['default', summaryLineReporter()],
  },
});
