// A new federation: its spec, its keys, its certificate, and the configuration of its NATS server, all in one new folder.

import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { SpecError } from '../errors.ts';
import type { Spec } from '../experiments/spec.ts';
import { createCertificates, renewCertificate } from '../net/certificates.ts';
import { createIdentity, saveIdentity } from '../net/identity.ts';
import { writeFileAtomic, writeNewFile } from '../storage/atomic-file.ts';
import { writeNatsConfig } from './authority.ts';
import { imagesOf } from './federation-spec.ts';
import {
  makeServerFolder,
  readSettings,
  saveSettings,
  type ServerLayout,
  type ServerSettings,
} from './server-folder.ts';
import { newRegistry, saveRegistry } from './silo-registry.ts';
import { counted } from '../experiments/counted.ts';

export interface NewServer {
  readonly layout: ServerLayout;
  /** With its images at the silos. */
  readonly spec: Spec;
  readonly settings: Omit<ServerSettings, 'format'>;
  readonly now: Date;
}

/**
 * Makes the folder of a server. Throws SpecError where something is there already (keys are never replaced), where a quorum
 * could never be reached, and for hosts that are none.
 */
export async function initServer({ layout, spec, settings, now }: NewServer): Promise<void> {
  imagesOf(spec);
  const { hosts, quorum, deadlineMinutes } = settings;
  if (quorum !== null) requireEnoughSilos(quorum, spec.silos.length);
  requireBothOrNone({ quorum: quorum !== null, deadline: deadlineMinutes !== null });
  const certificates = await createCertificates({ hosts, now });
  const { seed } = createIdentity();
  await makeServerFolder(layout);
  await saveIdentity(layout.identity, seed);
  await writeNewFile(layout.authorityKey, certificates.caKeyPem, SECRET);
  await writeNewFile(layout.authority, certificates.caPem, { mode: 0o644 });
  await writeNewFile(layout.nats.key, certificates.keyPem, SECRET);
  await writeNewFile(layout.nats.certificate, certificates.certPem, { mode: 0o644 });
  await saveRegistry(layout.registry, newRegistry(spec.silos.map(({ name }) => name)));
  await writeFileAtomic(layout.spec, `${HEADER}${stringify(spec, { lineWidth: 0 })}`);
  await saveSettings(layout, { format: 'align-fl/server@1', ...settings });
  await writeNatsConfig(layout);
}

/** Throws SpecError for a quorum that so many silos can never reach. */
export function requireEnoughSilos(quorum: number, silos: number): void {
  if (quorum <= silos) return;
  throw new SpecError(`--quorum: ${quorum} answers can never come from ${counted(silos, 'silo')}.`, {
    path: '--quorum',
  });
}

/** Throws SpecError where one is there without the other. */
export function requireBothOrNone(isThere: { readonly quorum: boolean; readonly deadline: boolean }): void {
  if (isThere.quorum === isThere.deadline) return;
  throw new SpecError(
    '--quorum and --deadline go together: a round closes when its time is over and so many silos have answered.',
    { path: '--quorum' },
  );
}

/** A new certificate of the NATS server, a year from `now`, under the authority that silos know. */
export async function renewServerCertificate(layout: ServerLayout, now: Date): Promise<void> {
  const { hosts } = await readSettings(layout);
  const [caPem, caKeyPem] = await Promise.all(
    [layout.authority, layout.authorityKey].map((file) => readFile(file, 'utf8')),
  );
  const { certPem, keyPem } = await renewCertificate(
    { caPem: caPem as string, caKeyPem: caKeyPem as string },
    { hosts, now },
  );
  await writeFileAtomic(layout.nats.key, keyPem, SECRET);
  await writeFileAtomic(layout.nats.certificate, certPem);
}

// --- internal ---

const SECRET = { mode: 0o600 };

const HEADER = `# What this federation does. Change it until the first silo has joined; from then on it is what silos agreed to.
# Every field: align-fl schema, docs/deployment.md.
`;
