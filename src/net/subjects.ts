// Names on the wire: subjects, streams, consumers and buckets, and the limits of what goes through them. One place.

import { SpecError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';

/** What a silo may be called: its name is part of subjects, buckets and file names. */
export const SILO_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Tasks to silos, kept; one durable consumer a silo, named as the silo. */
export const TASKS = 'TASKS';
/** Signed notices of silos, kept. */
export const UPDATES = 'UPDATES';

export const taskSubject = (silo: string): string => `fl.task.${silo}`;
export const updateSubject = (silo: string): string => `fl.up.${silo}`;
export const helloSubject = (silo: string): string => `fl.hello.${silo}`;
export const statusSubject = (silo: string): string => `fl.status.${silo}`;
/** Where a silo asks to be enrolled. */
export const enrolSubject = (silo: string): string => `fl.enrol.${silo}`;

/**
 * What the answer to a hello is signed for: this very request. Not the subject of the reply, which the two sides know by
 * different names, as each silo has an account of its own at the broker.
 */
export const answerSubject = (silo: string, request: Uint8Array): string =>
  `${helloSubject(silo)}.${contentHash(request)}`;

/** Bucket of a silo's parts, and the stream that keeps it. */
export const bucketOf = (silo: string): string => `up-${silo}`;
export const bucketStream = (silo: string): string => `OBJ_${bucketOf(silo)}`;
/** Below it lie the messages of a bucket: `C` for chunks, `M` for what is said of each part. */
export const bucketSubject = (bucket: string): string => `$O.${bucket}`;

/** Throws SpecError unless a silo can be called `name`. */
export function requireSiloName(name: string): void {
  if (SILO_NAME.test(name)) return;
  const found = name.slice(0, 64);
  throw new SpecError(
    `A silo's name has small letters, digits and hyphens, at most 32, and begins with a letter or a digit; found ` +
      `${JSON.stringify(found)}. Choose another.`,
    { name: found },
  );
}

/** The last token of a subject: the silo that it is of; null where that is no name. */
export function siloOfSubject(subject: string): string | null {
  const name = subject.slice(subject.lastIndexOf('.') + 1);
  return SILO_NAME.test(name) ? name : null;
}

/** An envelope on the wire, at most. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** The answer to a hello, which carries the plan. */
export const MAX_WELCOME_BYTES = 512 * 1024;
/** A decoder is uploaded in parts of this size, the last one smaller. */
export const PART_BYTES = 4 * 1024 * 1024;
/** A decoder, at most. */
export const MAX_DECODER_BYTES = 64 * 1024 * 1024;
/** What a silo's bucket holds at most; the broker reserves it. A few of the largest decoders. */
export const MAX_BUCKET_BYTES = 256 * 1024 * 1024;
/** Of one message in the object store. */
export const CHUNK_BYTES = 512 * 1024;
