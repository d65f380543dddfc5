// What each key may say and hear on the nats-server: the whole list, in one place. What is not listed is refused. The tests
// of the real server try everything else.

import {
  bucketOf,
  bucketStream,
  bucketSubject,
  enrolSubject,
  helloSubject,
  statusSubject,
  TASKS,
  updateSubject,
} from './subjects.ts';

/** Subjects that a user may publish to and subscribe to. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Where answers to a silo arrive; a silo's connection has this as its `inboxPrefix`. */
export function siloInbox(silo: string): string {
  return `_INBOX_${silo}`;
}

/** The same for the connection that only enrols. No silo can be called so that the two meet: names have no underscore. */
export function enrolInbox(silo: string): string {
  return `_INBOX_enrol_${silo}`;
}

/**
 * Whether a request may be answered: its answer is published with all rights of the answering side, so never where the asker
 * likes. `inbox` is the asker's. Where it has an account of its own, the broker hands out `_R_` subjects, which nobody can forge.
 */
export function isAnswerable(reply: string | undefined, inbox: string): boolean {
  return reply !== undefined && (reply.startsWith('_R_.') || reply.startsWith(`${inbox}.`));
}

/**
 * A silo: take its own tasks, put parts into its own bucket and see what lies there, say what it has to say. It may make,
 * change or delete nothing of the server, and create no consumer: one could deliver to anybody's subject.
 */
export function siloPermissions(silo: string): Permissions {
  const api = { consumer: silo, acks: `${silo}.>`, bucket: bucketOf(silo), stream: bucketStream(silo) };
  return {
    publish: [updateSubject(silo), helloSubject(silo), statusSubject(silo), ...apiSubjects(api)],
    subscribe: [`${siloInbox(silo)}.>`],
  };
}

/** Who holds an invite and is not enrolled yet: ask for that, and hear the answer. */
export function enrolPermissions(silo: string): Permissions {
  return { publish: [enrolSubject(silo)], subscribe: [`${enrolInbox(silo)}.>`] };
}

/**
 * What accounts can be given of the federation's; each has only what its imports name. The same text for whatever silos: the
 * nats-server 2.9 does not see what a reload adds to exports.
 */
export const EXPORTED: readonly string[] = [
  ...[updateSubject('*'), helloSubject('*'), statusSubject('*'), enrolSubject('*')],
  ...apiSubjects({ consumer: '*', acks: '>', bucket: '*', stream: '*' }),
];

// --- internal ---

/** What is asked of JetStream about tasks, and about the bucket of parts. */
function apiSubjects(of: {
  readonly consumer: string;
  readonly acks: string;
  readonly bucket: string;
  readonly stream: string;
}): readonly string[] {
  return [
    '$JS.API.INFO',
    `$JS.API.CONSUMER.INFO.${TASKS}.${of.consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.${TASKS}.${of.consumer}`,
    `$JS.ACK.${TASKS}.${of.acks}`,
    `${bucketSubject(of.bucket)}.>`,
    `$JS.API.STREAM.INFO.${of.stream}`,
    `$JS.API.STREAM.PURGE.${of.stream}`,
    `$JS.API.STREAM.MSG.GET.${of.stream}`,
  ];
}
