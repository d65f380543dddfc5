import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import { openEventLog, readEvents } from './event-log.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-events-'));
  path = join(folder, 'events.jsonl');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function eventsOf(file: string): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of readEvents(file)) events.push(event);
  return events;
}

describe('openEventLog', () => {
  it('appends lines in order, over several openings', async () => {
    const first = openEventLog(path);
    first.append({ type: 'a' });
    first.append({ type: 'b', text: 'é\n' });
    first.close();
    const second = openEventLog(path);
    expect(second.cutBytes).toBe(0);
    second.append({ type: 'c' });
    second.sync();
    second.close();
    second.close();
    expect(await readFile(path, 'utf8')).toBe('{"type":"a"}\n{"type":"b","text":"é\\n"}\n{"type":"c"}\n');
    expect(await eventsOf(path)).toEqual([{ type: 'a' }, { type: 'b', text: 'é\n' }, { type: 'c' }]);
    expect(() => second.append({ type: 'd' })).toThrow(StateError);
  });

  it('goes on from every possible cut as if the torn line had never been', async () => {
    const lines = ['{"n":1}\n', '{"n":22,"é":"ü"}\n', '{"n":3}\n'];
    const whole = Buffer.from(lines.join(''));
    const ends = [0, ...lines.map((_, i) => Buffer.byteLength(lines.slice(0, i + 1).join('')))];
    for (let length = 0; length <= whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      const kept = Math.max(...ends.filter((end) => end <= length));
      const log = openEventLog(path);
      expect(log.cutBytes).toBe(length - kept);
      log.append({ n: 4 });
      log.close();
      expect(await readFile(path, 'utf8')).toBe(`${whole.subarray(0, kept).toString()}{"n":4}\n`);
    }
  });

  it('cuts off lines of zeros, as a power failure leaves them', async () => {
    await writeFile(path, Buffer.concat([Buffer.from('{"n":1}\n'), Buffer.alloc(70_000), Buffer.from('\n')]));
    const log = openEventLog(path);
    log.close();
    expect(log.cutBytes).toBe(70_001);
    expect(await readFile(path, 'utf8')).toBe('{"n":1}\n');
  });

  it('keeps a line longer than its reading window', async () => {
    const event = { text: 'x'.repeat(200_000) };
    const log = openEventLog(path);
    log.append(event);
    log.close();
    const again = openEventLog(path);
    again.close();
    expect(again.cutBytes).toBe(0);
    expect(await eventsOf(path)).toEqual([event]);
  });
});

describe('readEvents', () => {
  it('passes over a torn last line, since its writer may be at work', async () => {
    await writeFile(path, '{"n":1}\n{"n":');
    expect(await eventsOf(path)).toEqual([{ n: 1 }]);
  });

  it('names a damaged line in the middle', async () => {
    await writeFile(path, '{"n":1}\n{"n":\n{"n":3}\n');
    await expect(eventsOf(path)).rejects.toThrow(/line 2 is damaged/);
  });
});
