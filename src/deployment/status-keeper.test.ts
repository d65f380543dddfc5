// What a server remembers of its silos and its round, event by event, and that no end of a server makes it forget.

import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import type { SiloEnd } from '../net/messages.ts';
import type { HubEvent } from '../net/net-events.ts';
import type { ServerEvent } from './server-events.ts';
import { NOTHING_HEARD, readStatus, type StatusFile } from './status-file.ts';
import { serverLayout } from './server-folder.ts';
import { keepStatus, statusAfter } from './status-keeper.ts';

const ROOT = temporaryFolder();
const fail = (error: Error) => expect.fail(error.message);
const minute = (at: number) => `2026-01-02T03:${String(at).padStart(2, '0')}:00.000Z`;

const ALIGN = { strategy: 'align' } as const;
const started = (silo: string, round: number): ServerEvent => ({ kind: 'silo-started', ...ALIGN, round, silo });
const finished = (silo: string, round: number): ServerEvent => ({ kind: 'silo-finished', ...ALIGN, round, silo });
const network = (event: HubEvent): ServerEvent => ({ kind: 'network', event });
const status = (silo: string, state: 'training' | SiloEnd, percent: number | null = null): ServerEvent =>
  network({ kind: 'silo-status', silo, status: { silo, instance: 'i', state, round: 2, percent } });
const failed = (round: number, isNew = true, code = 'PRIVACY'): ServerEvent =>
  network({ kind: 'silo-failed', silo: 'a', round, code, message: 'its budget refuses it', isNew });

/** Events come a minute apart, from minute 0. */
const after = (...events: readonly ServerEvent[]): StatusFile => afterMore(NOTHING_HEARD, ...events);
const afterMore = (from: StatusFile, ...events: readonly ServerEvent[]): StatusFile =>
  events.reduce((known, event, i) => statusAfter(known, event, minute(i)), from);

describe('the round that is played', () => {
  test('has those who answered and those who are waited for', () => {
    const { playing } = after(started('a', 2), started('b', 2), started('c', 2), finished('b', 2));
    const open = { round: 2, beganAt: minute(0), isOverdue: false, isClosed: false };
    expect(playing).toEqual({ ...open, answered: ['b'], awaited: ['a', 'c'] });
  });

  test('waits for nobody who refused, says when it is over time, and closes', () => {
    const why = { code: 'DEADLINE', message: 'No answer within 9 s.' };
    const late = after(
      started('a', 2),
      started('b', 2),
      started('c', 2),
      { kind: 'silo-missing', ...ALIGN, round: 2, silo: 'a', ...why },
      { kind: 'round-overdue', ...ALIGN, round: 2, quorum: 1, answered: [], awaited: ['b', 'c'] },
    );
    expect(late.playing).toMatchObject({ answered: [], awaited: ['b', 'c'], isOverdue: true, isClosed: false });
    expect(late.silos['a']?.trouble).toEqual({ at: minute(3), round: 2, ...why });
    const closed = afterMore(late, finished('b', 2), { kind: 'server-started', ...ALIGN, round: 2 });
    expect(closed.playing).toMatchObject({ answered: ['b'], awaited: [], isClosed: true });
    const metrics = {} as Extract<ServerEvent, { kind: 'round-finished' }>['metrics'];
    expect(afterMore(closed, { kind: 'round-finished', ...ALIGN, round: 2, metrics, seconds: 1 }).playing).toBeNull();
  });

  test('is another one when the next begins', () => {
    const { playing } = after(started('a', 2), started('b', 2), started('b', 3));
    expect(playing).toMatchObject({ round: 3, beganAt: minute(2), awaited: ['b'] });
  });
});

describe('a silo', () => {
  test('is remembered by what it said last, and whether it is there', () => {
    const said = { state: 'training', round: 2, percent: 40 };
    const here = after(network({ kind: 'silo-here', silo: 'a' }), status('a', 'training', 40));
    expect(here.silos['a']).toEqual({ isHere: true, said: { at: minute(1), ...said }, trouble: null });
    const away = afterMore(here, network({ kind: 'silo-away', silo: 'a' }));
    expect(away.silos['a']).toEqual({ isHere: false, said: { at: minute(1), ...said }, trouble: null });
  });

  test('that left is remembered so, whatever it was at', () => {
    const { silos } = after(status('a', 'training', 40), network({ kind: 'silo-left', silo: 'a' }));
    expect(silos['a']).toMatchObject({ isHere: false, said: { at: minute(1), state: 'left', percent: null } });
  });

  test('that declined has that as its trouble, and one that is back has not left', () => {
    expect(after(status('a', 'declined')).silos['a']?.trouble).toMatchObject({ round: null, code: 'DECLINED' });
    const gone: ServerEvent = {
      kind: 'silo-missing',
      ...ALIGN,
      round: 1,
      silo: 'a',
      code: 'LOST_PEER',
      message: 'left',
    };
    const back: ServerEvent = { kind: 'silo-joined', silo: 'a' };
    expect(after(gone).silos['a']?.trouble).toMatchObject({ code: 'LOST_PEER' });
    expect(after(gone, back).silos['a']?.trouble).toBeNull();
    expect(after(failed(1), back).silos['a']?.trouble).toMatchObject({ code: 'PRIVACY' });
  });

  test('that answered after its time was up has its answer beside the deadline', () => {
    const why = { code: 'DEADLINE', message: 'No answer within 9 s.' };
    const missed: ServerEvent = { kind: 'silo-missing', ...ALIGN, round: 1, silo: 'a', ...why };
    const late = (answers: number): ServerEvent => ({ kind: 'silo-late', ...ALIGN, round: 2, silo: 'a', answers });
    const trouble = { at: minute(1), round: 1, code: 'DEADLINE' };
    expect(after(started('a', 1), missed, late(1)).silos['a']?.trouble).toEqual({
      ...trouble,
      message: 'Its answer to round 1 came late, and joined round 2.',
    });
    expect(after(started('a', 1), missed, late(3)).silos['a']?.trouble).toEqual({ ...trouble, message: why.message });
  });

  test('has the last thing that went wrong, with code, message and round', () => {
    const trouble = (...events: readonly ServerEvent[]) => after(...events).silos['a']?.trouble;
    const message = 'its budget refuses it';
    expect(trouble(failed(1))).toEqual({ at: minute(0), round: 1, code: 'PRIVACY', message });
    const refused = { silo: 'a', round: 2, sha256: 'f', code: 'RELEASE', reason: 'an operator' } as const;
    expect(trouble(failed(1), network({ kind: 'release-refused', ...refused }))).toMatchObject({
      at: minute(1),
      round: 2,
      code: 'RELEASE',
      message: 'an operator',
    });
    const denied = (code: string) => network({ kind: 'silo-denied', silo: 'a', code, message: 'no' });
    expect(trouble(failed(1), denied('LOST_STATE'))).toMatchObject({ round: null, code: 'LOST_STATE', message: 'no' });
    expect(trouble(failed(1), network({ kind: 'two-instances', silo: 'a' }))).toMatchObject({
      round: null,
      code: 'ALREADY_CONNECTED',
    });
    const anew = network({ kind: 'silo-let-in-by-ledger', silo: 'a', round: 4 });
    expect(trouble(denied('LOST_STATE'), anew)).toMatchObject({
      code: 'LOST_STATE',
      message: expect.stringMatching(/up to round 4 .*its ledger knows/),
    });
    expect(trouble(failed(1), status('a', 'training'))).toMatchObject({ code: 'PRIVACY' });
    expect(trouble(network({ kind: 'release-refused', ...refused, reason: 'x'.repeat(9999) }))?.message).toHaveLength(
      1000,
    );
  });

  test('that told itself why nothing comes is not talked over, unless it was before', () => {
    const missing = { kind: 'silo-missing', ...ALIGN, round: 2, silo: 'a', code: 'PRIVACY', message: 'of a' } as const;
    const told = after(started('a', 2), failed(2));
    expect(afterMore(told, missing).silos['a']?.trouble).toEqual(told.silos['a']?.trouble);
    const before = after(failed(2), started('a', 2), missing);
    expect(before.silos['a']?.trouble).toMatchObject({ at: minute(2), message: 'of a' });
    expect(afterMore(told, { ...missing, code: 'DEADLINE' }).silos['a']?.trouble?.code).toBe('DEADLINE');
  });

  test('that failed before a server began is not told of as failing again', () => {
    const known = after(failed(3, true, 'DATA'));
    for (const round of [1, 3]) expect(afterMore(known, failed(round, false))).toBe(known);
    expect(afterMore(known, failed(4, false)).silos['a']?.trouble).toMatchObject({ round: 4, code: 'PRIVACY' });
    expect(afterMore(known, failed(3)).silos['a']?.trouble).toMatchObject({ round: 3, code: 'PRIVACY' });
  });

  test('of which nothing is told leaves all as it is', () => {
    const known = after(status('a', 'training'));
    expect(afterMore(known, { kind: 'notice', text: 'x' }, network({ kind: 'task-sent', silo: 'b', round: 1 }))).toBe(
      known,
    );
  });
});

describe('status.json', () => {
  test('that cannot be replaced keeps no server from starting, and is told of once', async () => {
    const layout = await layoutOf();
    await mkdir(layout.status); // a folder is in its place
    const failures: string[] = [];
    const onFailure = ({ message }: Error) => void failures.push(message);
    const keeper = await keepStatus(layout, { now: () => new Date(minute(1)), onFailure });
    keeper.take(status('a', 'training'));
    await keeper.close();
    expect(failures).toHaveLength(1);
  });

  test('has a silo of any name that is allowed', async () => {
    const layout = await layoutOf();
    const keeper = await keepStatus(layout, { now: () => new Date(minute(1)), onFailure: fail });
    keeper.take(network({ kind: 'silo-here', silo: 'constructor' }));
    keeper.take(status('a', 'training'));
    await keeper.close();
    const { silos } = await readStatus(layout);
    expect(silos).toMatchObject({ a: { said: { state: 'training' } } });
    expect(Object.entries(silos)).toContainEqual(['constructor', { isHere: true, said: null, trouble: null }]);
  });

  const layoutOf = async () => serverLayout(await mkdtemp(join(ROOT, 'status-')));

  test('keeps what was heard when a server ends, and its next one plays nothing yet and has nobody there', async () => {
    const layout = await layoutOf();
    const first = await keepStatus(layout, { now: () => new Date(minute(5)), onFailure: fail });
    for (const event of [started('a', 2), status('a', 'training', 40), failed(1)]) first.take(event);
    await first.close();
    const written = await readStatus(layout);
    expect(written).toMatchObject({ playing: { round: 2, awaited: ['a'] }, silos: { a: { isHere: true } } });
    const second = await keepStatus(layout, { now: () => new Date(minute(9)), onFailure: fail });
    const said = { at: minute(5), state: 'training', round: 2, percent: 40 };
    const a = {
      isHere: false,
      said,
      trouble: { at: minute(5), round: 1, code: 'PRIVACY', message: 'its budget refuses it' },
    };
    expect(await readStatus(layout)).toEqual({ format: 'align-fl/status@2', playing: null, silos: { a } });
    second.take(status('b', 'stopped'));
    await second.close();
    expect((await readStatus(layout)).silos).toMatchObject({ a, b: { said: { at: minute(9), state: 'stopped' } } });
  });

  test('follows while the server works', async () => {
    const layout = await layoutOf();
    const keeper = await keepStatus(layout, { now: () => new Date(minute(1)), onFailure: fail });
    keeper.take(status('a', 'training', 10));
    const isWritten = async () => expect((await readStatus(layout)).silos['a']?.said?.percent).toBe(10);
    await vi.waitFor(isWritten, { timeout: 5000, interval: 50 });
    await keeper.close();
  });

  test.each([
    ['damaged', '{"format":"align-fl/st'],
    ['of another version', '{"format":"align-fl/status@1","silos":[]}'],
    ['too large', ' '.repeat(5_000_000)],
  ])('that is %s is as none, and is written anew', async (_, content) => {
    const layout = await layoutOf();
    await writeFile(layout.status, content);
    expect(await readStatus(layout)).toEqual(NOTHING_HEARD);
    const keeper = await keepStatus(layout, { now: () => new Date(minute(1)), onFailure: fail });
    keeper.take(status('a', 'training'));
    await keeper.close();
    expect(await readFile(layout.status, 'utf8')).toContain('training');
  });
});
