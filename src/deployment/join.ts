// A silo at work: finds its server, shows its owner what is asked for, then trains, releases, and keeps account of what left.

import { randomUUID } from 'node:crypto';
import { rename, rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readSiloImages } from '../data/silo-images.ts';
import type { NatsConnection } from '@nats-io/transport-node';
import { AbortedError, AccessError, DataError, SpecError, StateError } from '../errors.ts';
import { type ConnectionNotice, connectNats } from '../net/connect.ts';
import { enrol } from '../net/enrolment.ts';
import { createIdentity, type Identity, loadIdentity, saveIdentity } from '../net/identity.ts';
import { type Invite, readInvite } from '../net/invite.ts';
import { siloInbox } from '../net/nats-permissions.ts';
import { openDepartures } from '../net/departures.ts';
import { openOutbox } from '../net/outbox.ts';
import { runSiloAgent } from '../net/silo-agent.ts';
import { TIMING, type Timing } from '../net/timing.ts';
import { within } from '../net/waiting.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import { isThere } from '../storage/presence.ts';
import type { Consent } from './consent.ts';
import { beginWork, type OwnerWishes } from './owner-wishes.ts';
import { nameBudget } from './silo-budget.ts';
import { openSiloWork, type SiloOwner, type SiloWork } from './silo-work.ts';
import {
  changeSiloSettings,
  defaultLedgerDir,
  makeSiloFolder,
  readSiloSettings,
  requireSiloSettings,
  saveSiloSettings,
  type SiloLayout,
  type SiloSettings,
} from './silo-home.ts';
import { whenReachable } from './when-reachable.ts';
import { whileWorkingIn } from './work-lock.ts';

export interface JoinOptions extends Omit<SiloOwner, 'ask'> {
  /** Whether the owner agrees. Asked once for a plan; `signal` fires when it is no question any more. */
  readonly ask: (consent: Consent, signal: AbortSignal) => Promise<boolean>;
  /** The line that the server's owner gave; null to go on in a folder that has joined. */
  readonly invite: string | null;
  /** Folder of images, or an .npz file. */
  readonly data: string | null;
  /** Folder that `align-fl release` wrote, in place of training. */
  readonly release: string | null;
  /** Folder of the privacy ledger; null for one beside the images. */
  readonly ledger: string | null;
  /** That the ledger is to begin with; null for one that was named before, or else the plan's own numbers. */
  readonly budget: Budget | null;
  readonly signal: AbortSignal;
  /** Of align-fl. */
  readonly version: string;
  /** For tests, and the same as that of the server. */
  readonly timing?: Timing;
}

/** How taking part came to its end. `untold`: the owner left while the server was not there to be told. */
export type JoinEnd = 'ended' | 'left' | 'untold' | 'paused';

/**
 * Takes part until the run ends, the owner pauses or leaves. The same call goes on after an interruption. Throws AccessError
 * where the server does not know this silo's key or the silo has left before, PrivacyError where its ledger does not allow what
 * is asked.
 */
export async function joinFederation(options: JoinOptions): Promise<JoinEnd> {
  const { layout } = options;
  if (options.invite === null) await requireSiloSettings(layout); // or there would be a folder with nothing in it
  const isNew = await makeSiloFolder(layout);
  const working = whileWorkingIn(layout.root, async () => {
    const invite = options.invite === null ? null : readInvite(options.invite);
    await requireOwnInvite(layout, invite);
    const wishes = await beginWork(layout, invite);
    if (wishes.before === 'paused') options.emit({ kind: 'resumed' });
    const signal = AbortSignal.any([options.signal, wishes.paused, wishes.left]);
    try {
      const settings = await settingsFor(options, invite);
      const identity = await enrolled({ ...options, signal }, settings, invite);
      return await work(options, { settings, identity, wishes, signal });
    } catch (error) {
      if (!(error instanceof AbortedError) || options.signal.aborted || !signal.aborted) throw error;
      if (!wishes.left.aborted) return 'paused';
      if ((await requireSiloSettings(layout)).shown) return 'untold';
      await changeSiloSettings(layout, { farewell: true }); // there is nobody to tell
      return 'left';
    } finally {
      wishes.close();
    }
  });
  return working.catch(async (error: unknown) => {
    if (isNew) await rmdir(layout.root).catch(() => {}); // something is in it, and stays
    throw error;
  });
}

/** Throws SpecError where both are named, or what is named is not there. */
export function requireMaterial({ data, release }: Pick<JoinOptions, 'data' | 'release'>): void {
  if (data !== null && release !== null) {
    throw new SpecError('--data trains a decoder and --release brings one along. Leave one of them out.', {
      path: '--release',
    });
  }
  const [flag, path] = data === null ? ['--release', release] : ['--data', data];
  if (path === null || isThere(path)) return;
  throw new SpecError(`${flag}: ${path}: there is no such folder or file. Correct the path.`, { path: flag });
}

// --- internal ---

/** Throws StateError where there is neither a silo nor an invite, and where the invite is for another silo. */
async function requireOwnInvite(layout: SiloLayout, invite: Invite | null): Promise<void> {
  const known = invite === null ? await requireSiloSettings(layout) : await readSiloSettings(layout);
  if (known !== null && invite !== null && (known.silo !== invite.silo || known.server !== invite.server)) {
    throw new StateError(
      `${layout.root} belongs to silo '${known.silo}' of federation '${known.federation}', and the invite is for '${invite.silo}' ` +
        `of '${invite.federation}'${known.silo === invite.silo ? ', whose server has another key' : ''}. Name another folder with --home.`,
      { path: layout.root },
    );
  }
}

/** What is known already, or what the invite says; on disk when the promise resolves. */
async function settingsFor(
  { layout, data, release, ledger, budget, now }: JoinOptions,
  invite: Invite | null,
): Promise<SiloSettings> {
  const known = await readSiloSettings(layout);
  requireMaterial({ data, release });
  const named = data ?? release;
  const from = named === null ? (known?.data ?? known?.release ?? null) : resolve(named);
  if (from === null) {
    throw new SpecError(
      'What does this silo bring? Name the folder of its images with --data, or with --release a decoder that was trained elsewhere.',
      { path: '--data' },
    );
  }
  if (!isThere(from)) {
    throw new DataError(`${from} is gone: this silo joined with it. Put it back, or name another place.`, {
      path: from,
    });
  }
  if (data !== null) await readSiloImages(from); // what cannot be read must not replace what could
  const silo = (invite ?? known)?.silo as string;
  const settings: Omit<SiloSettings, 'wish' | 'farewell'> = {
    format: 'align-fl/silo@1',
    silo,
    federation: (invite ?? known)?.federation as string,
    servers: [...(invite?.address.servers ?? known?.servers ?? [])],
    ca: invite?.address.ca ?? known?.ca ?? '',
    server: (invite ?? known)?.server as string,
    data: named === null ? (known?.data ?? null) : data && from,
    release: named === null ? (known?.release ?? null) : release && from,
    // It belongs to the images: other images, another ledger.
    ledger: ledger === null ? (named === null && known?.ledger) || defaultLedgerDir(from, silo) : resolve(ledger),
    agreed: known?.agreed ?? null,
    material: known?.material ?? null,
    invite: known?.invite ?? null,
    shown: known?.shown ?? false,
  };
  if (budget !== null) await nameBudget(settings.ledger, budget, now);
  if (known === null) await saveSiloSettings(layout, { ...settings, wish: 'work', farewell: false });
  else await changeSiloSettings(layout, settings); // but for what the owner wishes meanwhile
  return requireSiloSettings(layout);
}

/**
 * The identity of this silo, which the server knows: made here, and told by the invite. An invite is used once: another one than
 * the last makes another key, and the old one goes when the server has the new. Whatever a crash interrupts, the same invite
 * finishes.
 */
async function enrolled(options: JoinOptions, settings: SiloSettings, invite: Invite | null): Promise<Identity> {
  const { layout, emit, signal } = options;
  if (settings.invite !== null) await takeOver(layout, settings.invite); // stopped before the last step
  if (invite === null || settings.invite === invite.enrol.publicKey) {
    if (isThere(layout.identity)) return loadIdentity(layout.identity);
    const what =
      settings.invite === null
        ? `${layout.root} has not joined yet: its joining was interrupted. Run the same command with the invite again.`
        : `${layout.identity} is gone. Ask whoever runs the server for a new invite.`;
    throw new StateError(what, { path: layout.identity });
  }
  const used = invite.enrol.publicKey;
  const path = layout.nextIdentity(used);
  // Without a remembered invite the key that is there is of the first one, and nobody was told whether the server has it.
  if (settings.invite === null && isThere(layout.identity) && !isThere(path)) await rename(layout.identity, path);
  const isNew = !isThere(path);
  if (isNew) await saveIdentity(path, createIdentity().seed);
  const identity = await loadIdentity(path);
  if (isNew || !(await isKnown(options, settings, identity))) {
    emit({ kind: 'enrolling', silo: settings.silo, servers: settings.servers });
    const onAsk = () => changeSiloSettings(layout, { shown: true });
    await whenReachable(options, () => enrol(invite, identity, { signal, onAsk }));
  }
  await changeSiloSettings(layout, { invite: used });
  await takeOver(layout, used);
  return identity;
}

/** Puts the key that was enrolled by an invite in the place of the one before; where that is done, nothing. */
async function takeOver(layout: SiloLayout, invite: string): Promise<void> {
  const path = layout.nextIdentity(invite);
  if (isThere(path)) await rename(path, layout.identity);
}

/** Whether the server takes this identity already: an invite that was used is worth nothing, and need not be. */
async function isKnown(options: JoinOptions, settings: SiloSettings, identity: Identity): Promise<boolean> {
  const { silo } = settings;
  const as = { identity, inboxPrefix: siloInbox(silo), signal: options.signal, name: silo };
  try {
    const nc = await whenReachable(options, () => connectNats(settings, as));
    await nc.close();
    return true;
  } catch (error) {
    if (error instanceof AccessError) return false;
    throw error;
  }
}

/** What is settled when a silo goes to work. */
interface Ready {
  readonly settings: SiloSettings;
  readonly identity: Identity;
  readonly wishes: OwnerWishes;
  /** Fires when the process is stopped, and when the owner pauses or leaves. */
  readonly signal: AbortSignal;
}

async function work(options: JoinOptions, { settings, identity, wishes, signal }: Ready): Promise<JoinEnd> {
  const { layout, emit, now, version, timing = TIMING } = options;
  const { silo } = settings;
  const ask: SiloOwner['ask'] = (consent) =>
    within(options.ask(consent, signal), { signal, limitMs: timing.answerMs, what: 'The question' });
  const onNotice = (notice: ConnectionNotice) => emit({ kind: 'connection', notice });
  // The connection outlives the owner's wishes: over it a farewell is said.
  const as = { identity, inboxPrefix: siloInbox(silo), name: `silo ${silo}`, signal: options.signal, onNotice };
  let nc: NatsConnection | null = null;
  let siloWork: SiloWork | null = null;
  try {
    nc = await whenReachable({ emit, signal }, () => connectNats(settings, as));
    siloWork = await openSiloWork({ ...options, ask }, settings);
    const end = await runSiloAgent({
      nc,
      identity,
      silo,
      server: settings.server,
      instance: randomUUID(),
      version,
      home: { outbox: openOutbox(layout.outbox), departures: await openDepartures(layout.departures, now) },
      state: siloWork.state,
      seals: siloWork.seals,
      agree: siloWork.agree,
      play: siloWork.play,
      emit: (event) => emit({ kind: 'agent', event }),
      signal: options.signal,
      pause: wishes.paused,
      leave: wishes.left,
      timing,
    });
    if (end === 'left') await changeSiloSettings(layout, { farewell: true });
    return end;
  } finally {
    await siloWork?.close();
    await nc?.close();
  }
}
