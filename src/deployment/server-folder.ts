// The folder of a federation's server: its spec, its keys, who is who, and what its NATS server is started with.

import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { SpecError, StateError } from '../errors.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';

/** Paths below the folder of a server. */
export interface ServerLayout {
  readonly root: string;
  /** What the federation does, for people to read and, until it begins, to change. */
  readonly spec: string;
  /** Addresses, and when a round closes. */
  readonly settings: string;
  /** Public keys of the silos (silo-registry.ts). */
  readonly registry: string;
  /** Private: the server's identity, and the key that signs certificates. */
  readonly identity: string;
  readonly authorityKey: string;
  /** The certificate that silos trust; goes into invites. */
  readonly authority: string;
  /** All that a NATS server needs, and nothing else: its folder can be carried to another machine. */
  readonly nats: {
    readonly dir: string;
    readonly config: string;
    readonly certificate: string;
    readonly key: string;
    readonly store: string;
    readonly log: string;
    readonly pid: string;
  };
  /** The run: decoders, global model, journal, summary. */
  readonly run: string;
  /** What came from silos and is not inspected yet. */
  readonly incoming: string;
  /** What silos have agreed to: written when the first one joins, and never changed after. */
  readonly plan: string;
  /** What was heard last of each silo and of the round, written by the server at work (status-file.ts). */
  readonly status: string;
  /** What happened on the network (network-log.ts), and what the log held before it was full. */
  readonly networkLog: string;
  readonly olderNetworkLog: string;
}

export function serverLayout(path: string): ServerLayout {
  const root = resolve(path);
  const nats = join(root, 'nats');
  const keys = join(root, 'keys');
  return {
    root,
    spec: join(root, 'federation.yaml'),
    settings: join(root, 'server.json'),
    registry: join(root, 'silos.json'),
    identity: join(keys, 'server.nk'),
    authorityKey: join(keys, 'authority.key'),
    authority: join(keys, 'authority.pem'),
    nats: {
      dir: nats,
      config: join(nats, 'nats-server.conf'),
      certificate: join(nats, 'server.pem'),
      key: join(nats, 'server.key'),
      store: join(nats, 'store'),
      log: join(nats, 'nats-server.log'),
      pid: join(nats, 'nats-server.pid'),
    },
    run: join(root, 'run'),
    incoming: join(root, 'incoming'),
    plan: join(root, 'plan.json'),
    status: join(root, 'status.json'),
    networkLog: join(root, 'network.jsonl'),
    olderNetworkLog: join(root, 'network.1.jsonl'),
  };
}

const settingsSchema = z.strictObject({
  format: z.literal('align-fl/server@1'),
  /** Names and addresses under which silos reach the NATS server; its certificate holds them. */
  hosts: z.array(z.string().min(1).max(255)).min(1).max(20),
  port: z.int().min(1).max(65535),
  /** Address that the NATS server listens on: 0.0.0.0 for all of this machine's, 127.0.0.1 for nobody else's. */
  listen: z.string().min(1).max(255),
  /** Answers that suffice when a round's time is over; null: a round waits for every silo. */
  quorum: z.int().min(1).nullable(),
  /** Minutes until a round closes on its quorum; null: it does not. */
  deadlineMinutes: z.number().gt(0).max(525_600).nullable(),
});

/** `server.json` */
export type ServerSettings = z.infer<typeof settingsSchema>;

/** Throws StateError where `path` is no folder of a server, or damaged. */
export async function readSettings(layout: ServerLayout): Promise<ServerSettings> {
  if (!isThere(layout.settings)) {
    throw new StateError(
      `${layout.root} is no folder of a server: there is no server.json in it. Make one: align-fl server init ${layout.root}`,
      { path: layout.root },
    );
  }
  const parsed = settingsSchema.safeParse(await readJson(layout.settings, { maxBytes: 100_000 }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${layout.settings} is damaged: ${z.prettifyError(parsed.error)}. Restore it from a copy.`, {
    path: layout.settings,
  });
}

export async function saveSettings(layout: ServerLayout, settings: ServerSettings): Promise<void> {
  await writeJsonAtomic(layout.settings, settings);
}

/** The addresses of the NATS server, as clients take them. */
export function addressesOf({ hosts, port }: ServerSettings): readonly string[] {
  return hosts.map((host) => `tls://${host.includes(':') ? `[${host}]` : host}:${port}`);
}

/** Makes an empty folder, readable by its owner alone. Throws SpecError where something is there: keys are never replaced. */
export async function makeServerFolder(layout: ServerLayout): Promise<void> {
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  const found = await readdir(layout.root);
  if (found.length > 0) {
    const isOurs = isThere(layout.settings) || isThere(layout.identity);
    throw new SpecError(
      isOurs
        ? `${layout.root} is the folder of a federation already, and was left as it is: new keys would shut out every silo that ` +
            'was invited. Choose another folder, or move this one away.'
        : `${layout.root} is not empty. Choose another folder.`,
      { path: layout.root },
    );
  }
  for (const dir of [join(layout.root, 'keys'), layout.nats.dir, layout.incoming]) await mkdir(dir, { mode: 0o700 });
}
