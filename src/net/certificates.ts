// The certificates of one federation's nats-server: an authority of its own, and one server certificate under it. Silos trust
// this authority and no other, so no public one can vouch for a false server.

import 'reflect-metadata'; // before @peculiar/x509, which breaks without it
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { SpecError } from '../errors.ts';

/** All as PEM. The two keys are secret. */
export interface Certificates {
  readonly caPem: string;
  /** Needed again only to renew the server's certificate. */
  readonly caKeyPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/** An authority that can sign. */
export interface Authority {
  readonly caPem: string;
  readonly caKeyPem: string;
}

/**
 * A new authority (10 years) and a certificate under it (1 year) for a server that is reached by `hosts`: DNS names and IP
 * addresses. Both are valid from a day before `now`, since clocks differ. ECDSA P-256.
 */
export async function createCertificates(options: {
  readonly hosts: readonly string[];
  readonly now: Date;
}): Promise<Certificates> {
  const { now } = options;
  const keys = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ CN: ['align-fl federation'] }],
      notBefore: daysFrom(now, -1),
      notAfter: daysFrom(now, CA_DAYS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, CRYPTO),
      ],
    },
    CRYPTO,
  );
  const authority = { caPem: ca.toString('pem'), caKeyPem: await keyPem(keys.privateKey) };
  return { ...authority, ...(await renewCertificate(authority, options)) };
}

/** A new certificate of the server under the authority that the silos know already. Throws SpecError for impossible hosts. */
export async function renewCertificate(
  authority: Authority,
  { hosts, now }: { readonly hosts: readonly string[]; readonly now: Date },
): Promise<Pick<Certificates, 'certPem' | 'keyPem'>> {
  const names = hosts.map(alternativeName);
  if (names.length === 0)
    throw new SpecError('Expected at least one host name or IP address of the server, found none.');
  const ca = new x509.X509Certificate(authority.caPem);
  const signingKey = await CRYPTO.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(authority.caKeyPem),
    ALGORITHM,
    false,
    ['sign'],
  );
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: [{ CN: ['align-fl nats-server'] }],
      issuer: ca.subjectName,
      notBefore: daysFrom(now, -1),
      notAfter: daysFrom(now, SERVER_DAYS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey, false, CRYPTO),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, CRYPTO),
      ],
    },
    CRYPTO,
  );
  return { certPem: certificate.toString('pem'), keyPem: await keyPem(keys.privateKey) };
}

/** How a certificate names a host. Throws SpecError for what is neither a name nor an address. */
export function alternativeName(host: string): { readonly type: 'ip' | 'dns'; readonly value: string } {
  if (isIP(host) !== 0) return { type: 'ip', value: host };
  if (DNS_NAME.test(host)) return { type: 'dns', value: host };
  throw new SpecError(`Expected a host name or an IP address without port or scheme, found "${host.slice(0, 80)}".`);
}

// --- internal ---

const CRYPTO = webcrypto;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CA_DAYS = 3652;
const SERVER_DAYS = 365;
const DAY_MS = 86_400_000;
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/i;

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return CRYPTO.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await CRYPTO.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

/** 16 random bytes, positive and not zero. */
function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`;
}

function daysFrom(now: Date, days: number): Date {
  return new Date(now.getTime() + days * DAY_MS);
}
