// What must hold of a federation after kills, and a line for each kill of a table.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runLayout } from '../src/experiments/run-layout.ts';
import { openRunFolder, parseSpec, runExperiment, type Spec } from '../src/index.ts';
import { readDepartures } from '../src/net/departures.ts';
import { readLedger } from '../src/privacy/ledger.ts';
import { type Charge, spentOf } from '../src/privacy/ledger-charges.ts';
import { hashesIn, type KilledFederation, type Strike } from './killed-federation.ts';

/** Kills that happened, in their order. */
export function struckIn(federation: KilledFederation): readonly Strike[] {
  return federation.log().flatMap(({ struck }) => (struck ? [struck] : []));
}

/** What the server was told of, whatever was done twice. */
export function expectOneFileARound(federation: KilledFederation): void {
  const files = new Map<string, Set<string>>();
  for (const { step, silo, round, sha256: hash } of federation.log()) {
    if (step !== 'release-announced') continue;
    const place = `${silo} ${round}`;
    files.set(place, (files.get(place) ?? new Set()).add(hash ?? ''));
  }
  expect([...files.values()].map(({ size }) => size)).toEqual([...files].map(() => 1));
  expect(files.size).toBe(federation.spec.rounds * federation.spec.silos.length);
}

/** What the same seeds give in one process that nobody disturbs. */
export async function undisturbed(root: string, spec: Spec): Promise<Readonly<Record<string, string>>> {
  const path = mkdtempSync(join(root, 'alone-'));
  await runExperiment({ folder: await openRunFolder({ path, spec }), data: { env: {} } });
  return hashesIn(path);
}

/** Ledgers of the same silos in one process that nobody disturbs, in a folder each. */
export async function undisturbedLedgers(root: string, spec: Spec): Promise<string> {
  const ledgers = mkdtempSync(join(root, 'ledgers-'));
  const path = mkdtempSync(join(root, 'alone-'));
  const alone = parseSpec({ ...spec, privacy: { ...spec.privacy, ledgerDir: ledgers } });
  await runExperiment({ folder: await openRunFolder({ path, spec: alone }), data: { env: {} } });
  return ledgers;
}

/** The charges of `ledgers` and no more, each with one seal: of the file that the server has, which left once. */
export async function expectPaidOnce(federation: KilledFederation, ledgers: string, delta: number): Promise<void> {
  const { rounds, silos } = federation.spec;
  for (const { name } of silos) {
    const [paid, due] = [await readLedger(federation.ledger(name)), await readLedger(join(ledgers, name))];
    const charges = (entries: readonly Charge[]) =>
      entries.map(({ purpose, round, event }) => ({ purpose, round, event }));
    expect(charges(paid.entries)).toEqual(charges(due.entries));
    expect(spentOf(paid.entries, delta)).toEqual(spentOf(due.entries, delta));
    const served = Array.from({ length: rounds }, (_, i) =>
      sha256(runLayout(federation.server.run).decoder(i + 1, name)),
    );
    for (const { round, sealed } of paid.entries) expect(sealed?.sha256).toBe(served[round - 1]);
    const { departures } = await readDepartures(federation.home(name).departures);
    expect(departures.map(({ round, sha256: hash, state }) => ({ round, hash, state }))).toEqual(
      served.flatMap((hash, i) =>
        ['leaving', 'delivered', 'committed'].map((state) => ({ round: i + 1, hash, state })),
      ),
    );
  }
}

/** A line for each kill, of what became of its round; to ALIGN_FL_KILL_TABLE. */
export function tabulate(victim: string, federation: KilledFederation, strikes: readonly Strike[]): void {
  if (TABLE === undefined) return;
  const log = federation.log();
  for (const strike of strikes) {
    const at = log.find(({ struck }) => JSON.stringify(struck) === JSON.stringify(strike))?.at ?? 0;
    const round = strike.round ?? 1;
    const silo = strike.who === 'server' ? (federation.spec.silos[0]?.name ?? '') : strike.who;
    const end = log.find((line) => line.at >= at && line.step === 'round-finished' && line.round === round);
    const of = (step: string) => log.filter((line) => line.step === step && line.who === silo && line.round === round);
    const files = new Set(
      log.flatMap((line) =>
        line.step === 'release-announced' && line.silo === silo && line.round === round ? [line.sha256] : [],
      ),
    );
    const cells = [
      victim,
      strike.step,
      strike.round ?? '',
      end ? ((end.at - at) / 1000).toFixed(1) : 'over',
      of('task').length,
      of('played').length,
      files.size,
    ];
    writeFileSync(TABLE, `| ${cells.join(' | ')} |\n`, { flag: 'a' });
  }
}

export function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

// --- internal ---

const TABLE = process.env['ALIGN_FL_KILL_TABLE'];
