import { appendFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { PLAIN_TEXT } from '../exchange/plain-text.ts';
import type { HubEvent } from '../net/net-events.ts';
import { networkLogIn, openNetworkLog, type NetworkLogOptions } from './network-log.ts';
import type { ServerEvent } from './server-events.ts';
import { serverLayout } from './server-folder.ts';

const ROOT = temporaryFolder();
const AT = '2026-01-02T03:04:05.000Z';
const layoutOf = async () => serverLayout(await mkdtemp(join(ROOT, 'log-')));
type Layout = Awaited<ReturnType<typeof layoutOf>>;

function opened(layout: Layout, change: Partial<NetworkLogOptions> = {}) {
  const failures: string[] = [];
  const onFailure = (error: Error) => void failures.push(error.message);
  const log = openNetworkLog(layout, { version: '1.2.3', now: () => new Date(AT), onFailure, ...change });
  return { ...log, failures };
}

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string });
const network = (event: HubEvent): ServerEvent => ({ kind: 'network', event });

test('the log has a line with its time for what happens between server and silos, and none for signs of life', async () => {
  const layout = await layoutOf();
  expect(networkLogIn(layout)).toBeNull();
  const log = opened(layout);
  log.take(network({ kind: 'task-sent', silo: 'a', round: 1 }));
  const said = { silo: 'a', instance: 'i', state: 'training', round: 1, percent: 7 } as const;
  log.take(network({ kind: 'silo-status', silo: 'a', status: said }));
  log.take({ kind: 'server-started', strategy: 'align', round: 1 }); // is in events.jsonl
  log.take({ kind: 'connection', notice: { type: 'disconnected', server: 'tls://x' } });
  log.take({ kind: 'join-refused', silo: 'b', why: 'USED' });
  log.take(network({ kind: 'message-dropped', subject: 's', reason: 'body', message: 'x'.repeat(9999) }));
  log.close();
  expect(linesOf(layout.networkLog)).toEqual([
    { at: AT, kind: 'server-began', version: '1.2.3' },
    { at: AT, kind: 'task-sent', silo: 'a', round: 1 },
    { at: AT, kind: 'connection', type: 'disconnected', server: 'tls://x' },
    { at: AT, kind: 'join-refused', silo: 'b', why: 'USED' },
    { at: AT, kind: 'message-dropped', subject: 's', reason: 'body', message: 'x'.repeat(1000) },
    { at: AT, kind: 'server-ended' },
  ]);
  expect(networkLogIn(layout)).toBe(layout.networkLog);
});

test('the next server goes on behind the last whole line', async () => {
  const layout = await layoutOf();
  opened(layout).close();
  appendFileSync(layout.networkLog, '{"at":"20');
  opened(layout).close();
  const kinds = linesOf(layout.networkLog).map(({ kind }) => kind);
  expect(kinds).toEqual(['server-began', 'server-ended', 'server-began', 'server-ended']);
});

test('it never grows beyond two files of its size', async () => {
  const layout = await layoutOf();
  const log = opened(layout, { maxBytes: 2000 });
  for (let round = 1; round <= 100; round++) log.take(network({ kind: 'task-sent', silo: 'a', round }));
  log.close();
  const rounds = [layout.olderNetworkLog, layout.networkLog].flatMap((path) => {
    expect(statSync(path).size).toBeLessThan(2200);
    return linesOf(path).flatMap((line) => ('round' in line ? [line.round as number] : []));
  });
  expect(rounds.length).toBeGreaterThan(20);
  expect(rounds).toEqual(rounds.map((_, i) => 101 - rounds.length + i)); // the last ones, none lost between
});

test('where it cannot be written that is told once, and nothing stops', async () => {
  const layout = await layoutOf();
  mkdirSync(layout.networkLog);
  const log = opened(layout);
  for (let round = 1; round <= 3; round++) log.take(network({ kind: 'task-sent', silo: 'a', round }));
  log.close();
  expect(log.failures).toHaveLength(1);
});

test('nothing of what a stranger sent turns or hides a line', async () => {
  const layout = await layoutOf();
  const log = opened(layout);
  const words = 'no\u001b[2J\u009b1m\u202eyes\u2028forged';
  log.take(network({ kind: 'message-dropped', subject: `fl.up.${words}`, reason: 'body', message: words }));
  log.close();
  const text = readFileSync(layout.networkLog, 'utf8');
  expect(text).toContain('no [2J 1m yes forged');
  expect(
    text
      .trimEnd()
      .split('\n')
      .every((line) => PLAIN_TEXT.test(line)),
  ).toBe(true);
});
