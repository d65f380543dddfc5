// What an owner wants of a silo at work, told from another process: `pause` and `leave` write it into silo.json, and the silo looks.

import { AccessError } from '../errors.ts';
import type { Invite } from '../net/invite.ts';
import { changeSiloSettings, readSiloSettings, type SiloLayout, type SiloSettings } from './silo-home.ts';

/** Wishes as they are seen. */
export interface OwnerWishes {
  /** What was wished for last before this. */
  readonly before: SiloSettings['wish'];
  readonly paused: AbortSignal;
  readonly left: AbortSignal;
  /** Ends looking. */
  close(): void;
}

/**
 * Notes that the owner wants this silo to work, and from now on looks whether that has changed: what is wished for after this
 * call is never lost. To be called first, by the process that holds the folder. Throws AccessError where the silo has left for
 * good and `invite` is not a new one.
 */
export async function beginWork(layout: SiloLayout, invite: Invite | null): Promise<OwnerWishes> {
  let before: SiloSettings['wish'] = 'work';
  if ((await readSiloSettings(layout)) !== null) {
    await changeSiloSettings(layout, (found) => {
      const isNew = invite !== null && invite.enrol.publicKey !== found.invite;
      if (found.wish === 'left' && !isNew) throw hasLeft(layout, found);
      before = found.wish;
      return { wish: 'work', farewell: false };
    });
  }
  const [paused, left] = [new AbortController(), new AbortController()];
  const obey = (found: SiloSettings | null) => {
    if (found?.wish === 'paused') paused.abort();
    if (found?.wish === 'left') left.abort();
  };
  const look = () => void readSiloSettings(layout).then(obey, () => {}); // what is damaged is told of where it is needed
  const watch = setInterval(look, LOOK_EVERY_MS);
  return { before, paused: paused.signal, left: left.signal, close: () => clearInterval(watch) };
}

// --- internal ---

/** How soon `silo pause` and `silo leave` are noticed. */
const LOOK_EVERY_MS = 250;

function hasLeft({ root }: SiloLayout, { silo, farewell }: SiloSettings): AccessError {
  const untold = farewell ? '' : ` Its server has not been told yet; this tells it: align-fl silo leave ${root}.`;
  return new AccessError(
    `The silo in ${root} has left its federation for good.${untold} To take part again, ask whoever runs the server for a new ` +
      'invite, and join by that.',
    { reason: 'left', silo },
  );
}
