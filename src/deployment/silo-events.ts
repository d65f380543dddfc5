// What a silo at work tells its own console. None of it leaves the machine.

import type { ConnectionNotice } from '../net/connect.ts';
import type { AgentEvent } from '../net/net-events.ts';
import type { Spent } from '../silo/silo-account.ts';

export type SiloEvent =
  | { readonly kind: 'enrolling'; readonly silo: string; readonly servers: readonly string[] }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'unreachable'; readonly message: string }
  | { readonly kind: 'connection'; readonly notice: ConnectionNotice }
  | { readonly kind: 'spent'; readonly round: number; readonly spent: Spent }
  | {
      readonly kind: 'training';
      readonly round: number;
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
    }
  | { readonly kind: 'agent'; readonly event: AgentEvent };
