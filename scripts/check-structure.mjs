// Checks what neither the compiler nor the linter knows: which room may import which, cycles, sizes, names, and where
// printing, exiting, chance and clocks may live. The rules themselves are data in structure-rules.mjs.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMain } from './is-main.mjs';
import { maskSource } from './mask-source.mjs';
import {
  BANNED_NAMES,
  MAX_LINES,
  NEVER_REACHES,
  PUBLIC_LIST,
  RANKS,
  RESTRICTED,
  ROOM_FILES,
} from './structure-rules.mjs';

/**
 * @typedef {{ file: string, line: number, rule: string, message: string }} Problem
 * @typedef {{ target: string, line: number, typeOnly: boolean }} Import `target` is a path from the root
 * @typedef {{ path: string, text: string, code: string, imports: readonly Import[] }} Source `code` is masked `text`
 */

/**
 * All problems of the tree at `root`, sorted by file and line.
 * @param {string} root
 * @returns {Problem[]}
 */
export function checkStructure(root) {
  const sources = ['src', 'test', 'bench', 'scripts']
    .flatMap((folder) => filesBelow(join(root, folder)))
    .filter((file) => /\.[cm]?[jt]s$/.test(file))
    .map((file) => readSource(root, file));
  const product = sources.filter(({ path }) => path.startsWith('src/') && !path.endsWith('.test.ts'));
  return [
    ...sources.flatMap((source) => [...sizeAndName(source), ...defaultExports(source)]),
    ...product.flatMap((source) => [...firstSentence(source), ...restrictedWords(source), ...importRanks(source)]),
    ...cycles(product),
    ...forbiddenReach(product),
  ].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/**
 * `file:line: rule: what to do`
 * @param {Problem} problem
 */
export function formatProblem({ file, line, rule, message }) {
  return `${file}:${line}: ${rule}: ${message}`;
}

// --- internal ---

/**
 * @param {string} root
 * @param {string} file
 * @returns {Source}
 */
function readSource(root, file) {
  const path = relative(root, file).split(sep).join('/');
  const text = readFileSync(file, 'utf8');
  const code = maskSource(text);
  return { path, text, code, imports: importsOf(path, text, code) };
}

/**
 * The relative imports of a file: static, re-exported, dynamic, and `import('...')` types.
 * @param {string} path
 * @param {string} text
 * @param {string} code
 * @returns {Import[]}
 */
function importsOf(path, text, code) {
  const statics = /^[ \t]*(?:import|export)\b(\s+type\b)?(?:[^'"();=]*?\bfrom)?\s*['"]/gm;
  const dynamics = /\b(?:import)\s*\(\s*()['"]/g;
  return [statics, dynamics]
    .flatMap((pattern) => [...code.matchAll(pattern)])
    .map((match) => {
      const start = match.index + match[0].length;
      const end = text.indexOf(text[start - 1] ?? '', start);
      const line = lineAt(text, start);
      return { specifier: text.slice(start, end), line, typeOnly: match[1] !== undefined && match[1] !== '' };
    })
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, line, typeOnly }) => ({
      target: posix.normalize(posix.join(posix.dirname(path), specifier)),
      line,
      typeOnly,
    }));
}

/**
 * @param {Source} source
 * @returns {Problem[]}
 */
function sizeAndName({ path, text }) {
  const problems = [];
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines > MAX_LINES) {
    const message = `${lines} lines, at most ${MAX_LINES}: split it by idea`;
    problems.push({ file: path, line: MAX_LINES + 1, rule: 'file-size', message });
  }
  const name = basename(path).replace(/(\.test|\.d|\.config)?\.[cm]?[jt]s$/, '');
  if (BANNED_NAMES.includes(name)) {
    problems.push({
      file: path,
      line: 1,
      rule: 'file-name',
      message: `\`${name}\` says nothing: name it after its idea`,
    });
  } else if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    problems.push({
      file: path,
      line: 1,
      rule: 'file-name',
      message: 'use kebab-case: small letters, digits, hyphens',
    });
  }
  return problems;
}

/**
 * @param {Source} source
 * @returns {Problem[]}
 */
function defaultExports({ path, code }) {
  return [...code.matchAll(/^[ \t]*export\s+default\b|^[ \t]*export\s*\{[^}]*\bas\s+default\b/gm)].map((match) => ({
    file: path,
    line: lineAt(code, match.index),
    rule: 'default-export',
    message: 'export it by name, so that it is called the same everywhere',
  }));
}

/**
 * @param {Source} source
 * @returns {Problem[]}
 */
function firstSentence({ path, text }) {
  const header = /^(?:\/\/ .*\n?)+/.exec(text)?.[0] ?? '';
  if (/\w{2,}.*[.!?:]/s.test(header)) return [];
  const message = 'begin with a `// ` sentence: what is here, and why';
  return [{ file: path, line: 1, rule: 'first-sentence', message }];
}

/**
 * @param {Source} source
 * @returns {Problem[]}
 */
function restrictedWords({ path, code }) {
  const inside = path.slice('src/'.length);
  return RESTRICTED.filter(
    ({ allowed }) => !allowed.some((place) => inside === place || (place.endsWith('/') && inside.startsWith(place))),
  ).flatMap(({ rule, pattern, advice }) =>
    [...code.matchAll(pattern)].map((match) => ({
      file: path,
      line: lineAt(code, match.index),
      rule,
      message: `\`${match[0].trim()}\` here: ${advice}`,
    })),
  );
}

/**
 * @param {Source} source
 * @returns {Problem[]}
 */
function importRanks({ path, imports }) {
  const own = roomOf(path);
  if (own === PUBLIC_LIST) return [];
  const rank = rankOf(own);
  if (rank < 0) {
    const message = `there is no room \`${own}\`: add it to RANKS in scripts/structure-rules.mjs and to ARCHITECTURE.md`;
    return [{ file: path, line: 1, rule: 'unknown-room', message }];
  }
  return imports.flatMap(({ target, line }) => {
    const problem = (/** @type {string} */ rule, /** @type {string} */ message) => [
      { file: path, line, rule, message },
    ];
    if (!target.startsWith('src/')) return problem('import-rank', `${target} is outside of src/: it is not published`);
    const other = roomOf(target);
    if (other === PUBLIC_LIST) return problem('public-list', 'import the file itself; src/index.ts is for users only');
    if (target.endsWith('.test.ts')) return problem('import-rank', `${target} is a test: it is not published`);
    if (other === own || rankOf(other) < rank) return [];
    const way = rankOf(other) === rank ? 'sideways' : 'up';
    const advice = `move what both need to a lower room, or pass it in as a parameter`;
    return problem('import-rank', `${own} imports ${way} from ${other} (${target}): ${advice}`);
  });
}

/**
 * One problem for each group of files that import each other in a circle, types included.
 * @param {readonly Source[]} sources
 * @returns {Problem[]}
 */
function cycles(sources) {
  const graph = new Map(sources.map((source) => [source.path, source]));
  /** @type {Map<string, 'open' | 'done'>} */
  const state = new Map();
  /** @type {Problem[]} */
  const problems = [];
  const visit = (/** @type {Source} */ source, /** @type {readonly string[]} */ trail) => {
    state.set(source.path, 'open');
    for (const { target, line } of source.imports) {
      const next = graph.get(target);
      if (next === undefined) continue;
      const path = [...trail, source.path];
      if (state.get(target) === 'open') {
        const circle = [...path.slice(path.indexOf(target)), target].join(' -> ');
        const message = `${circle}: move what both need into a third file`;
        problems.push({ file: source.path, line, rule: 'import-cycle', message });
      } else if (!state.has(target)) visit(next, path);
    }
    state.set(source.path, 'done');
  };
  for (const source of sources) if (!state.has(source.path)) visit(source, []);
  return problems;
}

/**
 * @param {readonly Source[]} sources
 * @returns {Problem[]}
 */
function forbiddenReach(sources) {
  const graph = new Map(sources.map((source) => [source.path, source]));
  return NEVER_REACHES.flatMap(({ from, to, because }) =>
    sources
      .filter(({ path }) => roomOf(path) === from)
      .flatMap((source) =>
        source.imports.flatMap(({ target, line, typeOnly }) => {
          const chain = typeOnly ? (to.includes(roomOf(target)) ? [target] : null) : chainTo(graph, target, to);
          if (chain === null) return [];
          const message = `${[source.path, ...chain].join(' -> ')}: ${because}`;
          return [{ file: source.path, line, rule: 'forbidden-reach', message }];
        }),
      ),
  );
}

/**
 * The shortest chain of run-time imports from `start` to one of `rooms`, or null.
 * @param {Map<string, Source>} graph
 * @param {string} start
 * @param {readonly string[]} rooms
 * @returns {string[] | null}
 */
function chainTo(graph, start, rooms) {
  const seen = new Set([start]);
  for (const chain of /** @type {Generator<string[]>} */ (breadthFirst(graph, start, seen))) {
    if (rooms.includes(roomOf(chain.at(-1) ?? ''))) return chain;
  }
  return null;
}

/**
 * @param {Map<string, Source>} graph
 * @param {string} start
 * @param {Set<string>} seen
 */
function* breadthFirst(graph, start, seen) {
  const waiting = [[start]];
  for (let chain = waiting.shift(); chain !== undefined; chain = waiting.shift()) {
    yield chain;
    for (const { target, typeOnly } of graph.get(chain.at(-1) ?? '')?.imports ?? []) {
      if (typeOnly || seen.has(target)) continue;
      seen.add(target);
      waiting.push([...chain, target]);
    }
  }
}

/**
 * `engine` for src/engine/keys.ts, `errors` for src/errors.ts, the name itself for other files of src/.
 * @param {string} path
 */
function roomOf(path) {
  const [first = '', ...rest] = path.split('/').slice(1);
  return rest.length === 0 && ROOM_FILES.includes(first) ? first.replace(/\.ts$/, '') : first;
}

/** @param {string} room */
function rankOf(room) {
  return RANKS.findIndex((rooms) => rooms.includes(room));
}

/**
 * @param {string} text
 * @param {number} index
 */
function lineAt(text, index) {
  return text.slice(0, index).split('\n').length;
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

if (isMain(import.meta.url)) {
  const problems = checkStructure(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const problem of problems) console.log(formatProblem(problem));
  if (problems.length > 0)
    console.log(`${problems.length} problems of structure. The rules: scripts/structure-rules.mjs.`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
