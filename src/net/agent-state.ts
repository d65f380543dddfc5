// What a silo's end of the network is made of. Each function of the agent takes all of it, or names what it takes.

import type { ReceivedRelease } from '../exchange/release.ts';
import type { StatusTeller } from './agent-status.ts';
import type { Link } from './bucket.ts';
import type { Departures } from './departures.ts';
import type { Signer } from './envelope.ts';
import type { NamedRelease, SiloState, Welcome } from './messages.ts';
import type { AgentEvent } from './net-events.ts';
import type { Outbox } from './outbox.ts';

/** Who the silo is, and what it does when it is asked. */
export interface AgentSelf {
  /** The silo's. */
  readonly identity: Signer;
  readonly silo: string;
  /** Public key of the server. */
  readonly server: string;
  /** Names this process: another one with the same identity is turned away. */
  readonly instance: string;
  /** Of this software. */
  readonly version: string;
  /** The last round that the silo's folder knows to be done, and of which plan. */
  readonly state: () => SiloState | Promise<SiloState>;
  /** Releases of the run that the silo's own ledger has a seal of, oldest first. */
  readonly seals: () => Promise<readonly NamedRelease[]>;
  /**
   * Asks the owner, or looks whether they agreed already. `isByLedger`: the silo was let in for its ledger's seals, as its folder
   * is lost or behind. Throws to refuse: then nothing leaves and nothing is trained.
   */
  readonly agree: (welcome: Welcome, isByLedger: boolean) => Promise<void>;
  /** Plays a round, or answers one that is done from disk. */
  readonly play: (
    round: number,
    hooks: { readonly signal: AbortSignal; readonly onPercent: (percent: number) => void },
  ) => Promise<ReceivedRelease>;
  readonly emit: (event: AgentEvent) => void;
}

export interface Agent extends AgentSelf {
  readonly link: Link;
  /** Releases that the server has not committed yet. */
  readonly outbox: Outbox;
  /** The owner's log of all that left. */
  readonly departures: Departures;
  readonly status: StatusTeller;
  /** Of the run that the silo works for; null before the first one. */
  welcome: Welcome | null;
  /** The run of the last welcome, agreed to or not: what a farewell is about. */
  run: string | null;
}
