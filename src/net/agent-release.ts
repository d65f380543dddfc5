// A round at a silo, from the task to the notice that its release is at the broker. Every step can be repeated.
//
// The order is what makes it safe: played (the silo's own state), kept in the outbox, noted in the log of departures, uploaded,
// announced. Whatever step a crash interrupts, the next process finds the one before it on disk and goes on from there.

import { AbortedError, MessageError, ShapeError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { contentHash } from '../storage/content-hash.ts';
import type { Agent } from './agent-state.ts';
import type { Link } from './bucket.ts';
import { publishDurably } from './durable-publish.ts';
import { sealMessage } from './envelope.ts';
import { COMMITTED_FAILURE, failureOf, failureOfCode } from './failure-words.ts';
import type { Body, Kind } from './messages.ts';
import type { OutboxEntry } from './outbox.ts';
import { removeOtherParts, uploadParts } from './parts.ts';
import { updateSubject } from './subjects.ts';
import { throwIfAborted, within } from './waiting.ts';

/**
 * Answers a task: with its release, from the outbox where it is there already, or with why there is none. Resolves when the
 * answer is kept by the broker. `task`: number of the task in its stream. Throws what only this machine can mend, such as a
 * damaged outbox, and AbortedError.
 */
export async function answerTask(agent: Agent, body: Body<'train'>, task: number): Promise<void> {
  const { outbox, departures, emit } = agent;
  const { plan, round } = body;
  emit({ kind: 'task', round });
  const last = departures.last(plan, round);
  if (last?.state === 'committed') return fail(agent, body, task, COMMITTED_FAILURE);
  // The same task again, as its acknowledgement was lost: another try would be paid for anew.
  if (last?.state === 'failed' && last.task === task) return fail(agent, body, task, failureOfCode(last.code ?? ''));
  const entry = (await outbox.get(plan, round)) ?? (await made(agent, body, task));
  if (entry !== null) await deliver(agent, entry);
}

/** Brings a kept release to the broker, as far as it is not there: its parts, then its signed notice. */
export async function deliver(agent: Agent, { header, file }: OutboxEntry): Promise<void> {
  const { link, silo, departures, status, emit } = agent;
  const { round, decoder, parts, privacy } = header;
  const of = { round, sha256: decoder.sha256 };
  throwIfAborted(link.signal, `Round ${round}`);
  status.set('uploading', round);
  const isNew = departures.last(header.plan, round)?.state !== 'delivered';
  if (isNew) {
    await departures.note(header, 'leaving');
    emit({ kind: 'leaving', ...of, bytes: decoder.sizeBytes, privacy: privacy.text });
  }
  await removeUnneededParts(agent, header.plan);
  await uploadParts(link, silo, file, parts);
  emit({ kind: 'uploaded', ...of });
  throwIfAborted(link.signal, `Round ${round}`);
  await publish(agent, 'release', header, `The notice of round ${round}`);
  await departures.note(header, 'delivered');
  emit({ kind: 'delivered', ...of });
  status.set('waiting', round);
}

/** Removes from the silo's bucket what no release in the outbox consists of. */
export async function removeUnneededParts({ link, silo, outbox }: Agent, plan: string): Promise<void> {
  const needed = (await outbox.list(plan)).flatMap(({ header }) => header.parts.map(({ sha256 }) => sha256));
  await removeOtherParts(link, silo, new Set(needed));
}

/** Publishes under an id that is the message's own hash: the same message is kept once. */
export async function publish<K extends Kind>(
  { link, identity, silo }: Pick<Agent, 'link' | 'identity' | 'silo'>,
  kind: K,
  body: Body<K>,
  what: string,
): Promise<void> {
  const subject = updateSubject(silo);
  const bytes = sealMessage(identity, { subject, kind, body });
  await publishDurably(link, { subject, bytes, id: `${kind}/${silo}/${contentHash(bytes)}`, what });
}

// --- internal ---

/** Plays the round and keeps what it gives. Null where that fails, which the owner and the server are told. */
async function made(agent: Agent, body: Body<'train'>, task: number): Promise<OutboxEntry | null> {
  const { link, outbox, emit } = agent;
  const { run, plan, round, nonce } = body;
  const end = async (error: unknown) => {
    const failure = failureOf(error);
    emit({ kind: 'failed', round, code: failure.code, message: String((error as Error).message ?? error) });
    await agent.departures.noteFailure({ ...body, task }, failure.code);
    await fail(agent, body, task, failure);
    return null;
  };
  let release: ReceivedRelease;
  try {
    release = await played(agent, round);
  } catch (error) {
    throwIfAborted(link.signal, `Round ${round}`);
    if (error instanceof AbortedError) throw error;
    return end(error);
  }
  const { sha256 } = release.decoder;
  emit({ kind: 'played', round, sha256 });
  throwIfAborted(link.signal, `Round ${round}`);
  try {
    const entry = await outbox.put(release, { run, plan, nonce });
    emit({ kind: 'kept', round, sha256 });
    return entry;
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return end(error);
  }
}

async function played({ link, status, play, emit, silo }: Agent, round: number): Promise<ReceivedRelease> {
  status.set('training', round);
  const onPercent = (percent: number) => {
    status.percent(percent);
    emit({ kind: 'progress', round, percent: Math.trunc(percent) });
  };
  const release = await endedOrStopped(play(round, { signal: link.signal, onPercent }), link, `Round ${round}`);
  requireOwn(release, silo, round);
  return release;
}

/** What training gives. After the signal it has some time to come to its own end, as it may be writing; then nobody waits. */
async function endedOrStopped<T>(training: Promise<T>, { signal, timing }: Link, what: string): Promise<T> {
  try {
    return await within(training, { signal, limitMs: timing.answerMs, what });
  } catch (error) {
    if (signal.aborted) {
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, timing.stopMs)));
      await Promise.race([training.then(ignore, ignore), patience]);
      clearTimeout(timer);
    }
    throw error;
  }
}

const ignore = () => {};

async function fail(
  agent: Agent,
  { run, plan, round }: Body<'train'>,
  task: number,
  failure: { readonly code: string; readonly message: string },
): Promise<void> {
  const { silo, status } = agent;
  await publish(agent, 'failed', { run, plan, silo, round, task, ...failure }, `Why there is no round ${round}`);
  status.set('idle');
}

function requireOwn(release: ReceivedRelease, silo: string, round: number): void {
  if (release.silo === silo && release.round === round) return;
  throw new ShapeError(
    `Asked for round ${round} of ${silo}, got round ${release.round} of ${release.silo}. This is a bug.`,
  );
}
