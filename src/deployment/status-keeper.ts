// Keeps `status.json` while a server is at work, for `align-fl server status`, whichever process asks.

import type { SiloHub } from '../net/silo-hub.ts';
import { every, LOOK_EVERY_MS } from './every.ts';
import type { ServerLayout } from './server-folder.ts';
import { saveHeard } from './server-status.ts';

/** Writes what silos say of themselves when it changes. Returns what ends that. */
export function keepStatus(layout: ServerLayout, hub: SiloHub, now: () => Date): () => Promise<void> {
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
