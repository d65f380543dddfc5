import { describe, expect, it } from 'vitest';
import { PrivacyError } from '../errors.ts';
import { epsilonOf } from './accountant.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';
import {
  type Account,
  type ChargeRequest,
  type LedgerState,
  openChargeFor,
  priceOf,
  spentOf,
  stateOf,
} from './ledger-charges.ts';
import type { Budget, LedgerEntry } from './ledger-entry.ts';

const date = '2026-01-02T03:04:05.000Z';
const header: LedgerEntry = {
  type: 'header',
  format: 'align-fl/ledger@1',
  silo: 'a',
  dataFingerprint: 'ab'.repeat(32),
  neighbours: 'zero-out-one',
  unit: 'record',
  date,
};
const budget = (epsilon: number): LedgerEntry => ({ type: 'budget', epsilon, delta: 1e-5, date });
const steps = (count: number) => dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1, steps: count });
const asked = (round: number, event: DpEvent = steps(100)): ChargeRequest => ({
  run: 'r',
  purpose: 'align',
  round,
  event,
});
const reserve = (id: string, round: number, event?: DpEvent): LedgerEntry => ({
  type: 'reserve',
  id,
  ...asked(round, event),
  date,
});
const sealed = (id: string): LedgerEntry => ({ type: 'sealed', id, sha256: 'cd'.repeat(32), date });
const failed = (id: string): LedgerEntry => ({ type: 'failed', id, date });

/** A stand-in accountant in which a step costs one hundredth. */
const hundredths: Account = (event) => {
  const epsilon = count(event) / 100;
  return { epsilon, rdp: epsilon, pld: epsilon };
};
function count(event: DpEvent): number {
  if (event.type === 'composed') return event.events.reduce((sum, one) => sum + count(one), 0);
  if (event.type === 'selfComposed') return event.count;
  return event.type === 'nonPrivate' ? Number.POSITIVE_INFINITY : 0;
}

function stateWith(...lines: readonly LedgerEntry[]): LedgerState {
  const state = stateOf([header, ...lines]);
  if ('problem' in state) throw new Error(state.problem);
  return state;
}
function refusal(state: LedgerState, request: ChargeRequest, account = hundredths): PrivacyError {
  try {
    priceOf(state, request, account);
  } catch (error) {
    if (error instanceof PrivacyError) return error;
    throw error;
  }
  throw new Error('it was allowed');
}

describe('stateOf', () => {
  it('takes the last budget, and joins each charge with what left for it', () => {
    const state = stateWith(budget(3), reserve('c1', 1), budget(2), sealed('c1'), reserve('c2', 2));
    expect(state.budget).toEqual<Budget>({ epsilon: 2, delta: 1e-5 });
    expect(state.entries.map(({ id, sealed: what }) => [id, what])).toEqual([
      ['c1', { sha256: 'cd'.repeat(32), date }],
      ['c2', null],
    ]);
  });

  it.each([
    ['an id charged twice', [budget(1), reserve('c1', 1), reserve('c1', 2)], 4],
    ['a seal without a charge', [budget(1), sealed('c1')], 3],
    ['two seals of one charge', [budget(1), reserve('c1', 1), sealed('c1'), sealed('c1')], 5],
    ['a seal of a failed charge', [budget(1), reserve('c1', 1), failed('c1'), sealed('c1')], 5],
    ['a failure of a sealed charge', [budget(1), reserve('c1', 1), sealed('c1'), failed('c1')], 5],
    ['a failure without a charge', [budget(1), failed('c1')], 3],
    ['no budget', [reserve('c1', 1)], 2],
  ])('refuses %s', (_, lines, line) => {
    expect(stateOf([header, ...lines])).toMatchObject({ line });
  });

  it('refuses a ledger without a line', () => {
    expect(stateOf([])).toMatchObject({ line: 1 });
  });
});

describe('openChargeFor', () => {
  it('finds the charge of the same round for the same event, as long as nothing left', () => {
    expect(openChargeFor(stateWith(budget(9), reserve('c1', 1)), asked(1))?.id).toBe('c1');
    expect(openChargeFor(stateWith(budget(9), reserve('c1', 1), sealed('c1')), asked(1))).toBeNull();
    expect(openChargeFor(stateWith(budget(9), reserve('c1', 1), sealed('c1'), reserve('c2', 1)), asked(1))?.id).toBe(
      'c2',
    );
  });

  it('does not take a charge whose training failed: its losses were seen', () => {
    const state = stateWith(budget(9), reserve('c1', 1), failed('c1'));
    expect(openChargeFor(state, asked(1))).toBeNull();
    expect(spentOf(state.entries, 1e-5, hundredths).epsilon).toBe(1); // and it stays spent
  });

  it.each([
    ['another round', asked(2)],
    ['another run', { ...asked(1), run: 's' }],
    ['another purpose', { ...asked(1), purpose: 'fedavg' }],
    ['more steps', asked(1, steps(101))],
    ['less noise', asked(1, dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 0.99, steps: 100 }))],
  ])('does not take it for %s', (_, request) => {
    expect(openChargeFor(stateWith(budget(9), reserve('c1', 1)), request)).toBeNull();
  });
});

describe('priceOf', () => {
  const spentOne = stateWith(budget(2), reserve('c1', 1));

  it('allows what meets the budget exactly', () => {
    expect(priceOf(spentOne, asked(2), hundredths).epsilon).toBe(2);
  });

  it('refuses what exceeds it, with all the numbers and what would still fit', () => {
    const { message, facts } = refusal(spentOne, asked(2, steps(101)));
    expect(facts).toMatchObject({
      budgetEpsilon: 2,
      delta: 1e-5,
      spentEpsilon: 1,
      askedEpsilon: 2.01,
      stepsThatFit: 100,
    });
    for (const part of ['Round 2 of r', 'epsilon 2 at delta 0.00001', '1 is spent', '2.01', 'Only 100 such steps']) {
      expect(message).toContain(part);
    }
  });

  it('says so where nothing fits, and where the budget was set below what is spent', () => {
    expect(refusal(stateWith(budget(1), reserve('c1', 1)), asked(2)).message).toContain('Not one such step fits.');
    expect(refusal(stateWith(budget(0.5), reserve('c1', 1)), asked(2)).facts['stepsThatFit']).toBe(0);
  });

  it('counts charges whether anything left for them or not', () => {
    for (const seals of [[], [sealed('c1')], [sealed('c1'), sealed('c2')]]) {
      const state = stateWith(budget(9), reserve('c1', 1), reserve('c2', 2), ...seals);
      expect(spentOf(state.entries, 1e-5, hundredths).epsilon).toBe(2);
    }
  });

  it('lets no finite budget pay for training without privacy, but an infinite one', () => {
    const open = asked(1, { type: 'nonPrivate', reason: 'no mechanism' });
    expect(refusal(stateWith(budget(1e9)), open, epsilonOf).facts).toMatchObject({ askedEpsilon: 'Infinity' });
    expect(priceOf(stateWith(budget(Number.POSITIVE_INFINITY)), open).epsilon).toBe(Number.POSITIVE_INFINITY);
  });

  it('takes an epsilon that is no number for a no', () => {
    const broken: Account = () => ({ epsilon: Number.NaN, rdp: 1, pld: 1 });
    expect(refusal(stateWith(budget(Number.POSITIVE_INFINITY)), asked(1), broken)).toBeInstanceOf(PrivacyError);
  });

  it('composes with the real accountant: rounds of equal steps cost what all their steps cost', () => {
    const state = stateWith(budget(8), reserve('c1', 1), reserve('c2', 2));
    expect(priceOf(state, asked(3)).epsilon).toBeCloseTo(epsilonOf(steps(300), 1e-5).epsilon, 12);
    expect(spentOf([], 1e-5)).toEqual({ epsilon: 0, rdp: 0, pld: 0 });
  });
});
