// Processes that are killed while they charge, and several at once: the ledger forgets nothing that it acknowledged. The
// processes run dist/, which `npm test` brings up to date.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLedger } from './ledger.ts';

const LEDGER = new URL('../../dist/privacy/ledger.js', import.meta.url).href;
/** Charges and seals round after round, as TASK says, and prints each id that it was given. */
const CHILD = `
  import { openLedger } from ${JSON.stringify(LEDGER)};
  const { folder, run, rounds, budget } = JSON.parse(process.env.TASK);
  const ledger = await openLedger({
    folder, silo: 'a', dataFingerprint: 'ab'.repeat(32), neighbours: 'zero-out-one', now: () => new Date(0),
    budget: { epsilon: budget, delta: 1e-5 },
    account: ({ events }) => ({ epsilon: events.length, rdp: events.length, pld: events.length }),
  });
  const event = { type: 'gaussian', noiseMultiplier: 1 };
  for (let round = 1; round <= rounds; round++) {
    try {
      const { id } = await ledger.charge({ run, purpose: 'align', round, event });
      process.stdout.write('charged ' + id + '\\n');
      await ledger.seal(id, 'cd'.repeat(32));
      process.stdout.write('sealed ' + id + '\\n');
    } catch (error) {
      process.stdout.write('refused ' + error.code + '\\n');
    }
  }
`;

interface Task {
  readonly folder: string;
  readonly run: string;
  readonly rounds: number;
  readonly budget: number;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-ledger-crash-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Lines that a process printed for `task`; with `killAfter` it is killed when it has printed so many, plus some time. */
async function play(task: Task, kill?: { readonly afterLines: number; readonly spins: number }): Promise<string[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
    env: { ...process.env, TASK: JSON.stringify(task) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (kill && text.split('\n').length > kill.afterLines) later(kill.spins, () => child.kill('SIGKILL'));
  });
  await once(child, 'close');
  return text.split('\n').slice(0, -1);
}

/** Calls back after that many turns of the event loop: a moment that falls anywhere within what the child is doing. */
function later(turns: number, then: () => void): void {
  if (turns === 0) then();
  else setImmediate(() => later(turns - 1, then));
}

const idsOf = (lines: readonly string[], word: string) =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));

describe('a ledger', () => {
  it('shows all that a process was told before it was killed, whenever that was, and can be gone on with', async () => {
    const told: string[] = [];
    for (const [i, spins] of [0, 100, 400, 1500].entries()) {
      const task = { folder, run: `run-${i}`, rounds: 1000, budget: 1e9 };
      const lines = await play(task, { afterLines: 1 + (i % 3), spins });
      told.push(...idsOf(lines, 'charged'));
      const { entries } = await readLedger(folder);
      expect(entries.map(({ id }) => id)).toEqual(expect.arrayContaining(told));
      const sealed = entries.flatMap(({ id, sealed: seal }) => (seal === null ? [] : [id]));
      expect(sealed).toEqual(expect.arrayContaining(idsOf(lines, 'sealed')));
      expect(entries.length).toBeGreaterThanOrEqual(told.length);
      expect(entries.length).toBeLessThanOrEqual(told.length + i + 1); // one a process may be there though it was not told
    }
  });

  it('lets processes that charge at once spend the budget together, and not one charge more', async () => {
    const tasks = ['x', 'y', 'z'].map((run) => ({ folder, run, rounds: 4, budget: 7 }));
    const lines = (await Promise.all(tasks.map((task) => play(task)))).flat();
    const charged = idsOf(lines, 'charged');
    expect(charged.toSorted()).toEqual(['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7']);
    expect(idsOf(lines, 'refused')).toEqual(Array.from({ length: 5 }, () => 'PRIVACY'));
    const { entries } = await readLedger(folder);
    expect(entries.map(({ id, sealed }) => [id, sealed === null])).toEqual(charged.toSorted().map((id) => [id, false]));
  });
});
