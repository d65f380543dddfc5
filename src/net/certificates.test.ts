// Certificates, read again by Node's own TLS library.

import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { expect, it } from 'vitest';
import { createCertificates, renewCertificate } from './certificates.ts';

const NOW = new Date('2030-05-01T12:00:00Z');

it('name their hosts, are valid from a day before, and are of an authority of their own', async () => {
  const made = await createCertificates({ hosts: ['fl.example.org', 'localhost', '127.0.0.1', '::1'], now: NOW });
  const [ca, server] = [new X509Certificate(made.caPem), new X509Certificate(made.certPem)];
  expect(server.subjectAltName).toBe(
    'DNS:fl.example.org, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  );
  expect([server.checkIssued(ca), server.verify(ca.publicKey), ca.verify(ca.publicKey)]).toEqual([true, true, true]);
  expect([ca.ca, server.ca]).toEqual([true, false]);
  expect([server.checkHost('fl.example.org'), server.checkIP('127.0.0.1')]).toEqual(['fl.example.org', '127.0.0.1']);
  expect(server.checkHost('other.example.org')).toBe(undefined);
  expect(new Date(server.validFrom)).toEqual(new Date('2030-04-30T12:00:00Z'));
  expect(new Date(server.validTo)).toEqual(new Date('2031-05-01T12:00:00Z'));
  expect(new Date(ca.validTo).getUTCFullYear()).toBe(2040);
  expect(server.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(() => createSecureContext({ cert: made.certPem, key: made.keyPem, ca: made.caPem })).not.toThrow();
  expect(() => createSecureContext({ cert: made.certPem, key: made.caKeyPem })).toThrow();
});

it('are renewed under the same authority', async () => {
  const old = await createCertificates({ hosts: ['localhost'], now: NOW });
  const renewed = await renewCertificate(old, { hosts: ['new.example.org'], now: new Date('2031-04-01T00:00:00Z') });
  const server = new X509Certificate(renewed.certPem);
  expect(server.verify(new X509Certificate(old.caPem).publicKey)).toBe(true);
  expect([server.subjectAltName, new Date(server.validTo).getUTCFullYear()]).toEqual(['DNS:new.example.org', 2032]);
  expect(server.serialNumber).not.toBe(new X509Certificate(old.certPem).serialNumber);
});

it.each([[], [''], ['tls://localhost'], ['localhost:4222'], ['a b'], ['-'.repeat(300)], ['*.example.org']])(
  'hosts that are none are refused: %j',
  async (...hosts) => {
    await expect(createCertificates({ hosts, now: NOW })).rejects.toMatchObject({ code: 'SPEC' });
  },
);
