// What each key may say and hear on the nats-server: the whole list, in one place. What is not listed is refused. The tests
// of the real server try everything else.

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

/** Where a silo asks to be enrolled. */
export function enrolSubject(silo: string): string {
  return `fl.enrol.${silo}`;
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
  const bucket = `OBJ_up-${silo}`;
  return {
    publish: [
      `fl.up.${silo}`,
      `fl.hello.${silo}`,
      `fl.status.${silo}`,
      '$JS.API.INFO',
      `$JS.API.CONSUMER.INFO.TASKS.${silo}`,
      `$JS.API.CONSUMER.MSG.NEXT.TASKS.${silo}`,
      `$JS.ACK.TASKS.${silo}.>`,
      `$O.up-${silo}.>`,
      `$JS.API.STREAM.INFO.${bucket}`,
      `$JS.API.STREAM.PURGE.${bucket}`,
      `$JS.API.STREAM.MSG.GET.${bucket}`,
    ],
    subscribe: [`${siloInbox(silo)}.>`],
  };
}

/** Who holds an invite and is not enrolled yet: ask for that, and hear the answer. */
export function enrolPermissions(silo: string): Permissions {
  return { publish: [enrolSubject(silo)], subscribe: [`${enrolInbox(silo)}.>`] };
}
