// A nats-server of a test's own, without identities: for what the protocol does, not for who may do it.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

/** Whether there is one to be started. */
export const HAS_NATS_SERVER = spawnSync('nats-server', ['--version']).status === 0;

export interface PlainNats {
  connect(name: string): Promise<NatsConnection>;
  /** As by a power cut for processes: kill -9. */
  kill(): Promise<void>;
  /** On the same port and files. */
  restart(): Promise<void>;
  /** How many messages a stream holds. */
  messagesIn(stream: string): Promise<number>;
  close(): Promise<void>;
}

export async function startPlainNats(): Promise<PlainNats> {
  const folder = mkdtempSync(join(tmpdir(), 'align-fl-nats-'));
  const port = await freePort();
  let server: ChildProcess;
  const connections: NatsConnection[] = [];
  const start = async () => {
    server = spawn('nats-server', ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    for (let tries = 0; ; tries++) {
      try {
        const probe = await connect({ servers: `127.0.0.1:${port}`, reconnect: false, timeout: 1000 });
        await probe.close();
        return;
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
  };
  await start();
  return {
    async connect(name) {
      const nc = await connect({
        servers: `127.0.0.1:${port}`,
        name,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        inboxPrefix: `_INBOX_${name}`,
      });
      connections.push(nc);
      return nc;
    },
    kill,
    restart: start,
    async messagesIn(stream) {
      const nc = await connect({ servers: `127.0.0.1:${port}` });
      const { state } = await (await jetstreamManager(nc)).streams.info(stream);
      await nc.close();
      return state.messages;
    },
    async close() {
      await Promise.all(connections.map((nc) => nc.close()));
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
