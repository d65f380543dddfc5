// What a silo at work tells its own console. None of it leaves the machine.

import type { AgentEvent } from '../net/silo-agent.ts';
import type { Spent } from '../silo/silo-account.ts';

export type SiloEvent =
  | { readonly kind: 'enrolling'; readonly silo: string; readonly servers: readonly string[] }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'spent'; readonly round: number; readonly spent: Spent }
  | { readonly kind: 'training'; readonly round: number; readonly step: number; readonly steps: number; readonly loss: number }
  | { readonly kind: 'agent'; readonly event: AgentEvent };
