import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { freePort } from '../net/free-port.ts';
import { draftFederation } from './draft-federation.ts';
import { initServer } from './init-server.ts';
import { serveFederation } from './serve.ts';
import { serverLayout } from './server-folder.ts';

const ROOT = temporaryFolder();

test('a server that finds no NATS server says how one is started', async () => {
  const layout = serverLayout(join(await mkdtemp(join(ROOT, 'case-')), 'my fed'));
  const images = { shape: { channels: 1, height: 8, width: 8 }, classes: 2 };
  const facts = { name: 'fed', silos: ['a', 'b'], task: 'represent', images, test: null } as const;
  const spec = draftFederation({ ...facts, privacy: { mechanism: 'none' } });
  const settings = { hosts: ['localhost'], listen: '127.0.0.1', port: await freePort() };
  await initServer({ layout, spec, settings: { ...settings, quorum: null, deadlineMinutes: null }, now: new Date() });
  const serving = serveFederation({
    layout,
    nats: null,
    data: { env: {} },
    emit: () => {},
    signal: AbortSignal.timeout(20_000),
    now: () => new Date(),
    version: '0.1.0',
  });
  await expect(serving).rejects.toMatchObject({
    code: 'LOST_PEER',
    message: expect.stringContaining(
      `To start it: nats-server -c '${layout.nats.config}', or let this command start one here`,
    ),
  });
});
