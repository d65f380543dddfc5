// The guard is guarded: each rule sees a small bad tree and must name the place, and a good tree passes.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkStructure, formatProblem } from './check-structure.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'structure-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Problems of a tree of files; each file of src/ gets a first sentence unless its text begins with `!`. */
function problemsOf(files: Readonly<Record<string, string>>): string[] {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text.startsWith('!') ? text.slice(1) : `// A file of the test.\n${text}`);
  }
  return checkStructure(root).map(formatProblem);
}

test('a good tree has no problems', () => {
  const problems = problemsOf({
    'src/errors.ts': 'export class A extends Error {}',
    'src/engine/keys.ts': "import { A } from '../errors.ts';\nexport const key = A; // Math.random would be wrong",
    'src/models/vae.ts':
      "import { key } from '../engine/keys.ts';\nimport { other } from './other.ts';\nexport { key, other };",
    'src/models/other.ts': "export const other = 'console.log, new Date() and Date.now() are only words here';",
    'src/models/vae.test.ts': "import { cli } from '../cli/main.ts';\nconsole.log(Math.random(), Date.now(), cli);",
    'src/cli/main.ts': "import '../models/vae.ts';\nconsole.log(process.argv);\nprocess.exit(1);",
    'src/experiments/run.ts': '// Runs.\nexport const now = () => new Date();',
    'src/index.ts': "export { key } from './models/vae.ts';\nexport { cli } from './cli/main.ts';",
    'test/all.test.ts': "import '../src/index.ts';",
  });
  expect(problems).toEqual([]);
});

describe('import ranks', () => {
  test.each([
    ['up', 'src/engine/a.ts', "import { b } from '../models/b.ts';"],
    ['sideways', 'src/silo/a.ts', "import type { B } from '../server/b.ts';"],
    ['up, by re-export', 'src/engine/a.ts', "export * from '../models/b.ts';"],
    ['up, over several lines', 'src/engine/a.ts', "import {\n  b,\n  c,\n} from '../models/b.ts';"],
    ['up, at run time', 'src/engine/a.ts', "export const b = () => import('../models/b.ts');"],
    ['up, for its effect', 'src/engine/a.ts', "import '../models/b.ts';"],
  ])('an import %s is refused', (_way, path, text) => {
    expect(problemsOf({ [path]: text, 'src/models/b.ts': '', 'src/server/b.ts': '' })).toEqual([
      expect.stringMatching(/^src\/\w+\/a\.ts:\d: import-rank: /),
    ]);
  });

  test('the message names line, both rooms and a way out', () => {
    const [problem] = problemsOf({
      'src/engine/a.ts': "\n\nimport { b } from '../training/b.ts';",
      'src/training/b.ts': '',
    });
    expect(problem).toBe(
      'src/engine/a.ts:4: import-rank: engine imports up from training (src/training/b.ts): move what both need to a lower room, or pass it in as a parameter',
    );
  });

  test('code outside of src, and tests, cannot be imported by what is published', () => {
    const problems = problemsOf({
      'src/cli/a.ts': "import '../../scripts/b.ts';\nimport './c.test.ts';",
      'src/cli/c.test.ts': '',
      'scripts/b.ts': '',
    });
    expect(problems).toEqual([expect.stringContaining('not published'), expect.stringContaining('not published')]);
  });

  test('an unknown room, and a stray file in src, are refused', () => {
    const problems = problemsOf({ 'src/kitchen/a.ts': '', 'src/stray.ts': '' });
    expect(problems).toEqual([expect.stringContaining('unknown-room'), expect.stringContaining('unknown-room')]);
  });

  test('nobody inside imports the public list', () => {
    const problems = problemsOf({ 'src/cli/a.ts': "import { x } from '../index.ts';", 'src/index.ts': '' });
    expect(problems).toEqual([expect.stringMatching(/^src\/cli\/a\.ts:2: public-list: /)]);
  });
});

describe("the server's side", () => {
  test('never imports data or silo, not even a type', () => {
    const problems = problemsOf({ 'src/server/a.ts': "import type { X } from '../data/x.ts';", 'src/data/x.ts': '' });
    expect(problems).toEqual([
      expect.stringMatching(/^src\/server\/a\.ts:2: forbidden-reach: .*never meets a real image/),
    ]);
  });

  test('never reaches them through another room, and the chain is shown', () => {
    const problems = problemsOf({
      'src/server/a.ts': "import { e } from '../evaluation/e.ts';",
      'src/evaluation/e.ts': "import { x } from '../data/x.ts';\nexport const e = x;",
      'src/data/x.ts': '',
    });
    expect(problems).toEqual([expect.stringContaining('src/server/a.ts -> src/evaluation/e.ts -> src/data/x.ts')]);
  });

  test('may use a room that only borrows types from data', () => {
    const problems = problemsOf({
      'src/server/a.ts': "import { e } from '../evaluation/e.ts';",
      'src/evaluation/e.ts': "import type { X } from '../data/x.ts';\nexport const e = 1;",
      'src/data/x.ts': '',
    });
    expect(problems).toEqual([]);
  });
});

test('a circle of imports is shown once, in full', () => {
  const problems = problemsOf({
    'src/models/a.ts': "import './b.ts';",
    'src/models/b.ts': "import './c.ts';",
    'src/models/c.ts': "import './a.ts';",
  });
  expect(problems).toEqual([
    'src/models/c.ts:2: import-cycle: src/models/a.ts -> src/models/b.ts -> src/models/c.ts -> src/models/a.ts: move what both need into a third file',
  ]);
});

test.each(['src/cli/a.ts', 'src/cli/a.test.ts', 'test/a.ts', 'bench/a.mjs', 'scripts/a.mjs'])(
  '%s may have 400 lines, not 401',
  (path) => {
    expect(problemsOf({ [path]: '\n'.repeat(399) })).toEqual([]);
    expect(problemsOf({ [path]: '\n'.repeat(400) })).toEqual([expect.stringMatching(/:401: file-size: 401 lines/)]);
  },
);

test.each(['utils', 'helpers', 'common', 'misc', 'camelCase'])('a file called %s is refused', (name) => {
  expect(problemsOf({ [`src/cli/${name}.ts`]: '' })).toEqual([expect.stringContaining('file-name')]);
  rmSync(join(root, 'src'), { recursive: true });
  expect(problemsOf({ [`test/${name}.test.ts`]: '' })).toEqual([expect.stringContaining('file-name')]);
});

test.each([
  ['console', 'console.log(1);'],
  ['console', 'process.stderr.write(x);'],
  ['process', 'process.exit(1);'],
  ['process', 'process.exitCode = 1;'],
  ['process', 'const a = process.argv;'],
  ['randomness', 'const a = `${Math.random()}`;'],
  ['clock', 'const a = Date.now();'],
  ['stopwatch', 'const a = performance.now();'],
  ['clock', 'const a = new Date();'],
  ['clock', 'const a = new Date;'],
  ['stopwatch', 'const a = process.hrtime.bigint();'],
])('%s is refused: %s', (rule, text) => {
  expect(problemsOf({ 'src/engine/a.ts': `\n${text}` })).toEqual([
    expect.stringMatching(`^src/engine/a\\.ts:3: ${rule}: `),
  ]);
});

test('a date made from a number is no clock', () => {
  expect(problemsOf({ 'src/engine/a.ts': 'export const a = new Date(0);' })).toEqual([]);
});

test.each(['!export const a = 1;', '!\n// Late sentence.\n', '!//\n', '!/** A docstring. */'])(
  'a file without a first sentence is refused: %j',
  (text) => {
    expect(problemsOf({ 'src/engine/a.ts': text })).toEqual([expect.stringMatching(/:1: first-sentence: /)]);
  },
);

test.each(['export default 1;', 'const a = 1;\nexport { a as default };', 'export default function () {}'])(
  'a default export is refused: %j',
  (text) => {
    expect(problemsOf({ 'src/engine/a.ts': text })).toEqual([expect.stringContaining('default-export')]);
  },
);
