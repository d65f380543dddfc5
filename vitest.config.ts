// How `npm test` runs: which files are tests, how many at a time, how long one may take.

import { configDefaults, defineConfig } from 'vitest/config';
import { summaryLineReporter } from './scripts/summary-line.mjs';

const ALL = '{src,test,scripts}/**/*.test.ts';
const SHARED = 'src/{data,evaluation,exchange,privacy,report,storage}/**/*.test.ts';

export default defineConfig({
  test: {
    // Where little or no native code runs, files share a process, which saves half of the time: most of it went into loading
    // the same modules again. Elsewhere a process a file: a crash of native code names its file and ends nothing else.
    projects: [
      { extends: true, test: { name: 'shared', include: [SHARED], isolate: false } },
      { extends: true, test: { name: 'alone', include: [ALL], exclude: [...configDefaults.exclude, SHARED] } },
    ],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 5_000,
    unstubEnvs: true,
    restoreMocks: true,
    reporters: ['default', summaryLineReporter()],
  },
});
