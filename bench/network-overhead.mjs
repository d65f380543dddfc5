// `npm run bench:network`: one spec as `align-fl run`, in one process, and as `align-fl up`, a process for each silo over TLS,
// taking turns: seconds, processor seconds of all processes, and whether every decoder and the global model are the same.
//
//     npm run bench:network -- paper-mnist --data DIR --turns 2 --set rounds=2
//
// `--json` prints a line of JSON for each turn.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { textTable } from '../dist/report/text-table.js';
import { median } from './median.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    turns: { type: 'string', default: '2' },
    data: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
  },
});

/** @typedef {{ seconds: number, cpuSeconds: number, load: number, hashes: string }} Measured */
/** @typedef {{ before: number, after: number, of: number }} Waits Seconds of a round: see `waitsOf`. */
/** @typedef {{ run: Measured, up: Measured, waits: Waits[] }} Turn */

const COMMAND = fileURLToPath(new URL('../bin/align-fl.mjs', import.meta.url));
// Averaging needs weights, which never travel; what a simulation alone can judge by is left out on both sides.
const SETTINGS = ['strategies=[align]', 'evaluation.controls=false', 'evaluation.generation=null'];

execFileSync('nats-server', ['--version']); // says at once where it is missing
const spec = positionals[0] ?? 'quickstart';
/** @type {Turn[]} */
const turns = [];
for (let turn = 0; turn < Number(flags.turns); turn++) {
  const folder = mkdtempSync(join(tmpdir(), 'align-fl-overhead-'));
  // Who goes first changes, as a machine may grow busier or calmer.
  const order = turn % 2 === 0 ? /** @type {const} */ (['run', 'up']) : /** @type {const} */ (['up', 'run']);
  /** @type {Partial<Record<'run' | 'up', Measured>>} */
  const measured = {};
  for (const how of order) measured[how] = await measure(how, join(folder, how));
  const { run, up } = /** @type {{ run: Measured, up: Measured }} */ (measured);
  const done = { run, up, waits: waitsOf(join(folder, 'up')) };
  turns.push(done);
  rmSync(folder, { recursive: true });
  if (flags.json) console.log(JSON.stringify(done));
}
if (!flags.json) print();
process.exitCode = turns.every(({ run, up }) => run.hashes === up.hashes) ? 0 : 1;

// --- internal ---

/**
 * @param {'run' | 'up'} how
 * @param {string} out
 * @returns {Promise<Measured>}
 */
async function measure(how, out) {
  const data = flags.data ? ['--data', flags.data] : [];
  const set = [...SETTINGS, ...(flags.set ?? [])].flatMap((one) => ['--set', one]);
  process.stderr.write(`align-fl ${how} ${spec}\n`);
  const startedMs = performance.now();
  const said = await shellTimed([process.execPath, COMMAND, how, spec, '--json', '--out', out, ...data, ...set]);
  const seconds = (performance.now() - startedMs) / 1000;
  const at = said.lastIndexOf('}') + 1;
  const summary = JSON.parse(said.slice(0, at));
  return { seconds, cpuSeconds: processorSeconds(said.slice(at)), load: loadavg()[0] ?? 0, hashes: hashesOf(summary) };
}

/**
 * What a command prints, and then the processor time of it and of all that it waited for: only a shell tells that.
 * @param {readonly string[]} line
 * @returns {Promise<string>}
 */
function shellTimed(line) {
  const shell = spawn('sh', ['-c', '"$@" || exit $?; times', 'sh', ...line], { stdio: ['ignore', 'pipe', 'inherit'] });
  /** @type {Buffer[]} */
  const chunks = [];
  shell.stdout.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    shell.on('error', reject).on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString());
      else reject(new Error(`${line.slice(1).join(' ')} ended with ${code}.`));
    });
  });
}

/**
 * Of `times`: a line for the shell, a line for what it waited for, each with user and system time as 1m2.345s.
 * @param {string} times
 */
function processorSeconds(times) {
  const [user, system] = [...times.matchAll(/(\d+)m([\d.]+)s/g)].slice(2, 4);
  return [user, system].reduce((sum, one) => sum + 60 * Number(one?.[1]) + Number(one?.[2]), 0);
}

/**
 * Of the global model and of every decoder, in their order.
 * @param {import('../dist/experiments/summary.js').Summary} summary
 */
function hashesOf({ strategies }) {
  const decoders = strategies.flatMap(({ silos }) => silos.flatMap((silo) => silo.decoders));
  return [...strategies.map(({ globalSha256 }) => globalSha256), ...decoders.map(({ sha256 }) => sha256)].join();
}

/**
 * What the network adds to each round: from the last release kept at its silo to the server's own work (`before`), and from the
 * journal to the last silo that was told (`after`), in a round of `of` seconds.
 * @param {string} root folder of `align-fl up`
 * @returns {Waits[]}
 */
function waitsOf(root) {
  const events = linesOf(join(root, 'server', 'run', 'events.jsonl'));
  const silos = join(root, 'silos');
  const departures = readdirSync(silos).flatMap((name) => linesOf(join(silos, name, 'home', 'departures.jsonl')));
  const rounds = events.filter(({ kind }) => kind === 'round-finished').map(({ round }) => round);
  return rounds.map((round) => {
    /** @param {string} kind */
    const told = (kind) => events.filter((event) => event.kind === kind && event.round === round).map(({ at }) => at);
    /** @param {string} state */
    const noted = (state) => departures.filter((one) => one.round === round && one.state === state).map(({ at }) => at);
    const began = Math.min(...times(told('silo-started')));
    const here = Math.max(...times(told('silo-finished')));
    const kept = Math.max(...times(noted('leaving')));
    const journal = Math.max(...times(told('round-finished')));
    const committed = Math.max(...times(noted('committed')));
    return { before: (here - kept) / 1000, after: (committed - journal) / 1000, of: (journal - began) / 1000 };
  });
}

/** @param {readonly string[]} dates */
function times(dates) {
  return dates.map((date) => Date.parse(date));
}

/**
 * @param {string} path
 * @returns {any[]}
 */
function linesOf(path) {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

function print() {
  const rows = turns.map(({ run, up }, turn) => [
    String(turn + 1),
    ...[run, up].flatMap(({ seconds, cpuSeconds, load }) => [
      seconds.toFixed(1),
      cpuSeconds.toFixed(1),
      load.toFixed(1),
    ]),
    (up.seconds / run.seconds).toFixed(3),
    (up.cpuSeconds / run.cpuSeconds).toFixed(3),
    run.hashes === up.hashes ? 'same' : 'DIFFER',
  ]);
  const header = ['turn', 'run, s', 'cpu s', 'load', 'up, s', 'cpu s', 'load', 'up / run', 'cpu', 'hashes'];
  console.log(textTable(header, rows));
  const ratio = median(turns.map(({ run, up }) => up.seconds / run.seconds));
  console.log(`\nup / run, median of ${turns.length}: ${ratio.toFixed(3)}`);
  const waits = turns.flatMap((turn) => turn.waits);
  const added = waits.map(({ before, after, of }) => (before + after) / of);
  console.log(
    `The way there and back in a round: ${waits.map(({ before, after }) => `${before.toFixed(1)} + ${after.toFixed(1)} s`).join(', ')}; ` +
      `median ${(100 * median(added)).toFixed(2)} % of the round`,
  );
}
