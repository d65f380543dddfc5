// The configuration as text; what it means to a real server is tried in nats-permissions.test.ts.

import { describe, expect, it } from 'vitest';
import { createIdentity } from './identity.ts';
import { majorMinor, natsConfig, type NatsConfigOptions } from './nats-config.ts';

const key = () => createIdentity().identity.publicKey;
const OPTIONS: NatsConfigOptions = {
  port: 4222,
  host: '0.0.0.0',
  storeDir: '/srv/fed/jetstream',
  tls: { certFile: '/srv/fed/cert.pem', keyFile: '/srv/fed/key.pem' },
  server: key(),
  silos: [
    { name: 'a', key: key(), enrolKey: null },
    { name: 'b', key: null, enrolKey: key() },
    { name: 'revoked', key: null, enrolKey: null },
  ],
  maxStoreBytes: 10_000_000,
  natsVersion: '2.9.10',
};

describe('nats-server.conf', () => {
  it('gives each key an account of its own, and lets nobody in without one', () => {
    const text = natsConfig(OPTIONS);
    expect(text.match(/^ {2}(SILO|INVITE|FEDERATION)\S*/gm)).toEqual(['  FEDERATION', '  SILO-a', '  INVITE-b']);
    expect(text).not.toMatch(/no_auth_user|password|token|SILO-revoked/);
    expect(text).toContain('store_dir: "/srv/fed/jetstream"');
  });

  it('asks for writing to disk at once only where the server knows the word', () => {
    const told = ['2.9.10', '2.9.25', '2.10.0', 'v2.11.15', '2.15.2', '3.0.0'].map((natsVersion) =>
      natsConfig({ ...OPTIONS, natsVersion }).includes('sync_interval: always'),
    );
    expect(told).toEqual([false, false, true, true, true, true]);
    expect(() => majorMinor('two')).toThrow(/such as 2.11.15, found "two"/);
  });

  it('quotes what comes from outside', () => {
    const text = natsConfig({ ...OPTIONS, host: '::1', storeDir: 'C:\\fed "one"\\$HOME' });
    expect(text).toContain('store_dir: "C:\\\\fed \\"one\\"\\\\$HOME"');
    expect(text).toContain('listen: "[::1]:4222"');
    expect(() => natsConfig({ ...OPTIONS, storeDir: 'a\n}' })).toThrow(/control characters/);
  });

  it('refuses names, keys and numbers that cannot be', () => {
    const [a] = OPTIONS.silos;
    const of = (silos: NatsConfigOptions['silos']) => () => natsConfig({ ...OPTIONS, silos });
    for (const name of ['', 'A', 'a.b', 'a*', '>', 'a b', '-a', 'a_b', 'a'.repeat(33)]) {
      expect(of([{ name, key: key(), enrolKey: null }])).toThrow(/name/);
    }
    expect(of([{ name: 'a', key: 'U', enrolKey: null }])).toThrow(/public keys/);
    expect(of([...(a ? [a, { ...a, key: key() }] : [])])).toThrow(/same name/);
    expect(of([...(a ? [a, { ...a, name: 'c' }] : [])])).toThrow(/key is in the configuration twice/);
    expect(of([{ name: 'c', key: OPTIONS.server, enrolKey: null }])).toThrow(/twice/);
    expect(() => natsConfig({ ...OPTIONS, port: 70_000 })).toThrow(/port/);
    expect(() => natsConfig({ ...OPTIONS, maxStoreBytes: 0.5 })).toThrow(/bytes/);
  });
});
