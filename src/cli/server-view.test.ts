import { performance } from 'node:perf_hooks';
import { expect, test, vi } from 'vitest';
import type { ServerEvent } from '../deployment/server-events.ts';
import { PLAIN_TEXT } from '../exchange/plain-text.ts';
import { createServerView } from './server-view.ts';

/** Lines that a server's console without a terminal gets. */
function told(...events: readonly ServerEvent[]): string[] {
  const lines: string[] = [];
  const write = (text: string) => void lines.push(text);
  const view = createServerView({ isTTY: false, write } as unknown as NodeJS.WriteStream);
  for (const event of events) view.show(event);
  view.close();
  // oxlint-disable-next-line no-control-regex -- colours
  return lines.map((line) => line.replace(/\x1b\[[0-9;]*m/g, '').trimEnd());
}

const at = { strategy: 'align', round: 3 } as const;

/** Every look at the clock is later than how often shares are told. */
function hurryClock(): void {
  let nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 11_000));
}

const said = (silo: string, round: number, percent: number): ServerEvent => {
  const status = { silo, instance: 'i', state: 'training', round, percent } as const;
  return { kind: 'network', event: { kind: 'silo-status', silo, status } };
};

test('a round that is over time is told of with its answers and whom it waits for', () => {
  const overdue = { kind: 'round-overdue', ...at, quorum: 2, answered: ['a'], awaited: ['b', 'c'] } as const;
  expect(told(overdue)).toEqual(['round 3 is over time: 1 of the 2 answers it needs; waits for b, c']);
  expect(told({ ...overdue, quorum: 1, answered: [] })).toEqual([
    'round 3 is over time: not one answer yet; waits for b, c',
  ]);
});

test('so is a silo whose time is up, and what comes late; other reasons were told by the silo', () => {
  const missing = { kind: 'silo-missing', ...at, silo: 'b', message: '' } as const;
  const failed = {
    kind: 'silo-failed',
    silo: 'b',
    round: 3,
    code: 'PRIVACY',
    message: 'it refuses',
    isNew: true,
  } as const;
  expect(
    told(
      { ...missing, code: 'DEADLINE' },
      { kind: 'network', event: failed },
      { ...missing, code: 'PRIVACY' },
      { kind: 'silo-late', ...at, silo: 'b', answers: 2 },
    ),
  ).toEqual([
    'round 3 goes on without b: its time is up',
    'b gives nothing in round 3 (PRIVACY): it refuses',
    'b: its answer to round 2 came late, and joins round 3',
  ]);
});

test('who joins is told of, and who cannot', () => {
  expect(told({ kind: 'silo-joined', silo: 'a' }, { kind: 'join-refused', silo: 'b', why: 'USED' })).toEqual([
    'a has joined',
    'b could not join: USED',
  ]);
});

test('how far silos are is told of those that are there, in the round that is played', () => {
  hurryClock();
  const away: ServerEvent = { kind: 'network', event: { kind: 'silo-away', silo: 'b' } };
  const lines = told(said('a', 1, 10), said('b', 1, 20), away, said('a', 1, 30), said('b', 1, 30), said('a', 2, 5));
  expect(lines).toEqual([
    '  round 1: a 10 %',
    '  round 1: a 10 %, b 20 %',
    'b is away',
    '  round 1: a 30 %',
    '  round 1: a 30 %, b 30 %',
    '  round 2: a 5 %',
  ]);
});

test('nothing that came over the network reaches the terminal as it came', () => {
  const words = 'no\u001b[2J\u009b1m\r\u202eyes\nforged\u2028';
  const dropped = { kind: 'message-dropped', subject: `fl.up.${words}`, reason: 'body', message: words } as const;
  const lines = told(
    { kind: 'network', event: dropped },
    { kind: 'network', event: { kind: 'retry', what: words, message: words } },
    { kind: 'connection', notice: { type: 'refused', message: words } },
    { kind: 'join-refused', silo: 'a', why: words },
    { kind: 'notice', text: words },
  );
  expect(lines).toHaveLength(5);
  for (const line of lines) {
    expect(line).toMatch(PLAIN_TEXT);
    expect(line).toContain('no [2J 1m  yes forged');
  }
});

test('a silo that is still at an earlier round does not take the place of those at this one', () => {
  hurryClock();
  expect(told(said('a', 3, 10), said('late', 2, 50), said('b', 3, 20))).toEqual([
    '  round 3: a 10 %',
    '  round 3: a 10 %, b 20 %',
  ]);
});
