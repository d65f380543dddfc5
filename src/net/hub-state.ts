// What a server's end of the network is made of. Each function of the hub takes all of it, or names what it takes.

import type { Background } from './background.ts';
import type { Link } from './bucket.ts';
import type { Signer } from './envelope.ts';
import type { Arrivals } from './hub-arrivals.ts';
import type { Gone, HubRecords } from './hub-records.ts';
import type { NamedRelease } from './messages.ts';
import type { HubEvent } from './net-events.ts';

export interface HubState {
  readonly link: Link;
  /** The server's. */
  readonly identity: Signer;
  readonly run: string;
  /** SHA-256 of the plan. */
  readonly plan: string;
  /** Public keys of the silos that are known; they come and change while the hub is open. */
  readonly keys: Map<string, string>;
  /** Keys that silos had before, or before they were gone: nothing of them counts. */
  readonly formerKeys: ReadonlyMap<string, readonly string[]>;
  /** What silos announced, failed with, and whether they are gone. */
  readonly records: HubRecords;
  /** Of a silo, by the caller's journal as it is now: what it may forget. */
  readonly committed: (silo: string) => readonly NamedRelease[];
  /** Releases on their way in. */
  readonly arrivals: Arrivals;
  /** Messages to silos that nobody waits for. */
  readonly background: Background;
  readonly emit: (event: HubEvent) => void;
}

/** Nothing of the silo counts from now on, unless it is known anew with another key. */
export function dismiss({ records }: Pick<HubState, 'records'>, silo: string, how: Gone): void {
  const record = records.of(silo);
  record.gone = how;
  record.rounds.clear();
  records.changed(silo);
}
