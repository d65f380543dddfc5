// How `npm test` runs: which files are tests, how many at a time, how long one may take.

import { configDefaults, defineConfig } from 'vitest/config';
import { summaryLineReporter } from './scripts/summary-line.mjs';

/** What asks native code for things that it may crash on, and what puts mocks in the place of modules. */
const APART = ['src/engine/**/*.test.ts', 'src/federation/thread-port.test.ts', 'src/net/hub-arrivals.test.ts'];

export default defineConfig({
  test: {
    // Files of src/ share two processes, which saves half of their time: it went into loading the same modules again. A process
    // a file for the rest: a crash of native code names its file and ends nothing else, and no module is known before its mock.
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['src/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...APART],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: ['{test,scripts}/**/*.test.ts', ...APART] } },
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
