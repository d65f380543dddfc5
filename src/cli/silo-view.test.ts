import { performance } from 'node:perf_hooks';
import { expect, test, vi } from 'vitest';
import type { SiloEvent } from '../deployment/silo-events.ts';
import { createSiloView } from './silo-view.ts';

function lines(...events: readonly SiloEvent[]): string {
  let text = '';
  const stream = { isTTY: false, write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
  const view = createSiloView(stream);
  for (const event of events) view.show(event);
  view.close();
  return text;
}

test('nothing that came over the network reaches the terminal as it came', () => {
  const words = 'no\u001b[2J\u009b1m\r\u202eyes\nforged';
  const text = lines(
    { kind: 'unreachable', message: words },
    { kind: 'connection', notice: { type: 'refused', message: words } },
    { kind: 'agent', event: { kind: 'retry', what: 'The hello', message: words } },
    { kind: 'agent', event: { kind: 'denied', code: 'REVOKED', message: words } },
  );
  expect(text.replaceAll('\u001b[33m', '').replaceAll('\u001b[39m', '')).toMatch(/^[\P{C}\n]*$/u);
  expect(text.trimEnd().split('\n')).toHaveLength(4);
  expect(text).toContain('no [2J 1m  yes forged');
});

test('what is tried again and again is told once a minute, with how long it has been so', () => {
  const now = vi.spyOn(performance, 'now');
  const event: SiloEvent = { kind: 'unreachable', message: 'Nobody answers.' };
  let text = '';
  const stream = { isTTY: false, write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
  const view = createSiloView(stream);
  for (let second = 0; second <= 150; second += 2) {
    now.mockReturnValue(second * 1000);
    view.show(event);
  }
  expect(text.match(/Nobody answers.*/g)).toEqual([
    'Nobody answers. Trying again; Ctrl-C stops.',
    expect.stringMatching(/ \(for 1 min 00 s\)/),
    expect.stringMatching(/ \(for 2 min 00 s\)/),
  ]);
  text = '';
  now.mockReturnValue(10_000_000);
  view.show(event);
  expect(text).toBe('Nobody answers. Trying again; Ctrl-C stops.\n'); // not since then
});
