// What a server at work tells its own console.

import type { RunEvent } from '../experiments/run-events.ts';
import type { ConnectionNotice } from '../net/connect.ts';
import type { HubEvent } from '../net/net-events.ts';

export type ServerEvent =
  | RunEvent
  | { readonly kind: 'network'; readonly event: HubEvent }
  | { readonly kind: 'connection'; readonly notice: ConnectionNotice }
  /** It used its invite: a key of its own counts from now on. */
  | { readonly kind: 'silo-joined'; readonly silo: string }
  | { readonly kind: 'join-refused'; readonly silo: string; readonly why: string };
