import { describe, expect, test } from 'vitest';
import type { ServerStatus, StatusOfSilo } from '../deployment/server-status.ts';
import { PLAIN_TEXT } from '../exchange/plain-text.ts';
import { serverStatusText } from './server-status-text.ts';

const NOW = new Date('2026-01-02T03:04:50.000Z');
const at = (second: number) => `2026-01-02T03:04:${second}.000Z`;

const silo = (name: string, change: Partial<StatusOfSilo> = {}): StatusOfSilo => ({
  name,
  access: 'in',
  isHere: true,
  state: 'training',
  round: 2,
  percent: 40,
  heardAt: at(47),
  heardSecondsAgo: 3,
  committed: [1],
  trouble: null,
  ...change,
});

const PLAYING = { round: 2, beganAt: at(16), answered: ['a'], awaited: ['b', 'c'], isOverdue: false, isClosed: false };

const status = (change: Partial<ServerStatus> = {}): ServerStatus => ({
  name: 'fed',
  state: 'under way',
  isAtWork: true,
  rounds: 3,
  roundsDone: 1,
  quorum: 2,
  deadlineMinutes: 0.2,
  playing: PLAYING,
  silos: [silo('a')],
  networkLog: null,
  ...change,
});

/** The lines above the tables. */
const head = (change: Partial<ServerStatus>) => serverStatusText(status(change), NOW).split('\n\n')[0];

test('all of it', () => {
  const trouble = { at: at(20), round: 1, code: 'PRIVACY', message: 'its budget refuses it.' };
  const denied = { at: at(10), round: null, code: 'LOST_STATE', message: 'it knows nothing.' };
  const away = { isHere: false, heardAt: at(20), committed: [], trouble };
  const none = { access: 'invited', isHere: false, state: null, round: null, percent: null, heardAt: null } as const;
  const silos = [
    silo('a', { state: 'waiting', percent: null }),
    silo('b', away),
    silo('c', { ...none, committed: [], trouble: denied }),
  ];
  const text = serverStatusText(status({ silos, networkLog: '/fed/network.jsonl' }), NOW);
  expect(text).toBe(`\
fed: under way, 1 of 3 rounds done; a server is at work
A round closes when every silo has answered, or after 12 s with 2 answers.
Round 2, for 34 s: answered by a, waits for b, c.

silo  access   state            round  of it      heard  committed rounds
────  ───────  ───────────────  ─────  ─────  ─────────  ────────────────
a     in       waiting              2         3.0 s ago  1
b     in       away (training)      2   40 %   30 s ago
c     invited                                     never

What went wrong last
  b, round 1, 30 s ago (PRIVACY): its budget refuses it.
  c, 40 s ago (LOST_STATE): it knows nothing.

What happened on the network: /fed/network.jsonl`);
});

describe('the round', () => {
  test.each([
    ['over time', { isOverdue: true }, 'Round 2, for 34 s: answered by a, waits for b, c, over time.'],
    ['without an answer', { answered: [] }, 'Round 2, for 34 s: no answer yet, waits for b, c.'],
    [
      'closed',
      { awaited: [], isOverdue: true, isClosed: true },
      'Round 2, for 34 s: answered by a, closed, the server learns.',
    ],
  ])('%s', (_, change, words) => {
    expect(head({ playing: { ...PLAYING, ...change } })).toContain(`\n${words}`);
  });

  test('in which a server ended', () => {
    expect(head({ isAtWork: false })).toBe(`\
fed: under way, 1 of 3 rounds done; no server is at work here
A round closes when every silo has answered, or after 12 s with 2 answers.
Round 2 was not complete when the server ended: answered by a, waited for b, c.`);
    const closed = { ...PLAYING, awaited: [], isClosed: true };
    expect(head({ isAtWork: false, playing: closed })).toMatch(/ended: answered by a\.$/);
  });
});

test('one of something is no plural, and who waits for every silo has no deadline', () => {
  expect(head({ rounds: 1, roundsDone: 0, quorum: 1, deadlineMinutes: 1 })).toMatch(
    /0 of 1 round done.*\n.* or after 1 min 00 s with 1 answer\.\n/,
  );
  expect(head({ quorum: null, deadlineMinutes: null, playing: null })).toMatch(
    /\nA round closes when every silo has answered\.$/,
  );
});

test('what a silo said last stands as it is where no server knows better', () => {
  const rows = (isAtWork: boolean, change: Partial<StatusOfSilo>) =>
    serverStatusText(status({ isAtWork, silos: [silo('a', change)] }), NOW);
  expect(rows(false, { isHere: false })).toMatch(/\na +in +training +2/);
  expect(rows(true, { isHere: false })).toMatch(/\na +in +away \(training\) +2/);
  expect(rows(true, { isHere: false, state: 'stopped' })).toMatch(/\na +in +stopped +2/);
  expect(rows(true, { state: null, round: null })).toMatch(/\na +in +here /);
});

test('nothing that a silo said reaches the terminal as it came', () => {
  const message = 'no\u001b[2J\u009b1m\r\u202eyes\nforged\u2028';
  const trouble = { at: at(20), round: 1, code: 'PRIVACY', message };
  const text = serverStatusText(status({ silos: [silo('a', { trouble })] }), NOW);
  expect(text.split('\n').every((line) => PLAIN_TEXT.test(line))).toBe(true);
  expect(text).toContain('(PRIVACY): no [2J 1m  yes forged');
});
