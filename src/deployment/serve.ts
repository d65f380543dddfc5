// The server of a federation at work: the same rounds as in a simulation, with silos that are reached over the network.

import { LostPeerError } from '../errors.ts';
import type { Closing } from '../federation/collect.ts';
import { isGone } from '../federation/silo-port.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import type { DataAccess } from '../experiments/materials.ts';
import { closeRunFolder, openRunFolder, type RunFolder } from '../experiments/run-folder.ts';
import { type RemoteSilos, runExperiment } from '../experiments/run.ts';
import type { Summary } from '../experiments/summary.ts';
import { startNatsServer } from '../net/nats-process.ts';
import type { SiloHub } from '../net/silo-hub.ts';
import { TIMING, type Timing } from '../net/timing.ts';
import { within } from '../net/waiting.ts';
import { shellWord } from '../experiments/shell-word.ts';
import { requireAgreedPlan, requireSilosOf } from './agreed-plan.ts';
import { writeNatsConfig } from './authority.ts';
import { type CommittedRounds, committedIn, committedRounds, roundsDone } from './committed-rounds.ts';
import { imagesOf } from './federation-spec.ts';
import type { ServerEvent } from './server-events.ts';
import { addressesOf, readSettings, type ServerLayout, type ServerSettings } from './server-folder.ts';
import { openServerRecords } from './server-records.ts';
import { openSiloNetwork } from './silo-network.ts';
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
  /** Settles when the silos that were started beside this server have ended, or one has failed: it stays for those that begin late. */
  readonly silosAtWork?: Promise<unknown>;
  /** For tests, and the same as that of the silos. */
  readonly timing?: Timing;
}

/**
 * Plays all rounds of the federation, or goes on with them, and returns the summary. With the same seeds and images the silos'
 * decoders and the global model are those of a simulation, byte for byte. Throws what `runExperiment` throws, and AccessError or
 * LostPeerError where there is no NATS server to work with.
 */
export async function serveFederation(options: ServeOptions): Promise<Summary> {
  const { layout, timing = TIMING } = options;
  const settings = await readSettings(layout);
  return whileWorkingIn(layout.root, () =>
    closingAll(async (atEnd) => {
      const spec = await loadSpec(layout.spec);
      imagesOf(spec); // says so where it is the spec of a simulation
      await requireSilosOf(layout, spec);
      await requireAgreedPlan(layout, spec);
      const folder = await openRunFolder({ path: layout.run, spec }); // before any silo hears of a plan that is not its
      atEnd(() => closeRunFolder(folder));
      const records = await openServerRecords(layout, options);
      atEnd(() => records.close());
      const servers = await natsServers(options, settings, atEnd);
      const committed = committedRounds(await roundsDone(layout));
      const told = { ...options, emit: records.emit };
      const hub = await openSiloNetwork({ ...told, timing, spec, servers, committed, atEnd }).catch(
        (error: unknown) => {
          throw withBroker(error, options);
        },
      );
      const summary = await played(told, { folder, hub, committed, closing: closingOf(settings) });
      await hub.end();
      if (options.silosAtWork) {
        const wait = { signal: options.signal, limitMs: timing.answerMs, what: 'The end of the silos here' };
        await within(options.silosAtWork, wait);
      }
      return summary;
    }),
  );
}

// --- internal ---

/** Addresses of the NATS server, which is started here where that is asked for. */
async function natsServers(
  { layout, nats, signal }: ServeOptions,
  settings: ServerSettings,
  atEnd: AtEnd,
): Promise<readonly string[]> {
  await writeNatsConfig(layout);
  if (nats !== 'local') return nats ?? addressesOf(settings);
  const { config, log, pid } = layout.nats;
  const started = await startNatsServer({ config, log, pidFile: pid, signal });
  atEnd(started.close);
  return [`tls://localhost:${settings.port}`];
}

interface Playing {
  readonly folder: RunFolder;
  readonly hub: SiloHub;
  readonly committed: CommittedRounds;
  readonly closing: Closing;
}

/** Plays the rounds that are left. What was committed already is told again: whoever was away may not have heard. */
async function played(
  { layout, data, emit, signal }: ServeOptions,
  { folder, hub, committed, closing }: Playing,
): Promise<Summary> {
  try {
    if (folder.state === 'complete') {
      for (const record of await roundsDone(layout)) await hub.commit(record.round, committedIn(record));
    }
    const onCommitted: RemoteSilos['onCommitted'] = (round, uploads) =>
      hub.commit(round, committed.add({ round, uploads }));
    const remote = { port: (name: string) => hub.port(name), closing, onCommitted };
    return await runExperiment({ folder, data, emit, signal, remote });
  } catch (error) {
    throw withWayBack(error, layout);
  }
}

function closingOf({ quorum, deadlineMinutes }: ServerSettings): Closing {
  return quorum === null || deadlineMinutes === null ? 'every' : { quorum, deadlineMs: deadlineMinutes * 60_000 };
}

/** A run that waits for every silo cannot go on without one; what its owner can do. */
function withWayBack(error: unknown, { root, settings }: ServerLayout): unknown {
  if (!isGone(error)) return error;
  const message =
    `${error.message} To wait for it: align-fl server invite ${shellWord(root)} ${String(error.facts['silo'])}, then start again. To go on without ` +
    `it: set "quorum" and "deadlineMinutes" in ${settings}, then start again.`;
  return new LostPeerError(message, error.facts, { cause: error });
}

/** Nobody answers: how the NATS server of this federation is started. */
function withBroker(error: unknown, { layout, nats }: ServeOptions): unknown {
  if (!(error instanceof LostPeerError) || nats === 'local') return error;
  const message = `${error.message} To start it: nats-server -c ${shellWord(layout.nats.config)}, or let this command start one here, with --local.`;
  return new LostPeerError(message, error.facts, { cause: error });
}

type AtEnd = (close: () => Promise<unknown>) => void;

/** Closes what `work` has opened, the last first, however it ends. */
async function closingAll<T>(work: (atEnd: AtEnd) => Promise<T>): Promise<T> {
  const open: (() => Promise<unknown>)[] = [];
  try {
    return await work((close) => open.push(close));
  } finally {
    for (const close of open.reverse()) await close();
  }
}
