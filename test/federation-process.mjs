// One process of a federation, for tests that kill it: a server or a silo of dist/, which tells all its steps in a file and, at
// the steps that it was told to, ends itself or the broker with SIGKILL, before anything else can happen.
// Started by killed-federation.ts: node test/federation-process.mjs <file of a task>

import { appendFileSync, readFileSync } from 'node:fs';
import { joinFederation } from '../dist/deployment/join.js';
import { serveFederation } from '../dist/deployment/serve.js';
import { serverLayout } from '../dist/deployment/server-folder.js';
import { siloLayout } from '../dist/deployment/silo-home.js';

/** @type {import('./killed-federation.ts').ProcessTask} */
const task = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
const strikes = [...task.strikes];
const abort = new AbortController();
process.once('SIGTERM', () => abort.abort());

/**
 * Written before the strike: what is not in the file did not happen.
 * @param {object} line
 */
function tell(line) {
  appendFileSync(task.log, `${JSON.stringify({ at: Date.now(), pid: process.pid, who: task.who, ...line })}\n`);
}

/**
 * @param {string} step
 * @param {number | null} round
 * @param {object} [more]
 */
function seen(step, round, more) {
  tell({ step, round, ...more });
  const hit = strikes.findIndex((strike) => strike.step === step && (strike.round === null || strike.round === round));
  const [strike] = hit < 0 ? [] : strikes.splice(hit, 1);
  if (strike === undefined) return;
  tell({ struck: strike });
  const victim = strike.target === 'self' ? process.pid : Number(readFileSync(task.brokerPid, 'utf8'));
  process.kill(victim, 'SIGKILL');
}

const shared = { signal: abort.signal, now: () => new Date(), version: '0.1.0', timing: task.timing };

try {
  if (task.role === 'server') {
    await serveFederation({
      ...shared,
      layout: serverLayout(task.folder),
      nats: task.nats,
      data: { env: {} },
      emit(event) {
        if (event.kind === 'network') {
          const { event: told } = event;
          if (told.kind === 'silo-status') return;
          const { silo, sha256, code, reason, message } = /** @type {Record<string, unknown>} */ (told);
          seen(told.kind, 'round' in told ? told.round : null, { silo, sha256, code, reason, message });
        } else if (event.kind === 'connection') tell({ notice: event.notice });
        else {
          const { silo, answers } = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (event));
          seen(event.kind, 'round' in event ? event.round : null, { silo, answers });
        }
      },
    });
    tell({ ended: 'complete' });
  } else {
    const end = await joinFederation({
      ...shared,
      layout: siloLayout(task.folder),
      invite: task.invite,
      data: task.data,
      release: null,
      ledger: task.ledger,
      budget: null,
      ask: async () => true,
      emit(event) {
        if (event.kind === 'training') {
          if (event.step < event.steps) seen('training', event.round, { step_: event.step });
        } else if (event.kind === 'agent') {
          const { round, sha256, code, message, because } = /** @type {Record<string, any>} */ (event.event);
          seen(event.event.kind, round ?? null, { sha256, code, message, because });
        } else tell({ told: event });
      },
    });
    tell({ ended: end });
  }
} catch (error) {
  const { name, code, message, facts } = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (error));
  tell({ error: { name, code, message, facts } });
  process.stderr.write(`${String(code)}: ${String(message)}\n`);
  process.exitCode = code === 'ABORTED' ? 130 : 1;
}
