// The server of a federation at work: the same rounds as in a simulation, with silos that are reached over the network.

import { readFile } from 'node:fs/promises';
import { secretKey } from '../engine/keys.ts';
import { LostPeerError, SpecError } from '../errors.ts';
import { readJournal, type RoundRecord } from '../experiments/journal.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import type { DataAccess } from '../experiments/materials.ts';
import { closeRunFolder, openRunFolder, type RunFolder } from '../experiments/run-folder.ts';
import { runLayout } from '../experiments/run-layout.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { runExperiment } from '../experiments/run.ts';
import { differencesBetween } from '../experiments/spec-identity.ts';
import { formatPath, shown } from '../experiments/spec-problems.ts';
import type { Spec } from '../experiments/spec.ts';
import type { Summary } from '../experiments/summary.ts';
import { connectNats } from '../net/connect.ts';
import { answerEnrolments } from '../net/enrolment.ts';
import { loadIdentity } from '../net/identity.ts';
import { startNatsServer } from '../net/nats-process.ts';
import { provision } from '../net/provision.ts';
import { openSiloHub, type SiloHub } from '../net/silo-hub.ts';
import { TIMING, type Timing } from '../net/timing.ts';
import { openDecoderTrials } from '../server/guarded-trial.ts';
import { readJson, writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { changeRegistry, noteInRegistry, writeNatsConfig } from './authority.ts';
import { imagesOf, planOf } from './federation-spec.ts';
import type { ServerEvent } from './server-events.ts';
import { addressesOf, readSettings, type ServerLayout } from './server-folder.ts';
import { saveHeard } from './server-status.ts';
import {
  isTaken,
  readRegistry,
  type RegisteredSilo,
  type SiloRegistry,
  withKey,
  withoutKey,
  withoutUsedInvite,
} from './silo-registry.ts';
import { whileWorkingIn } from './work-lock.ts';

export interface ServeOptions {
  readonly layout: ServerLayout;
  /** `local`: a NATS server is started here and ended with this; addresses of one; null for those that silos use. */
  readonly nats: 'local' | readonly string[] | null;
  /** Where the server's own test images may be found. */
  readonly data: DataAccess;
  readonly emit: (event: ServerEvent) => void;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Of align-fl. */
  readonly version: string;
  /** For tests, and the same as that of the silos. */
  readonly timing?: Timing;
}

/**
 * Plays all rounds of the federation, or goes on with them, and returns the summary. With the same seeds and images the silos'
 * decoders and the global model are those of a simulation, byte for byte. Throws what `runExperiment` throws, and AccessError or
 * LostPeerError where there is no NATS server to work with.
 */
export async function serveFederation(options: ServeOptions): Promise<Summary> {
  const { layout } = options;
  const settings = await readSettings(layout);
  return whileWorkingIn(layout.root, async () => {
    const spec = await loadSpec(layout.spec);
    imagesOf(spec); // says so where it is the spec of a simulation
    const closing: (() => Promise<void>)[] = [];
    try {
      await requireSilosOf(layout, spec);
      await requireAgreedPlan(layout, spec);
      const folder = await openRunFolder({ path: layout.run, spec }); // before any silo hears of a plan that is not its
      closing.push(() => closeRunFolder(folder));
      const servers = await natsServers(options, settings.port, closing);
      const committed = (await roundsDone(layout)).flatMap(committedIn);
      const hub = await openHub(options, { spec, servers: servers ?? addressesOf(settings), committed }, closing);
      const summary = await played(options, { folder, hub, committed }).catch((error: unknown) => {
        throw withWayBack(error, layout);
      });
      await hub.end();
      return summary;
    } finally {
      for (const close of closing.reverse()) await close();
    }
  });
}

// --- internal ---

/** Starts one where that is asked for. Null where the addresses of the settings hold. */
async function natsServers(
  { layout, nats, signal }: ServeOptions,
  port: number,
  closing: (() => Promise<void>)[],
): Promise<readonly string[] | null> {
  await writeNatsConfig(layout);
  if (nats !== 'local') return nats;
  const { config, log, pid } = layout.nats;
  const started = await startNatsServer({ config, log, pidFile: pid, signal });
  closing.push(started.close);
  return [`tls://localhost:${port}`];
}

/** The way to the silos, with everything around it that has to be watched. */
async function openHub(
  { layout, emit, signal, now, version, timing = TIMING }: ServeOptions,
  { spec, servers, committed }: HubParts,
  closing: (() => Promise<void>)[],
): Promise<SiloHub> {
  const identity = await loadIdentity(layout.identity);
  const ca = await readFile(layout.authority, 'utf8');
  const { shape, classes } = imagesOf(spec);
  const notice = (text: string) => emit({ kind: 'notice', text });
  const nc = await connectNats(
    { servers, ca },
    {
      identity,
      inboxPrefix: '_INBOX',
      name: 'server',
      signal,
      onNotice: (heard) => emit({ kind: 'connection', notice: heard }),
    },
  );
  closing.push(() => nc.close());
  await provision(
    nc,
    spec.silos.map(({ name }) => name),
    { signal, timing },
  );
  const trials = openDecoderTrials({
    shape,
    classes: spec.task === 'classify' ? classes : null,
    key: secretKey('trial'), // whoever knew it could make a decoder that behaves on trial only
  });
  closing.push(() => trials.close());
  let registry = await readRegistry(layout.registry);
  const change = async (to: (registry: SiloRegistry) => SiloRegistry) => {
    await changeRegistry(layout, to);
    registry = await readRegistry(layout.registry);
  };
  const hub = await openSiloHub({
    nc,
    identity,
    silos: await keysIn(layout),
    revoked: registry.silos.flatMap((silo) => (isOut(silo) ? [silo.name] : [])),
    version,
    run: spec.name,
    federation: spec.name,
    plan: planOf(spec),
    committedSoFar: (silo) => committed.filter((upload) => upload.silo === silo),
    incomingDir: layout.incoming,
    inspect: (file, header) => trials.inspect(file, header, { signal }),
    emit(event) {
      emit({ kind: 'network', event });
      if (event.kind === 'silo-left') void change((known) => withoutKey(known, event.silo)).catch(() => {});
    },
    signal,
    timing,
  });
  closing.push(() => hub.close());
  const follow = every(LOOK_EVERY_MS, async () => {
    const before = registry;
    registry = await readRegistry(layout.registry); // other processes invite and revoke
    for (const { name, key } of registry.silos) {
      if (before.silos.find((silo) => silo.name === name)?.key === key) continue;
      if (key === null) hub.removeSilo(name);
      else hub.addSilo(name, key);
    }
  });
  closing.push(follow);
  const enrolments = answerEnrolments(nc, {
    federation: spec.name,
    identity,
    async find(silo) {
      const { silos } = await readRegistry(layout.registry); // another process may have invited just now
      const found = silos.find(({ name }) => name === silo);
      return found ? { key: found.key, enrolKey: found.invite } : null;
    },
    isKnownKey: async (publicKey) => isTaken(await readRegistry(layout.registry), publicKey),
    async onEnrol(silo, publicKey) {
      if (!isThere(layout.plan)) await writeFileAtomic(layout.plan, planOf(spec).text);
      await noteInRegistry(layout, (known) => withKey(known, silo, publicKey));
      registry = await readRegistry(layout.registry);
      hub.addSilo(silo, publicKey);
    },
    onAnswered: (silo) => change((known) => withoutUsedInvite(known, silo)),
    onRefused: (silo, why) => notice(`${silo} could not join: ${why instanceof Error ? why.message : why}`),
  });
  closing.push(() => enrolments.close());
  closing.push(tellStatus(layout, hub, now));
  return hub;
}

/** Plays the rounds that are left. What was committed already is told again: whoever was away may not have heard. */
async function played(
  { layout, data, emit, signal }: ServeOptions,
  { folder, hub, committed }: Playing,
): Promise<Summary> {
  const { quorum, deadlineMinutes } = await readSettings(layout);
  if (folder.state === 'complete') {
    for (const record of await roundsDone(layout)) await hub.commit(record.round, committedIn(record));
  }
  return runExperiment({
    folder,
    data,
    emit,
    signal,
    remote: {
      port: (name) => hub.port(name),
      closing: quorum === null || deadlineMinutes === null ? 'every' : { quorum, deadlineMs: deadlineMinutes * 60_000 },
      async onCommitted(round, uploads) {
        const now = committedIn({ round, uploads });
        // The hub looks here when a silo says hello. A run that goes on tells of earlier rounds again.
        committed.push(
          ...now.filter((one) => !committed.some(({ silo, round: known }) => silo === one.silo && known === one.round)),
        );
        await hub.commit(round, now);
      },
    },
  });
}

/** A run that waits for every silo cannot go on without one; what its owner can do. */
function withWayBack(error: unknown, { root, settings }: ServerLayout): unknown {
  if (!(error instanceof LostPeerError) || !(error.facts['left'] || error.facts['revoked'])) return error;
  const message =
    `${error.message} To wait for it: align-fl server invite ${root} ${String(error.facts['silo'])}, then start again. To go on without ` +
    `it: set "quorum" and "deadlineMinutes" in ${settings}, then start again.`;
  return new LostPeerError(message, error.facts, { cause: error });
}

interface HubParts {
  readonly spec: Spec;
  readonly servers: readonly string[];
  /** Grows with every round. */
  readonly committed: readonly CommittedUpload[];
}

interface Playing {
  readonly folder: RunFolder;
  readonly hub: SiloHub;
  readonly committed: CommittedUpload[];
}

/** Silos that have joined agreed to a plan: another one would be asked of them behind their backs. */
async function requireAgreedPlan(layout: ServerLayout, spec: Spec): Promise<void> {
  if (!isThere(layout.plan)) return;
  const agreed = parseSpec(await readJson(layout.plan, { maxBytes: MAX_PLAN_BYTES }), { source: layout.plan });
  const changed = differencesBetween(JSON.parse(planOf(spec).text), JSON.parse(planOf(agreed).text));
  if (changed.length === 0) return;
  const lines = changed
    .slice(0, 8)
    .map(({ path, ours, theirs }) => `  ${formatPath(path)}: ${shown(theirs)} was agreed to, now ${shown(ours)}`);
  throw new SpecError(
    `${layout.spec} has changed since the first silo joined:\n${lines.join('\n')}\nPut it back, or make another federation with ` +
      'align-fl server init.',
    { paths: changed.map(({ path }) => formatPath(path)) },
  );
}

const MAX_PLAN_BYTES = 4_000_000;

/** Keys belong to names: a silo that was written into the spec later has none, and never could. */
async function requireSilosOf(layout: ServerLayout, spec: Spec): Promise<void> {
  const { silos } = await readRegistry(layout.registry);
  const [known, asked] = [silos.map(({ name }) => name), spec.silos.map(({ name }) => name)];
  if (known.join() === asked.join()) return;
  throw new SpecError(
    `silos: ${layout.spec} has ${asked.join(', ')}, but this federation was made for ${known.join(', ')}. Put the names back, or make ` +
      'another federation with align-fl server init.',
    { path: 'silos' },
  );
}

/** Rounds of the run that are complete, none before it began. */
async function roundsDone({ run }: ServerLayout): Promise<readonly RoundRecord[]> {
  const { journal } = runLayout(run);
  return isThere(journal) ? ((await readJournal(journal)).strategies['align'] ?? []) : [];
}

/** What an upload was, as silos are told: the round that it answered, and its hash. */
function committedIn({ round, uploads }: Pick<RoundRecord, 'round' | 'uploads'>): readonly CommittedUpload[] {
  return uploads.flatMap((upload) =>
    upload.sha256 === null ? [] : [{ silo: upload.silo, round: upload.answers ?? round, sha256: upload.sha256 }],
  );
}

interface CommittedUpload {
  readonly silo: string;
  readonly round: number;
  readonly sha256: string;
}

/** For `align-fl server status`, whichever process asks. */
function tellStatus(layout: ServerLayout, hub: SiloHub, now: () => Date): () => Promise<void> {
  let told = '';
  return every(LOOK_EVERY_MS, async () => {
    const silos = [...hub.statuses()].map(([name, { state, round, percent }]) => ({ name, state, round, percent }));
    const text = JSON.stringify(silos);
    if (text === told) return;
    told = text;
    await saveHeard(
      layout,
      silos.map((silo) => ({ ...silo, heardAt: now().toISOString() })),
    );
  });
}

/** Does `work` again and again, never twice at a time; what it throws is tried again. Returns what ends that. */
function every(ms: number, work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(work).catch(() => {});
  }, ms);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

const LOOK_EVERY_MS = 1000;

/** Whether nobody waits for a silo: its key was revoked, and nobody invited it again. */
function isOut({ key, invite, formerKeys }: RegisteredSilo): boolean {
  return key === null && invite === null && formerKeys.length > 0;
}

async function keysIn(layout: ServerLayout): Promise<ReadonlyMap<string, string>> {
  const { silos } = await readRegistry(layout.registry);
  return new Map(silos.flatMap(({ name, key }) => (key === null ? [] : [[name, key] as const])));
}
