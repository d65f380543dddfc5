// Audits one spec under many seeds, controls included, and prints the table of docs/audit.md: what was shown, and how often
// it exceeded the claim. Usage: node bench/audit-seeds.mjs [--seeds 20] [--control-seeds 20] <what `align-fl audit` takes>

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const bin = join(import.meta.dirname, '..', 'bin', 'align-fl.mjs');
const own = { seeds: { type: 'string', default: '20' }, 'control-seeds': { type: 'string' } };
const { values, tokens } = parseArgs({ options: own, strict: false, tokens: true, allowPositionals: true });
const seeds = Number(values.seeds);
const controlSeeds = Number(values['control-seeds'] ?? seeds);
const passedOn = process.argv.slice(2).filter((_, at) => !isOwn(at));

const findings = new Map();
let subject = null;
for (let seed = 1; seed <= seeds; seed++) {
  const audit = auditOf(seed, seed <= controlSeeds);
  subject ??= audit;
  note('none: honest', audit, audit.claimedEpsilon);
  for (const control of audit.controls) note(control.fault, control, audit.claimedEpsilon);
  process.stderr.write(`seed ${seed} of ${seeds}: lower bound ${audit.epsilon.epsilonLower.toFixed(2)}\n`);
}
const { training, claimedEpsilon, spec, clipping } = subject;
console.log(
  `${clipping}, q = ${training.samplingRate.toPrecision(3)}, noise ${training.noiseMultiplier.toFixed(3)}, ` +
    `${training.steps} of ${spec.steps} steps, claimed epsilon ${claimedEpsilon.toFixed(2)} ` +
    `(whole training: ${spec.epsilon.toFixed(2)})\n`,
);
console.log('| fault | seeds | lower bound | above claim | curve refuted |\n|---|--:|--:|--:|--:|');
for (const [fault, { bounds, above, refuted }] of findings) {
  const range = `${Math.min(...bounds).toFixed(2)} to ${Math.max(...bounds).toFixed(2)}`;
  console.log(`| ${fault} | ${bounds.length} | ${range} | ${above} | ${refuted} |`);
}

function isOwn(at) {
  return tokens.some(
    ({ kind, index, name, inlineValue }) =>
      kind === 'option' && name in own && (index === at || (!inlineValue && index + 1 === at)),
  );
}

function auditOf(seed, withControls) {
  const controls = withControls ? ['--controls'] : [];
  const args = [bin, 'audit', ...passedOn, '--seed', String(seed), '--json', ...controls];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status === 2 || stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

function note(fault, { epsilon, profile }, claimed) {
  const { bounds, above, refuted } = findings.get(fault) ?? { bounds: [], above: 0, refuted: 0 };
  findings.set(fault, {
    bounds: [...bounds, epsilon.epsilonLower],
    above: above + (epsilon.epsilonLower > claimed ? 1 : 0),
    refuted: refuted + (profile.isRefuted ? 1 : 0),
  });
}
