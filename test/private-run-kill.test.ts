// Private runs that are killed (SIGKILL) at any moment: no ledger ever says less than was spent, whatever left a silo was
// sealed before, and the run that goes on pays for each round once. docs/reliability.md tells how to try many moments.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { seedKey, uniforms } from '../src/engine/keys.ts';
import { type RunLayout, runLayout } from '../src/experiments/run-layout.ts';
import { readSummary } from '../src/experiments/summary.ts';
import { epsilonOf } from '../src/privacy/accountant.ts';
import { type DpSgdPlan, nominalEvent, planDpSgd } from '../src/privacy/dp-plan.ts';
import { readLedger } from '../src/privacy/ledger.ts';
import { type Charge, spentOf } from '../src/privacy/ledger-charges.ts';
import { loadState } from '../src/training/state-file.ts';

const CLI = resolve(import.meta.dirname, '..', 'bin', 'align-fl.mjs');
const ENV = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-kill-'));
const asked = Number(process.env['ALIGN_FL_KILLS'] ?? 0);
const KILLS = asked > 0 ? asked : 2;
const MOST_KILLS_A_RUN = 3;
const TABLE = process.env['ALIGN_FL_KILL_TABLE'];

const [ROUNDS, EPOCHS, BATCH, RECORDS, EPSILON, DELTA] = [3, 2, 16, 40, 8, 1e-5];
const SILOS = ['north', 'east'];
/** Strategies in the order in which they are played, and what a ledger calls their rounds. */
const PURPOSES = { align: 'train-own', fedavg: 'train-given' } as const;
const STRATEGIES = ['align', 'fedavg'] as const;
type Noise = 'secure' | 'seeded';

const living = new Set<ChildProcess>();
afterEach(() => {
  for (const child of living) child.kill('SIGKILL');
});
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

describe('a private run that is killed again and again', () => {
  test(
    'with secure noise never says less than it spent, and in the end pays for every round once',
    async () => {
      const { runs } = await killedRuns('secure');
      for (const folder of runs) await expectPaidOnce(folder, 'secure');
    },
    timeoutMs(),
  );

  test.skipIf(asked === 0)(
    'with seeded noise does so too, and ends with the decoders of the run that never was (skipped: set ALIGN_FL_KILLS)',
    async () => {
      const { whole, runs } = await killedRuns('seeded');
      for (const folder of runs) {
        await expectPaidOnce(folder, 'seeded');
        expect(decodersIn(folder)).toEqual(decodersIn(whole));
      }
    },
    timeoutMs(),
  );
});

// --- internal ---

/** Generous: a kill costs two starts of the program, and the machine may be busy. Who asks for many has time. */
function timeoutMs(): number {
  return 60_000 + KILLS * (asked > 0 ? 240_000 : 30_000);
}

/** A run that nobody disturbs, and runs that are killed at moments all over its length and then come to their end. */
async function killedRuns(noise: Noise): Promise<{ readonly whole: string; readonly runs: readonly string[] }> {
  const whole = join(ROOT, `${noise}-whole`);
  expect((await begin(whole, noise).end).code).toBe(0);
  await checkedWhileStopped(whole, noise);
  const events = eventsIn(whole);
  const count = Math.ceil(KILLS / MOST_KILLS_A_RUN);
  const chance = uniforms(seedKey(`SIGKILL ${noise}`), KILLS);
  // One moment in each equal part of the time, dealt to the runs in turn, so that each run gets moments far apart.
  const moments = Array.from(chance, (within, i) => momentAt(events, (i + within) / KILLS));
  const runs: string[] = [];
  let hits = 0;
  for (let r = 0; r < count; r++) {
    const folder = join(ROOT, `${noise}-${r}`);
    runs.push(folder);
    let ledgers = ledgerTexts(folder);
    for (const moment of moments.filter((_, i) => i % count === r)) {
      const wasKilled = await killAt(folder, noise, moment);
      hits += wasKilled ? 1 : 0;
      const seen = await checkedWhileStopped(folder, noise);
      expectGrown(ledgers, ledgerTexts(folder));
      ledgers = ledgerTexts(folder);
      tell([noise, r + 1, moment.fraction.toFixed(3), moment.name, wasKilled, seen.begun, seen.left, seen.charges]);
    }
    const end = await begin(folder, noise).end;
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null });
    expectGrown(ledgers, ledgerTexts(folder));
  }
  expect(hits).toBeGreaterThanOrEqual(Math.ceil(KILLS / 2)); // the last parts are so short that some may be over
  return { whole, runs };
}

/** A moment of a run: this long after it told this event for the first time. */
interface Moment {
  /** Of the undisturbed run's time. */
  readonly fraction: number;
  readonly name: string;
  readonly afterMs: number;
}

interface RunLine {
  readonly at: string;
  readonly kind: string;
  readonly strategy?: (typeof STRATEGIES)[number];
  readonly round?: number;
  readonly silo?: string;
  readonly epoch?: number;
}

/** Clocks differ from run to run on a busy machine, so a moment is told by what happened last before it. */
function momentAt(events: readonly RunLine[], fraction: number): Moment {
  const times = events.map(({ at }) => Date.parse(at));
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const time = first + fraction * (last - first);
  const i = Math.max(
    0,
    times.findLastIndex((one) => one <= time),
  );
  return { fraction, name: nameOf(events[i] as RunLine), afterMs: time - (times[i] as number) };
}

function nameOf({ kind, strategy, round, silo, epoch }: RunLine): string {
  return [strategy, round, silo, kind, epoch].filter((part) => part !== undefined).join(' ');
}

/** Begins the run or goes on with it, and kills it at the moment. False where it was over before. */
async function killAt(folder: string, noise: Noise, { name, afterMs }: Moment): Promise<boolean> {
  const skip = eventsIn(folder).length;
  const { child, end } = begin(folder, noise);
  const isThere = () => {
    const events = eventsIn(folder);
    return events.length > skip && events.some((event) => nameOf(event) === name);
  };
  while (child.exitCode === null && !isThere()) await sleep(2);
  await sleep(afterMs);
  child.kill('SIGKILL');
  const { signal, code } = await end;
  expect(signal === 'SIGKILL' || code === 0, (await end).stderr).toBe(true);
  return signal === 'SIGKILL';
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** The command line, begun: always the same command, which begins the run or goes on with it. */
function begin(folder: string, noise: Noise): { readonly child: ChildProcess; readonly end: Promise<Ended> } {
  const args = [CLI, 'run', specFor(folder, noise), '--out', folder];
  const child = spawn(process.execPath, args, { cwd: ROOT, env: ENV, stdio: ['ignore', 'ignore', 'pipe'] });
  living.add(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  const end = new Promise<Ended>((done) => {
    child.once('close', (code, signal) => {
      living.delete(child);
      done({ code, signal, stderr });
    });
  });
  return { child, end };
}

/** The spec of a run with ledgers of its own. */
function specFor(folder: string, noise: Noise): string {
  const path = `${folder}.yaml`;
  writeFileSync(
    path,
    `name: killed
rounds: ${ROUNDS}
data:
  source: { kind: drawn-digits, train: 200, test: 100 }
  partition: { kind: class-disjoint, classes: [[0, 1], [2, 3]] }
silos: [{ name: ${SILOS[0]} }, { name: ${SILOS[1]} }]
model: { kind: mlp, hidden: [16], latent: 2 }
local: { epochs: ${EPOCHS}, batchSize: ${BATCH} }
server: { epochs: 1, batchSize: 16, images: 20 }
strategies: [${STRATEGIES.join(', ')}]
privacy: { mechanism: dp-sgd, epsilon: ${EPSILON}, delta: ${DELTA}, noise: ${noise}, physicalBatch: ${RECORDS}, ledgerDir: ${JSON.stringify(ledgersOf(folder))} }
evaluation: { controls: false, probeSplits: 1, gridImages: 4 }
engine: { silosAtOnce: ${asked > 0 ? 2 : 1} }
`,
  );
  return path;
}

const ledgersOf = (folder: string) => `${folder}-ledgers`;
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Whole lines only: a kill may have cut off the last. */
function eventsIn(folder: string): readonly RunLine[] {
  const file = join(folder, 'events.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as RunLine);
}

/** Up to the last whole line, by silo. */
function ledgerTexts(folder: string): readonly string[] {
  return SILOS.map((silo) => {
    const file = join(ledgersOf(folder), silo, 'ledger.jsonl');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return text.slice(0, text.lastIndexOf('\n') + 1);
  });
}

function expectGrown(before: readonly string[], after: readonly string[]): void {
  for (const [i, text] of before.entries()) expect(after[i]?.startsWith(text)).toBe(true);
}

/** What the disk shows of a silo apart from its ledger, as "purpose/round": training that began, and what left. */
interface Deeds {
  readonly begun: ReadonlySet<string>;
  readonly left: ReadonlySet<string>;
}

async function deedsOf(folder: string, silo: string): Promise<Deeds> {
  const layout = runLayout(folder);
  const begun = new Set<string>();
  const left = new Set<string>();
  for (const event of eventsIn(folder)) {
    if (event.silo !== silo || event.strategy === undefined) continue;
    const deed = `${PURPOSES[event.strategy]}/${event.round}`;
    if (['silo-spent', 'silo-epoch', 'silo-finished'].includes(event.kind)) begun.add(deed);
    if (event.kind === 'silo-finished') left.add(deed);
  }
  for (const strategy of STRATEGIES) {
    const state = await loadState(join(layout.silo(silo, strategy), 'state.safetensors'));
    for (let round = 1; round <= (state?.round ?? 0); round++) begun.add(`${PURPOSES[strategy]}/${round}`);
    const global = await loadState(join(layout.global(strategy), 'state.safetensors'));
    for (let round = 1; round <= (global?.round ?? 0); round++) left.add(`${PURPOSES[strategy]}/${round}`);
  }
  return { begun, left };
}

/** Asserts what must hold at every moment, with nobody at work; returns counts over all silos. */
async function checkedWhileStopped(folder: string, noise: Noise) {
  const counts = { begun: 0, left: 0, charges: 0 };
  for (const silo of SILOS) {
    const { begun, left } = await deedsOf(folder, silo);
    const path = join(ledgersOf(folder), silo);
    const isThere = existsSync(join(path, 'ledger.jsonl'));
    const entries = isThere ? (await readLedger(path)).entries : [];
    const charged = entries.map(deedOf);
    expect(charged).toEqual([...new Set(charged)]); // a round that goes on is not charged again
    expect(charged).toEqual(expect.arrayContaining([...begun]));
    expect(entries.filter(({ sealed }) => sealed !== null).map(deedOf)).toEqual(expect.arrayContaining([...left]));
    expectDecodersSealed(runLayout(folder), silo, entries);
    if (begun.size > 0) expect(spentIn(entries)).toBeGreaterThanOrEqual(costOf(begun.size, noise) * (1 - 1e-9));
    counts.begun += begun.size;
    counts.left += left.size;
    counts.charges += entries.length;
  }
  return counts;
}

const deedOf = ({ purpose, round }: Charge) => `${purpose}/${round}`;
const spentIn = (entries: readonly Charge[]) => spentOf(entries, DELTA).epsilon;

function expectDecodersSealed(layout: RunLayout, silo: string, entries: readonly Charge[]): void {
  for (let round = 1; round <= ROUNDS; round++) {
    const file = layout.decoder(round, silo);
    if (!existsSync(file)) continue;
    const paid = entries.find((charge) => deedOf(charge) === `${PURPOSES.align}/${round}`);
    expect(paid?.sealed?.sha256).toBe(sha256(file));
  }
}

/** Epsilon of so many rounds, from the spec alone. */
function costOf(rounds: number, noise: Noise): number {
  if (noise === 'seeded') return Number.POSITIVE_INFINITY;
  const plan = planOf(noise);
  return epsilonOf(nominalEvent(plan, plan.stepsPerEpoch * EPOCHS * rounds), DELTA).epsilon;
}

function planOf(noise: Noise): DpSgdPlan {
  const rules = { mechanism: 'dp-sgd', mode: 'full', clipping: 'auto-s', clipNorm: 1, quantile: 0.5 } as const;
  const rest = { averaging: null, normaliseLoss: false, physicalBatch: null, records: null } as const;
  const work = { records: RECORDS, batchSize: BATCH, epochs: EPOCHS, rounds: ROUNDS * STRATEGIES.length };
  return planDpSgd({ ...rules, ...rest, epsilon: EPSILON, delta: DELTA, noise }, work);
}

/** Asserts of a complete run: one sealed charge a round, strategy and silo, in their order, and no other number anywhere. */
async function expectPaidOnce(folder: string, noise: Noise): Promise<void> {
  await checkedWhileStopped(folder, noise);
  const { strategies } = await readSummary(runLayout(folder).summary);
  const rounds = Array.from({ length: ROUNDS }, (_, i) => i + 1);
  for (const [i, silo] of SILOS.entries()) {
    const { entries } = await readLedger(join(ledgersOf(folder), silo));
    const due = STRATEGIES.flatMap((strategy) => rounds.map((round) => `${PURPOSES[strategy]}/${round}`));
    expect(entries.map(deedOf)).toEqual(due);
    expect(entries.every(({ sealed }) => sealed !== null)).toBe(true);
    const spent = spentIn(entries);
    for (const { silos } of strategies) expect(silos[i]?.epsilon).toBe(Number.isFinite(spent) ? spent : 'Infinity');
    if (noise === 'secure') expect(spent).toBeLessThanOrEqual(EPSILON);
  }
}

function decodersIn(folder: string): readonly string[] {
  const layout = runLayout(folder);
  return SILOS.flatMap((silo) => Array.from({ length: ROUNDS }, (_, i) => sha256(layout.decoder(i + 1, silo))));
}

/** One more line of the table that docs/reliability.md asks for. */
function tell(cells: readonly (string | number | boolean)[]): void {
  if (TABLE !== undefined) writeFileSync(TABLE, `| ${cells.join(' | ')} |\n`, { flag: 'a' });
}
