import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { departuresOf, releaseOf, testFederation, type TestFederation } from '../../test/federation-on-nats.ts';
import { HAS_NATS_SERVER, type PlainNats, startPlainNats } from '../../test/plain-nats.ts';
import { temporaryFolder } from '../../test/small-silos.ts';

const ROOT = temporaryFolder();
const task = (round: number) => ({ kind: 'train-own', run: 'trial', round }) as const;

describe.skipIf(!HAS_NATS_SERVER)('a federation over a real nats-server (skipped where there is none)', () => {
  let nats: PlainNats;
  let federation: TestFederation;
  beforeAll(async () => {
    nats = await startPlainNats();
  });
  afterAll(() => nats.close());
  afterEach(() => federation.closeAll());

  test('a task goes out, a release comes back, is committed, and leaves nothing behind at the silo', async () => {
    federation = await testFederation(nats, ROOT, ['a']);
    const a = federation.silo('a');
    const hub = await federation.openHub();
    const agent = federation.agent(a);
    const upload = await hub.port('a').play(task(1));
    const wanted = releaseOf('a', 1);
    expect(upload).toEqual({ ...wanted, decoder: { ...wanted.decoder, onnx: wanted.decoder.onnx } });
    expect(await departuresOf(a)).toContain('1 leaving');
    expect(readdirSync(join(a.folder, 'outbox'))).toHaveLength(1);
    await federation.commit(hub, 1, [{ silo: 'a', round: 1, sha256: wanted.decoder.sha256 }]);
    await agent.seen('committed');
    await hub.end();
    expect(await agent.result).toBe('ended');
    expect(await departuresOf(a)).toEqual(['1 leaving', '1 delivered', '1 committed']);
    expect(readdirSync(join(a.folder, 'outbox'))).toEqual([]);
    expect(a.trained).toEqual([1]);
  });
});
