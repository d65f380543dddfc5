// Compiles src/ into dist/ with the plain TypeScript compiler and writes the JSON schema of the spec beside it.
// The new files are made aside and then moved over the old ones, so a running program never meets half a build.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMain } from './is-main.mjs';
import { withLock } from './lock.mjs';
import { runProgram } from './run-program.mjs';

/** The lock that set-up and build share. */
export const LOCK_NAME = '.set-up.lock';

/**
 * True where dist/ was made from exactly these sources; with `checkTypes` also only where their types were checked.
 * @param {string} root
 * @param {{ checkTypes?: boolean }} [options]
 */
export function isBuilt(root, { checkTypes = false } = {}) {
  try {
    const stamp = JSON.parse(readFileSync(join(root, STAMP), 'utf8'));
    return stamp.sources === sourcesHash(root) && (stamp.typesChecked || !checkTypes);
  } catch {
    return false;
  }
}

/**
 * Builds. Without `checkTypes` only syntax can fail: checking types is the work of `npm run check`, and of packing.
 * Throws with the compiler's whole output.
 * @param {string} root
 * @param {{ checkTypes?: boolean }} [options]
 * @returns {Promise<{ schema: boolean }>} whether there was a schema to write
 */
export async function build(root, { checkTypes = false } = {}) {
  const sources = sourcesHash(root); // before reading them: an edit meanwhile makes the stamp stale, as it should
  for (const name of readdirSync(root)) {
    if (name.startsWith('.build-')) rmSync(join(root, name), { recursive: true, force: true });
  }
  const aside = join(root, `.build-${process.pid}`);
  try {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    if (!existsSync(tsc)) throw new Error('The compiler is not installed: run `node scripts/set-up.mjs` first.');
    const args = [
      tsc,
      '-p',
      'tsconfig.build.json',
      '--outDir',
      aside,
      ...(checkTypes ? ['--noEmitOnError'] : ['--noCheck']),
    ];
    const { code, output } = await runProgram(process.execPath, args, { cwd: root });
    if (code !== 0) throw new Error(`The sources do not compile; dist/ was left as it was.\n${output}`);
    const schema = await writeSchema(aside);
    rmSync(join(root, STAMP), { force: true });
    moveOver(aside, join(root, 'dist'));
    writeFileSync(join(root, STAMP), `${JSON.stringify({ sources, typesChecked: checkTypes })}\n`);
    return { schema };
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

// --- internal ---

const STAMP = 'dist/.build-stamp';

/**
 * Changes with the list of source files, their sizes or times, the compiler's settings and version.
 * @param {string} root
 */
function sourcesHash(root) {
  const files = filesBelow(join(root, 'src')).filter((file) => !file.endsWith('.test.ts'));
  files.push(
    ...['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'scripts/build.mjs'].map((name) =>
      join(root, name),
    ),
  );
  const hash = createHash('sha256');
  for (const file of files) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${relative(root, file)} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/**
 * The schema that editors complete a spec with, from the module that also parses specs.
 * @param {string} built
 */
async function writeSchema(built) {
  const module = join(built, 'experiments', 'spec-schema.js');
  if (!existsSync(module)) return false;
  const { specJsonSchema } = await import(pathToFileURL(module).href);
  writeFileSync(join(built, 'experiments', 'spec.schema.json'), `${JSON.stringify(specJsonSchema(), null, 2)}\n`);
  return true;
}

/**
 * Moves every file of `from` over its twin in `to`, one atomic rename each, then deletes what has no twin.
 * @param {string} from
 * @param {string} to
 */
function moveOver(from, to) {
  const made = filesBelow(from).map((file) => relative(from, file));
  for (const file of made) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    renameSync(join(from, file), join(to, file));
  }
  const kept = new Set(made);
  for (const file of filesBelow(to)) if (!kept.has(relative(to, file))) rmSync(file);
}

/**
 * All files below a folder, sorted.
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();
}

if (isMain(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  if (isBuilt(root, { checkTypes: true })) {
    console.error('align-fl: dist/ is up to date.');
  } else {
    try {
      const { schema } = await withLock(join(root, LOCK_NAME), () => build(root, { checkTypes: true }));
      console.error(
        `align-fl: built dist/${schema ? '' : ' (no src/experiments/spec-schema.ts yet, so no spec.schema.json)'}.`,
      );
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  }
}
