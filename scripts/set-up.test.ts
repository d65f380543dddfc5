// Set-up on small made-up clones with a made-up npm: what is stale, what is said, and what happens when two come at once.

import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeProblem } from '../bin/node-version.mjs';
import { isBuilt } from './build.mjs';
import { markInstalled, whyNotInstalled } from './installed.mjs';
import { withLock } from './lock.mjs';
import { setUp } from './set-up.mjs';

const REPOSITORY = resolve(import.meta.dirname, '..');

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'set-up-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const LOCK = {
  packages: {
    '': { name: 'clone' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/b-otheros': { version: '1.0.0', integrity: 'sha512-b', optional: true, os: ['otheros'] },
  },
};

/** A clone with one source file. Its npm installs what the lock says, a link to the real compiler, and counts its calls. */
function makeClone(): { readonly npm: readonly string[]; readonly calls: () => number } {
  mkdirSync(join(root, 'src', 'cli'), { recursive: true });
  mkdirSync(join(root, 'scripts'));
  writeFileSync(join(root, 'scripts', 'build.mjs'), '');
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(LOCK));
  writeFileSync(join(root, 'tsconfig.json'), '{ "compilerOptions": { "module": "NodeNext", "types": [] } }');
  const build = {
    extends: './tsconfig.json',
    compilerOptions: { rootDir: 'src' },
    include: ['src'],
    exclude: ['src/**/*.test.ts'],
  };
  writeFileSync(join(root, 'tsconfig.build.json'), JSON.stringify(build));
  writeFileSync(join(root, 'src', 'cli', 'main.ts'), 'export const greeting: string = "hello";\n');
  const npm = join(root, 'npm.mjs');
  writeFileSync(
    npm,
    `import { appendFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
     appendFileSync('calls.txt', process.env.ONNXRUNTIME_NODE_INSTALL + '\\n');
     mkdirSync('node_modules', { recursive: true });
     if (!existsSync('node_modules/typescript')) symlinkSync(${JSON.stringify(join(REPOSITORY, 'node_modules', 'typescript'))}, 'node_modules/typescript', 'junction');
     const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
     delete packages[''];
     for (const [path, { os }] of Object.entries(packages)) if (os) delete packages[path];
     writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));`,
  );
  const calls = () => {
    const text = readdirSync(root).includes('calls.txt') ? readFileSync(join(root, 'calls.txt'), 'utf8') : '';
    return text.split('\n').filter((line) => line === 'skip').length;
  };
  return { npm: [process.execPath, npm], calls };
}

describe('a clone', () => {
  test('without node_modules is installed and built, saying so once, and then left alone', async () => {
    const { npm, calls } = makeClone();
    const said: string[] = [];
    const say = (line: string) => said.push(line);
    await setUp(root, { say, npm });
    expect(said).toEqual([expect.stringMatching(/^node_modules is missing, so running npm ci/), 'building dist/.']);
    expect(readFileSync(join(root, 'dist', 'cli', 'main.js'), 'utf8')).toContain('greeting = "hello"');
    await setUp(root, { say, npm });
    expect(said).toHaveLength(2);
    expect(calls()).toBe(1);
    expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('is built again when a source changes or goes, and old files go from dist', async () => {
    const { npm } = makeClone();
    const say = () => undefined;
    writeFileSync(join(root, 'src', 'old.ts'), 'export const old = 1;\n');
    await setUp(root, { say, npm });
    expect(isBuilt(root)).toBe(true);
    rmSync(join(root, 'src', 'old.ts'));
    expect(isBuilt(root)).toBe(false);
    await setUp(root, { say, npm });
    expect(readdirSync(join(root, 'dist')).sort()).toEqual(['.build-stamp', 'cli']);
    utimesSync(join(root, 'src', 'cli', 'main.ts'), 1, 1);
    expect(isBuilt(root)).toBe(false);
  });

  test('is not built again when only a test changes', async () => {
    const { npm } = makeClone();
    await setUp(root, { say: () => undefined, npm });
    writeFileSync(join(root, 'src', 'cli', 'main.test.ts'), 'this would not compile');
    expect(isBuilt(root)).toBe(true);
    expect(isBuilt(root, { checkTypes: true })).toBe(false);
  });

  test('keeps its last build when the sources do not compile, and the message shows where', async () => {
    const { npm } = makeClone();
    const say = () => undefined;
    await setUp(root, { say, npm });
    writeFileSync(join(root, 'src', 'cli', 'main.ts'), 'export const = ;\n');
    await expect(setUp(root, { say, npm })).rejects.toThrow(/do not compile[\s\S]*main\.ts\(1,14\)/);
    expect(readFileSync(join(root, 'dist', 'cli', 'main.js'), 'utf8')).toContain('greeting');
    expect(isBuilt(root)).toBe(false);
  });

  test('shows the whole output of a failed npm ci and what to do, and tries again next time', async () => {
    const { npm, calls } = makeClone();
    const broken = [process.execPath, '-e', 'console.log("line one"); console.error("line two"); process.exit(3)'];
    await expect(setUp(root, { say: () => undefined, npm: broken })).rejects.toThrow(
      /exit code 3[\s\S]*line one[\s\S]*line two[\s\S]*What to do: /,
    );
    await setUp(root, { say: () => undefined, npm });
    expect(calls()).toBe(1);
  });

  test('is installed once when two set-ups come at the same time', async () => {
    const { npm, calls } = makeClone();
    const said: string[] = [];
    const once = () => setUp(root, { say: (line) => said.push(line), npm });
    await Promise.all([once(), once()]);
    expect(calls()).toBe(1);
    expect(said.filter((line) => line.startsWith('another process'))).toHaveLength(1);
    expect(said.filter((line) => line.startsWith('building'))).toHaveLength(1);
  });
});

describe('node_modules', () => {
  const installed = () => writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify(npmRecord));
  const npmRecord = { packages: { 'node_modules/a': LOCK.packages['node_modules/a'] } };
  beforeEach(() => {
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify(LOCK));
    mkdirSync(join(root, 'node_modules'));
  });

  test('installed by hand with npm is adopted', () => {
    installed();
    expect(whyNotInstalled(root)).toBeNull();
  });

  test('without npm’s record, or with another version than the lock’s, is stale', () => {
    expect(whyNotInstalled(root)).toMatch(/incomplete/);
    const other = { packages: { 'node_modules/a': { version: '2.0.0', integrity: 'sha512-c' } } };
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify(other));
    expect(whyNotInstalled(root)).toMatch(/does not match/);
  });

  test('goes stale with a new lock, not with a touched one', () => {
    installed();
    markInstalled(root);
    utimesSync(join(root, 'package-lock.json'), 1, 1);
    expect(whyNotInstalled(root)).toBeNull();
    const changed = structuredClone(LOCK);
    changed.packages['node_modules/a'].version = '1.0.1';
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify(changed));
    expect(whyNotInstalled(root)).toMatch(/does not match/);
  });

  test('goes stale with another Node or system', () => {
    installed();
    markInstalled(root, 'linux-x64-node20');
    expect(whyNotInstalled(root, 'linux-x64-node20')).toBeNull();
    expect(whyNotInstalled(root, 'linux-x64-node24')).toBe(
      'node_modules was made for linux-x64-node20, this is linux-x64-node24',
    );
  });
});

describe('the lock', () => {
  test('lets one work at a time and is gone afterwards, also after a failure', async () => {
    const folder = join(root, 'lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((done) => setImmediate(done));
      inside--;
    };
    await Promise.all([withLock(folder, work), withLock(folder, work), withLock(folder, work)]);
    expect(most).toBe(1);
    await expect(withLock(folder, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(readdirSync(root)).toEqual([]);
  });

  test('of a process that is gone is taken over', async () => {
    const folder = join(root, 'lock');
    const lock = resolve(REPOSITORY, 'scripts', 'lock.mjs');
    const program = `const { withLock } = await import(${JSON.stringify(lock)}); await withLock(${JSON.stringify(folder)}, async () => process.exit(0));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    await new Promise((done) => child.on('close', done));
    expect(readdirSync(folder)).toEqual(['holders.json']);
    await expect(withLock(folder, async () => 'mine')).resolves.toBe('mine');
  });

  test('is held by a process that was added, even if the owner is gone', async () => {
    const folder = join(root, 'lock');
    const lock = resolve(REPOSITORY, 'scripts', 'lock.mjs');
    const program = `const { withLock } = await import(${JSON.stringify(lock)});
      await withLock(${JSON.stringify(folder)}, async (addHolder) => { addHolder(${process.pid}); process.exit(0); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    await new Promise((done) => child.on('close', done));
    await expect(withLock(folder, async () => 'mine', { limitMs: 0 })).rejects.toThrow(/delete that folder/);
  });

  test('of an owner who fell silent is taken over, one that is held is waited for until the limit', async () => {
    const folder = join(root, 'lock');
    mkdirSync(folder);
    await expect(withLock(folder, async () => 'mine', { limitMs: 0 })).rejects.toThrow(/delete that folder/);
    utimesSync(folder, 1, 1);
    await expect(withLock(folder, async () => 'mine')).resolves.toBe('mine');
  });
});

test.each([
  ['20.19.0', true],
  ['20.20.2', true],
  ['22.0.0', true],
  ['100.0.0', true],
  ['20.18.9', false],
  ['18.20.0', false],
  ['9.11.2', false],
])('Node %s is new enough: %s', (version, enough) => {
  const problem = nodeProblem(version);
  if (enough) expect(problem).toBeNull();
  else expect(problem).toMatch(new RegExp(`needs Node >=20\\.19, but this is Node ${version}.*nodejs\\.org`));
});

test('a program knows that it was started, also through a link to its folder', () => {
  mkdirSync(join(root, 'real'));
  const isMain = pathToFileURL(join(REPOSITORY, 'scripts', 'is-main.mjs')).href;
  const program = `import { isMain } from '${isMain}'; console.log(isMain(import.meta.url));`;
  writeFileSync(join(root, 'real', 'program.mjs'), program);
  symlinkSync(join(root, 'real'), join(root, 'linked'), 'junction');
  const said = (place: string) => execFileSync(process.execPath, [join(root, place)], { encoding: 'utf8' }).trim();
  expect(said('real/program.mjs')).toBe('true');
  expect(said('linked/program.mjs')).toBe('true');
});
