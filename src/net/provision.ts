// What a federation needs at its broker: two streams, and a consumer and a bucket for each silo. Made by the server alone.

import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Objm } from '@nats-io/obj';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { insistOn } from './bucket.ts';
import {
  bucketOf,
  MAX_BUCKET_BYTES,
  MAX_MESSAGE_BYTES,
  requireSiloName,
  taskSubject,
  TASKS,
  updateSubject,
  UPDATES,
} from './subjects.ts';
import { TIMING, type Timing } from './timing.ts';

/**
 * Makes what is missing and leaves what is there; a silo's tasks, notices and parts survive it. Throws SpecError for a name that
 * no silo can have.
 */
export async function provision(
  nc: NatsConnection,
  silos: readonly string[],
  { signal, timing = TIMING }: { readonly signal: AbortSignal; readonly timing?: Timing },
): Promise<void> {
  for (const silo of silos) requireSiloName(silo);
  const link = { nc, timing, signal };
  const jsm = await insistOn(link, 'JetStream', () => jetstreamManager(nc, { timeout: timing.tryMs }));
  await insistOn(link, 'The stream of tasks', () =>
    haveStream(jsm, { ...streamOf(TASKS, taskSubject('*')), ...TASK_LIMITS }),
  );
  await insistOn(link, 'The stream of updates', () =>
    haveStream(jsm, { ...streamOf(UPDATES, updateSubject('*')), ...UPDATE_LIMITS }),
  );
  for (const silo of silos) {
    await insistOn(link, `The consumer of ${silo}`, () => haveConsumer(jsm, silo, timing));
    await insistOn(link, `The bucket of ${silo}`, () =>
      new Objm(nc).create(bucketOf(silo), { storage: StorageType.File, max_bytes: MAX_BUCKET_BYTES }),
    );
  }
}

// --- internal ---

/** Repeated tasks of restarted servers must not fill the disk; what is lost with old ones a hello brings back. */
const TASK_LIMITS = { max_msgs_per_subject: 1024 } as const;

/** What one silo may fill of the broker's disk beside its bucket: its newest notices. */
const UPDATE_LIMITS = { max_msgs_per_subject: 4096 } as const;

function streamOf(name: string, subject: string): Partial<StreamConfig> & { readonly name: string } {
  return {
    name,
    subjects: [subject],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    duplicate_window: nanos(24 * 3_600_000),
    max_msg_size: MAX_MESSAGE_BYTES + HEADER_BYTES,
  };
}

/** The size of a message at the broker counts its headers. */
const HEADER_BYTES = 4096;

async function haveStream(jsm: JetStreamManager, config: ReturnType<typeof streamOf>): Promise<void> {
  const found = await unlessMissing(jsm.streams.info(config.name));
  if (found === null) await jsm.streams.add(config);
}

async function haveConsumer(jsm: JetStreamManager, silo: string, timing: Timing): Promise<void> {
  const found = await unlessMissing(jsm.consumers.info(TASKS, silo));
  const config: Partial<ConsumerConfig> = {
    durable_name: silo,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_ack_pending: 1,
    ack_wait: nanos(timing.ackWaitMs),
    max_deliver: -1,
    filter_subject: taskSubject(silo),
  };
  if (found === null) await jsm.consumers.add(TASKS, config);
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof JetStreamApiError && MISSING.has(error.code)) return null;
    throw error;
  }
}

const MISSING: ReadonlySet<number> = new Set([JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound]);
