// `npm run bench`: our engine beside PyTorch and beside jax-js's WebAssembly backend, taking turns in one run.
//
// Absolute times on a shared machine mean little; the ratio ours / PyTorch of interleaved rounds does. `--json` prints
// { "rows": [{ "name", "oursMs", "torchMs", "wasmMs", "ratio" }] }; null where something was not measured.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { textTable } from '../dist/report/text-table.js';
import { findTorch } from './find-torch.mjs';
import { median } from './median.mjs';
import { startTimer } from './timer-process.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    data: { type: 'string' },
    turns: { type: 'string', default: '5' },
    steps: { type: 'string', default: '60' },
    'paper-rounds': { type: 'string', default: '1' },
    python: { type: 'string' },
  },
});
const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
/** @typedef {{ name: string, oursMs: number, torchMs: number | null, wasmMs: number | null, ratio: number | null }} Row */

/** @type {Row[]} */
const rows = [];
const python = findTorch(flags.python);
say(python ? `PyTorch: ${await torchFacts(python)}` : 'No PyTorch: its column stays empty (Debian: python3-torch).');

for (const model of ['mlp', 'conv']) {
  rows.push(await measure(`${model} VAE step, 1 thread`, model, 1, model === 'mlp'));
  rows.push(await measure(`${model} VAE step, two side by side`, model, 2, false));
}
const paper = paperRun();
if (paper) rows.push(paper);
print();

// --- internal ---

/**
 * Ours, PyTorch's and the twin's in turn; `copies` processes of each at the same time. The ratio is the median over turns.
 * @param {string} name
 * @param {string} model
 * @param {number} copies
 * @param {boolean} withWasm
 * @returns {Promise<Row>}
 */
async function measure(name, model, copies, withWasm) {
  say(name);
  const steps = Number(flags.steps);
  const group = (/** @type {string} */ command, /** @type {string[]} */ args) =>
    Array.from({ length: copies }, () => startTimer(command, args));
  const contenders = [
    { who: 'ours', steps, timers: group(process.execPath, [here('ours.mjs')]) },
    { who: 'torch', steps, timers: python ? group(python, [here('reference/vae_step.py')]) : [] },
    {
      who: 'wasm',
      steps: Math.ceil(steps / 4), // several times slower
      timers: withWasm ? group(process.execPath, [here('ours.mjs'), '--executor', 'wasm']) : [],
    },
  ].filter(({ timers }) => timers.length > 0);
  /** @type {Record<string, number[]>} */
  const times = { ours: [], torch: [], wasm: [] };
  for (let turn = 0; turn < Number(flags.turns); turn++) {
    for (const { who, steps: asked, timers } of contenders) {
      const request = { case: model, batch: 128, threads: 1, steps: asked };
      const answers = await Promise.all(timers.map((timer) => timer.ask(request)));
      times[who]?.push(Math.max(...answers.map(({ ms_per_step }) => ms_per_step)));
    }
  }
  for (const { timers } of contenders) for (const timer of timers) timer.close();
  const { ours = [], torch = [], wasm = [] } = times;
  const ratios = ours.map((ms, i) => ms / Number(torch[i]));
  return {
    name,
    oursMs: median(ours),
    torchMs: torch.length > 0 ? median(torch) : null,
    wasmMs: wasm.length > 0 ? median(wasm) : null,
    ratio: torch.length > 0 ? median(ratios) : null,
  };
}

/**
 * The training of the preset paper-mnist, silos and server, beside the same work in PyTorch.
 * @returns {Row | null}
 */
function paperRun() {
  const data = flags.data ?? process.env['ALIGN_FL_DATA'];
  const rounds = Number(flags['paper-rounds']);
  if (rounds === 0) return null;
  if (!data || !existsSync(join(data, 'mnist'))) {
    say('No MNIST: the whole run is not measured (give --data DIR or ALIGN_FL_DATA).');
    return null;
  }
  const name = `paper-mnist with FedAvg, ${rounds} of 10 rounds`;
  say(name);
  const out = mkdtempSync(join(tmpdir(), 'align-fl-bench-'));
  try {
    const sets = [`rounds=${rounds}`, 'evaluation.controls=false'].flatMap((set) => ['--set', set]);
    const args = [
      here('../bin/align-fl.mjs'),
      'run',
      'paper-mnist',
      '--data',
      data,
      '--out',
      join(out, 'run'),
      ...sets,
    ];
    execFileSync(process.execPath, args, { stdio: 'ignore' });
    /** @type {import('../dist/experiments/summary.js').Summary} */
    const { strategies } = JSON.parse(readFileSync(join(out, 'run', 'summary.json'), 'utf8'));
    const oursMs = 1000 * strategies.reduce((sum, { secondsPerStage: s }) => sum + s.silos + s.server, 0);
    const torchMs = python ? 1000 * torchPaperSeconds(python, join(data, 'mnist'), rounds) : null;
    return { name, oursMs, torchMs, wasmMs: null, ratio: torchMs === null ? null : oursMs / torchMs };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** @param {string} command @param {string} mnist @param {number} rounds @returns {number} */
function torchPaperSeconds(command, mnist, rounds) {
  const args = [here('reference/paper_run.py'), '--data', mnist, '--rounds', String(rounds), '--fedavg'];
  const printed = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const { silo_seconds: silos, server_seconds: server } = JSON.parse(printed.trim().split('\n').at(-1) ?? '');
  return silos + server;
}

/** Version and matrix library: a PyTorch on a reference BLAS is no opponent. @param {string} command */
async function torchFacts(command) {
  const timer = startTimer(command, [here('reference/vae_step.py')]);
  const { torch, blas } = await timer.ask({ case: 'mlp', batch: 128, threads: 1, steps: 1 });
  timer.close();
  return blas === 'reference'
    ? `${torch}, on a reference BLAS: install libopenblas0 for a fair race`
    : `${torch}, ${blas}`;
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

function print() {
  if (flags.json) {
    console.log(JSON.stringify({ rows }, null, 2));
    return;
  }
  const ms = (/** @type {number | null} */ value) => (value === null ? null : value.toFixed(value < 100 ? 2 : 0));
  const cells = rows.map((row) => [
    row.name,
    ms(row.oursMs),
    ms(row.torchMs),
    ms(row.wasmMs),
    row.ratio?.toFixed(2) ?? null,
  ]);
  /** @type {(string | { header: string, align: 'left' })[]} */
  const columns = [{ header: 'work', align: 'left' }, 'ours, ms', 'PyTorch, ms', 'jax-js Wasm, ms', 'ours / PyTorch'];
  console.log(textTable(columns, cells));
}
