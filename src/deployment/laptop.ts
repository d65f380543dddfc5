// A whole federation on one machine: a real NATS server over TLS, a server and a process for each silo, all on loopback.

import { spawn } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AbortedError, LostPeerError, SpecError } from '../errors.ts';
import type { DataAccess } from '../experiments/materials.ts';
import type { Spec } from '../experiments/spec.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { freePort } from '../net/free-port.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { dealToSilos } from './deal-to-silos.ts';
import { federationSpec, planOf } from './federation-spec.ts';
import { initServer, type NewServer } from './init-server.ts';
import { inviteSilo } from './invitations.ts';
import { serverLayout, type ServerLayout } from './server-folder.ts';
import { readRegistry } from './silo-registry.ts';

/** Paths of a federation on one machine. */
export interface LaptopLayout {
  readonly root: string;
  readonly server: ServerLayout;
  /** Folder of a silo's key and state. */
  readonly home: (silo: string) => string;
  /** Folder of a silo's images. */
  readonly data: (silo: string) => string;
  readonly invite: (silo: string) => string;
  /** What a silo's process prints. */
  readonly log: (silo: string) => string;
}

export function laptopLayout(path: string): LaptopLayout {
  const root = resolve(path);
  const silo = (name: string) => join(root, 'silos', name);
  return {
    root,
    server: serverLayout(join(root, 'server')),
    home: (name) => join(silo(name), 'home'),
    data: (name) => join(silo(name), 'data'),
    invite: (name) => join(silo(name), 'invite'),
    log: (name) => join(silo(name), 'log.txt'),
  };
}

/** Of a server that nobody else's machine can reach, and whose rounds wait for every silo. */
export async function loopbackSettings(): Promise<NewServer['settings']> {
  return { hosts: ['localhost'], listen: '127.0.0.1', port: await freePort(), quorum: null, deadlineMinutes: null };
}

/** Makes folders, keys, invites and each silo's images; what is there already stays. Throws SpecError where it is of another spec. */
export async function prepareLaptop(
  layout: LaptopLayout,
  spec: Spec,
  { data, now }: { readonly data: DataAccess; readonly now: Date },
): Promise<void> {
  const { images } = await dealToSilos(spec, data, layout.data);
  const { source } = spec.data;
  const wanted = federationSpec(spec, images, source.kind === 'at-silos' ? null : source);
  if (!isThere(layout.server.settings)) {
    await initServer({ layout: layout.server, spec: wanted, settings: await loopbackSettings(), now });
  } else if (planOf(await loadSpec(layout.server.spec)).sha256 !== planOf(wanted).sha256) {
    throw new SpecError(
      `${layout.root} holds another federation. To go on with that, use the options that made it; for this one choose another --out.`,
      {
        path: '--out',
      },
    );
  }
  const { silos } = await readRegistry(layout.server.registry);
  for (const { name, key } of silos) {
    if (key !== null || isThere(layout.invite(name))) continue;
    const { line } = await inviteSilo(layout.server, name, { again: false });
    await writeFileAtomic(layout.invite(name), `${line}\n`, { mode: 0o600 });
  }
}

/** How a command line of align-fl is started: by node, with these first arguments. */
export interface CommandLine {
  readonly entry: string;
  readonly signal: AbortSignal;
}

/** Starts the process of each silo; resolves when all have ended. Throws LostPeerError where one fails, with its last words. */
export async function runSilos(layout: LaptopLayout, silos: readonly string[], line: CommandLine): Promise<void> {
  await Promise.all(silos.map((silo) => runSilo(layout, silo, line)));
}

// --- internal ---

async function runSilo(layout: LaptopLayout, silo: string, { entry, signal }: CommandLine): Promise<void> {
  if (signal.aborted) throw new AbortedError(`Stopped before silo ${silo} began.`);
  mkdirSync(layout.home(silo), { recursive: true, mode: 0o700 });
  const log = openSync(layout.log(silo), 'a', 0o600);
  const args = [
    entry,
    'silo',
    'join',
    layout.invite(silo),
    '--data',
    layout.data(silo),
    '--home',
    layout.home(silo),
    '--yes',
  ];
  // Out of reach of a Ctrl-C in this terminal, which would be a second one. The channel closes when this process is gone, however
  // it ended: that is how the silo hears of it.
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log, 'ipc'] });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  try {
    const code = await new Promise<number | null>((done, failed) => {
      child.on('error', failed).on('exit', done);
    });
    if (code === 0) return;
    if (signal.aborted) throw new AbortedError(`Silo ${silo} was stopped.`);
    throw new LostPeerError(
      `The process of silo ${silo} ended with ${code === null ? 'a signal' : `exit code ${code}`}. What it said: ${layout.log(silo)}`,
      { silo, code: code ?? 'signal' },
    );
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
