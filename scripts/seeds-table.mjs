// Prints one Markdown table of several runs: mean and standard deviation over seeds of what each strategy reached.
//
//     node scripts/seeds-table.mjs runs/paper-mnist-seed1 runs/paper-mnist-seed2 ...

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {import('../src/experiments/summary.ts').Summary} Summary */
/** @typedef {import('../src/experiments/summary.ts').Metrics} Metrics */

/** @type {Summary[]} */
const summaries = process.argv.slice(2).map((dir) => JSON.parse(readFileSync(join(dir, 'summary.json'), 'utf8')));
const [first] = summaries;
if (!first) throw new Error('Name the run folders whose summaries are to be joined.');

/** @type {Map<string, Metrics[]>} */
const byName = new Map();
for (const { name, strategies, controls } of summaries) {
  const entries = [
    ...strategies.map(({ strategy, final }) => /** @type {const} */ ([`${name}: ${strategy}`, final])),
    ...controls.map((control) => /** @type {const} */ ([`control: ${control.name}`, control.metrics])),
  ];
  for (const [row, metrics] of entries) byName.set(row, [...(byName.get(row) ?? []), metrics]);
}
console.log(
  "| representation | seeds | accuracy, all test images, % | F1, all, % | accuracy, the paper's split, % | F1, split, % | reconstruction MSE |",
);
console.log('|---|--:|--:|--:|--:|--:|--:|');
for (const [row, metrics] of byName) {
  const percent = (/** @type {(m: Metrics) => number | undefined} */ pick) =>
    spread(
      metrics.map((m) => 100 * (pick(m) ?? Number.NaN)),
      1,
    );
  const cells = [
    String(metrics.length),
    percent((m) => m.probeFullTest.accuracy.mean),
    percent((m) => m.probeFullTest.f1Weighted.mean),
    percent((m) => m.probePaperSplit?.accuracy.mean),
    percent((m) => m.probePaperSplit?.f1Weighted.mean),
    spread(
      metrics.map((m) => m.reconstructionMse ?? Number.NaN),
      4,
    ),
  ];
  console.log(`| ${row} | ${cells.join(' | ')} |`);
}

// --- internal ---

/** Mean and sample standard deviation. @param {number[]} values @param {number} digits */
function spread(values, digits) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (Number.isNaN(mean)) return '-';
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return values.length === 1
    ? mean.toFixed(digits)
    : `${mean.toFixed(digits)} ± ${Math.sqrt(variance).toFixed(digits)}`;
}
