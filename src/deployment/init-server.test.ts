import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { SpecError, StateError } from '../errors.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { readInvite } from '../net/invite.ts';
import { draftFederation } from './draft-federation.ts';
import { initServer, renewServerCertificate } from './init-server.ts';
import { inviteSilo, revokeSilo } from './invitations.ts';
import { serverLayout } from './server-folder.ts';
import { readRegistry, registered } from './silo-registry.ts';

const ROOT = temporaryFolder();
const NOW = new Date('2026-01-02T03:04:05Z');

const draft = (task: 'represent' | 'classify', privacy: Parameters<typeof draftFederation>[0]['privacy']) =>
  draftFederation({
    name: 'fed',
    silos: ['a', 'b'],
    task,
    images: { shape: { channels: 1, height: 28, width: 28 }, classes: 10 },
    privacy,
    test: null,
  });
const SPEC = draft('represent', { mechanism: 'none' });
const SETTINGS = { hosts: ['localhost'], listen: '127.0.0.1', port: 4222, quorum: null, deadlineMinutes: null };

async function made() {
  const layout = serverLayout(join(await mkdtemp(join(ROOT, 'case-')), 'fed'));
  await initServer({ layout, spec: SPEC, settings: SETTINGS, now: NOW });
  return layout;
}

describe('a new federation', () => {
  test('has its plan in a file that can be read again, and secrets that only their owner can read', async () => {
    const layout = await made();
    expect(await loadSpec(layout.spec)).toEqual(SPEC);
    for (const secret of [layout.identity, layout.authorityKey, layout.nats.key]) {
      expect(statSync(secret).mode & 0o077).toBe(0);
    }
    const config = readFileSync(layout.nats.config, 'utf8');
    expect(config).not.toContain(readFileSync(layout.identity, 'utf8').trim());
    expect(readdirSync(layout.root).sort()).toEqual(
      ['federation.yaml', 'incoming', 'keys', 'nats', 'server.json', 'silos.json'].sort(),
    );
  });

  test('never replaces one that is there: its silos would be shut out', async () => {
    const layout = await made();
    const before = readFileSync(layout.identity, 'utf8');
    const again = initServer({ layout, spec: SPEC, settings: SETTINGS, now: NOW });
    await expect(again).rejects.toThrow('is the folder of a federation already');
    expect(readFileSync(layout.identity, 'utf8')).toBe(before);
    const other = serverLayout(await mkdtemp(join(ROOT, 'other-')));
    writeFileSync(join(other.root, 'notes.txt'), 'mine');
    await expect(initServer({ layout: other, spec: SPEC, settings: SETTINGS, now: NOW })).rejects.toThrow(SpecError);
  });

  test.each([
    ['more answers than silos', { quorum: 3, deadlineMinutes: 5 }, 'can never come'],
    ['a quorum without a deadline', { quorum: 1, deadlineMinutes: null }, 'go together'],
  ])('refuses %s', async (_, change, words) => {
    const layout = serverLayout(join(await mkdtemp(join(ROOT, 'bad-')), 'fed'));
    const making = initServer({ layout, spec: SPEC, settings: { ...SETTINGS, ...change }, now: NOW });
    await expect(making).rejects.toThrow(words);
    expect(() => statSync(layout.root)).toThrow();
  });

  test('gets a new certificate under the authority that its silos know', async () => {
    const layout = await made();
    const [authority, before] = [
      await readFile(layout.authority, 'utf8'),
      await readFile(layout.nats.certificate, 'utf8'),
    ];
    await renewServerCertificate(layout, NOW);
    expect(await readFile(layout.authority, 'utf8')).toBe(authority);
    expect(await readFile(layout.nats.certificate, 'utf8')).not.toBe(before);
    expect(statSync(layout.nats.key).mode & 0o077).toBe(0);
  });
});

describe('an invite', () => {
  test('names silo, federation and address, and only the last one written counts', async () => {
    const layout = await made();
    const written = await inviteSilo(layout, 'a', { again: false });
    expect(written).toMatchObject({ withdrew: false });
    const first = readInvite(written.line);
    const { line, told, withdrew } = await inviteSilo(layout, 'a', { again: false });
    expect(withdrew).toBe(true);
    const invite = readInvite(line);
    expect(invite).toMatchObject({ silo: 'a', federation: 'fed', address: { servers: ['tls://localhost:4222'] } });
    expect(told).toBe('not-running-here');
    const config = readFileSync(layout.nats.config, 'utf8');
    expect(config).toContain(invite.enrol.publicKey);
    expect(config).not.toContain(first.enrol.publicKey);
    await expect(inviteSilo(layout, 'c', { again: false })).rejects.toThrow('It has: a, b.');
  });

  test('of a silo that has joined is written on purpose only', async () => {
    const layout = await made();
    const invite = readInvite((await inviteSilo(layout, 'a', { again: false })).line);
    const registry = await readRegistry(layout.registry);
    const { publicKey } = invite.enrol; // any key does here
    const joined = registry.silos.map((silo) => (silo.name === 'a' ? { ...silo, key: publicKey, invite: null } : silo));
    writeFileSync(layout.registry, JSON.stringify({ ...registry, silos: joined }));
    await expect(inviteSilo(layout, 'a', { again: false })).rejects.toThrow(StateError);
    await inviteSilo(layout, 'a', { again: true });
    await revokeSilo(layout, 'a');
    expect(registered(await readRegistry(layout.registry), 'a')).toMatchObject({ key: null, formerKeys: [publicKey] });
    expect(readFileSync(layout.nats.config, 'utf8')).not.toContain(publicKey);
  });
});

test.each([
  ['represent', { mechanism: 'none' }, { rounds: 3 }],
  ['represent', { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 }, { rounds: 2 }],
  ['classify', { mechanism: 'none' }, { rounds: 1, generator: { kind: 'linear-gaussian' } }],
  ['classify', { mechanism: 'gaussian', epsilon: 1, delta: 1e-5 }, { rounds: 1, generator: { components: 1 } }],
  ['classify', { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 }, { rounds: 2, generator: { kind: 'vae' } }],
] as const)('a draft for %s under %o is a whole spec', (task, privacy, wanted) => {
  expect(draft(task, privacy)).toMatchObject({ ...wanted, task, privacy, strategies: ['align'] });
});
