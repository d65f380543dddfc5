// The server of the scale benchmark: `serveFederation` as `align-fl server start --local` runs it, and when each stage of a
// round was reached. Prints one line of JSON when the run has ended.

import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { serveFederation } from '../dist/deployment/serve.js';
import { serverLayout } from '../dist/deployment/server-folder.js';
import { packageVersion } from '../dist/experiments/version.js';

setFlagsFromString('--no-concurrent-marking'); // as bin/align-fl.mjs does

/** @typedef {{ asked: number, asking: number, here: number, kept: number, learnt: number, telling: number, told: number }} Marks */
/** @type {Map<number, Marks>} */
const marks = new Map();
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

await serveFederation({
  layout: serverLayout(process.argv[2] ?? ''),
  nats: 'local',
  data: { env: {} },
  emit: take,
  signal: stop.signal,
  now: () => new Date(),
  version: packageVersion(),
});

const rounds = [...marks].map(([round, of]) => ({
  round,
  seconds: (of.told - of.asked) / 1000,
  asked: (of.asking - of.asked) / 1000,
  here: (of.here - of.asked) / 1000,
  kept: (of.kept - of.here) / 1000,
  learnt: (of.learnt - of.kept) / 1000,
  judged: (of.telling - of.learnt) / 1000,
  told: (of.told - of.telling) / 1000,
}));
console.log(JSON.stringify({ startSeconds: (marks.get(1)?.asked ?? Number.NaN) / 1000, rounds }));

// --- internal ---

/** @param {import('../dist/deployment/server-events.js').ServerEvent} event */
function take(event) {
  const now = performance.now();
  if (event.kind === 'server-started') of(event.round).kept = now;
  if (event.kind === 'server-finished') of(event.round).learnt = now;
  if (event.kind === 'notice') process.stderr.write(`${event.text}\n`);
  if (event.kind !== 'network') return;
  const { event: heard } = event;
  if (heard.kind === 'task-sent') of(heard.round).asking = now;
  if (heard.kind === 'release-ready') of(heard.round).here = now;
  if (heard.kind === 'release-committed') {
    const mark = of(heard.round);
    if (mark.told <= mark.learnt) mark.telling = now;
    mark.told = now;
  }
  if (heard.kind === 'message-dropped' || heard.kind === 'retry' || heard.kind === 'release-refused') {
    process.stderr.write(`${JSON.stringify(heard)}\n`);
  }
}

/** @param {number} round */
function of(round) {
  const known = marks.get(round);
  if (known) return known;
  const now = performance.now();
  const made = { asked: now, asking: now, here: now, kept: now, learnt: now, telling: now, told: now };
  marks.set(round, made);
  return made;
}
