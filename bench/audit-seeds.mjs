// Audits one spec under many seeds and prints a table as in docs/audit.md: what was shown, and how often it exceeded the
// claim. Usage: node bench/audit-seeds.mjs <seeds> <seeds with controls> <what `align-fl audit` takes>

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * @typedef {{ epsilon: { epsilonLower: number }, profile: { isRefuted: boolean } }} Outcome
 * @typedef {Outcome & {
 *   clipping: string, claimedEpsilon: number, controls: readonly (Outcome & { fault: string })[],
 *   training: { samplingRate: number, noiseMultiplier: number, steps: number }, spec: { steps: number, epsilon: number },
 * }} Audit
 */

const bin = join(import.meta.dirname, '..', 'bin', 'align-fl.mjs');
const [seeds = '20', controlSeeds = seeds, ...rest] = process.argv.slice(2);

/** @type {Audit[]} */
const audits = [];
for (let seed = 1; seed <= Number(seeds); seed++) {
  const audit = auditOf(seed, seed <= Number(controlSeeds));
  audits.push(audit);
  process.stderr.write(`seed ${seed} of ${seeds}: lower bound ${audit.epsilon.epsilonLower.toFixed(2)}\n`);
}
const [{ training, claimedEpsilon, spec, clipping }] = /** @type {[Audit]} */ (/** @type {unknown} */ (audits));
console.log(
  `${clipping}, q = ${training.samplingRate.toPrecision(3)}, noise ${training.noiseMultiplier.toFixed(3)}, ` +
    `${training.steps} of ${spec.steps} steps, claimed epsilon ${claimedEpsilon.toFixed(2)} ` +
    `(whole training: ${spec.epsilon.toFixed(2)})\n`,
);
console.log('| fault | seeds | lower bound | above claim | curve refuted |\n|---|--:|--:|--:|--:|');
row('none: honest', audits);
for (const { fault } of audits[0]?.controls ?? []) {
  row(
    fault,
    audits.flatMap(({ controls }) => controls.filter((control) => control.fault === fault)),
  );
}

/** @param {string} fault @param {readonly Outcome[]} outcomes */
function row(fault, outcomes) {
  const bounds = outcomes.map(({ epsilon }) => epsilon.epsilonLower);
  const range = `${Math.min(...bounds).toFixed(2)} to ${Math.max(...bounds).toFixed(2)}`;
  const above = bounds.filter((bound) => bound > claimedEpsilon).length;
  const refuted = outcomes.filter(({ profile }) => profile.isRefuted).length;
  console.log(`| ${fault} | ${outcomes.length} | ${range} | ${above} | ${refuted} |`);
}

/** @param {number} seed @param {boolean} withControls @returns {Audit} */
function auditOf(seed, withControls) {
  const args = [bin, 'audit', ...rest, '--seed', String(seed), '--json', ...(withControls ? ['--controls'] : [])];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status === 2 || stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}
