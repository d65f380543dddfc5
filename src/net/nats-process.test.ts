// Starting, finding again, reloading and stopping the real nats-server, and what is said where that fails.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { findNatsServer, type NatsServer, reloadNatsServer, startNatsServer } from './nats-process.ts';

let folder: string;
const running: NatsServer[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-nats-process-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.close()));
  await rm(folder, { recursive: true, force: true });
});

const place = () => ({ config: join(folder, 'a.conf'), log: join(folder, 'a.log'), pidFile: join(folder, 'a.pid') });

async function start(config: string): Promise<NatsServer> {
  await writeFile(place().config, config);
  const one = await startNatsServer(place());
  running.push(one);
  return one;
}

it('is not found where it is not', () => {
  expect(findNatsServer('')?.path ?? 'nowhere').not.toBe('nats-server');
});

describe.skipIf(!natsServer)(`a real nats-server as a process${NEEDS_NATS}`, () => {
  const CONFIG = 'listen: "127.0.0.1:-1"\n';

  it('starts, says where it listens, and leaves nothing when it is closed', async () => {
    const one = await start(CONFIG);
    expect(one.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(one.takenOver).toBe(false);
    expect(Number(await readFile(place().pidFile, 'utf8'))).toBe(one.pid);
    await one.close();
    await one.exited;
    await one.close();
    expect((await readdir(folder)).sort()).toEqual(['a.conf', 'a.log']);
  });

  it('that runs already is taken over, and told of the configuration as it is now', async () => {
    const first = await start(CONFIG);
    const second = await start(`${CONFIG}max_payload: 2048\n`);
    expect([second.pid, second.url, second.takenOver]).toEqual([first.pid, first.url, true]);
    expect(await readFile(place().log, 'utf8')).toContain('Reloaded: max_payload = 2048');
    await second.close();
    await first.exited;
  });

  it('is not taken for the one of a pid file that a dead one left, or that names another process', async () => {
    const dead = spawn(process.execPath, ['-e', '']);
    await once(dead, 'exit');
    for (const left of [String(dead.pid), String(process.pid), '1', 'no number', '']) {
      await writeFile(place().pidFile, left);
      const one = await start(CONFIG);
      expect([left, one.takenOver]).toEqual([left, false]);
      await one.close();
    }
  });

  it('goes on with the old configuration where the new one is refused, and says what is wrong', async () => {
    const one = await start(CONFIG);
    await writeFile(place().config, `${CONFIG}what_is_this: 7\n`);
    await expect(one.reload()).rejects.toThrow(/goes on with the old one: .*unknown field "what_is_this"/);
    await writeFile(place().config, CONFIG);
    await one.reload();
    await one.close();
    await expect(reloadNatsServer(place())).rejects.toMatchObject({ code: 'LOST_PEER' });
  });

  it('that refuses its configuration is quoted', async () => {
    const refused = start(`${CONFIG}jetstream { sync_intervall: always }\n`);
    await expect(refused).rejects.toThrow(/did not start\. It said: .*a\.conf:2:\d+: unknown field "sync_intervall"/);
    await expect(start('listen: "no.such.host.invalid:4222"\n')).rejects.toThrow(/did not start. It said: .*listen/i);
  });

  it('whose port is taken says so', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    try {
      const refused = start(`listen: "127.0.0.1:${port}"\n`);
      await expect(refused).rejects.toMatchObject({ code: 'DEVICE', facts: { address: `127.0.0.1:${port}` } });
    } finally {
      other.close();
    }
  });

  it('that was killed is missed at once, and can be started again', async () => {
    const one = await start(CONFIG);
    process.kill(one.pid, 'SIGKILL');
    await one.exited;
    expect((await start(CONFIG)).takenOver).toBe(false);
  });

  it('is not waited for when the signal says so', async () => {
    await writeFile(place().config, CONFIG);
    const stopped = startNatsServer({ ...place(), signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    await rm(place().pidFile, { force: true });
  });
});
