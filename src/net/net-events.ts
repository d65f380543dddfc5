// What happens on the network, as plain facts for whoever shows or keeps them: at the server, and at a silo.

import type { Body } from './messages.ts';

/** Names one release among all of a plan. */
export interface ReleaseId {
  readonly silo: string;
  /** That it answers. */
  readonly round: number;
  readonly sha256: string;
}

/** At the server. */
export type HubEvent =
  | { readonly kind: 'silo-here' | 'silo-away' | 'silo-left' | 'two-instances'; readonly silo: string }
  | { readonly kind: 'silo-denied'; readonly silo: string; readonly code: string; readonly message: string }
  /** Its folder knows nothing of releases up to `round`, but its ledger has a seal of each. */
  | { readonly kind: 'silo-let-in-by-ledger'; readonly silo: string; readonly round: number }
  | { readonly kind: 'silo-status'; readonly silo: string; readonly status: Body<'status'> }
  | {
      readonly kind: 'silo-failed';
      readonly silo: string;
      readonly round: number;
      readonly code: string;
      readonly message: string;
      /** False where the silo had said so before this server began. */
      readonly isNew: boolean;
    }
  | { readonly kind: 'task-sent'; readonly silo: string; readonly round: number }
  | ({ readonly kind: 'release-announced' | 'release-ready' | 'release-committed' } & ReleaseId)
  | ({ readonly kind: 'release-refused'; readonly code: string; readonly reason: string } & ReleaseId)
  | { readonly kind: 'message-dropped'; readonly subject: string; readonly reason: string; readonly message: string }
  | { readonly kind: 'retry'; readonly what: string; readonly message: string };

/** At a silo. */
export type AgentEvent =
  | { readonly kind: 'server-away'; readonly message: string }
  | { readonly kind: 'denied'; readonly code: string; readonly message: string }
  | { readonly kind: 'ledger-shown'; readonly seals: number }
  | { readonly kind: 'welcome'; readonly run: string; readonly plan: string }
  | { readonly kind: 'task'; readonly round: number }
  | { readonly kind: 'progress'; readonly round: number; readonly percent: number }
  /** The round is done and nothing has left; it is kept in the outbox; its parts are at the broker; its notice is. */
  | {
      readonly kind: 'played' | 'kept' | 'uploaded' | 'delivered' | 'committed';
      readonly round: number;
      readonly sha256: string;
    }
  | {
      readonly kind: 'leaving';
      readonly round: number;
      readonly sha256: string;
      readonly bytes: number;
      readonly privacy: string;
    }
  | {
      readonly kind: 'refused';
      readonly round: number;
      readonly sha256: string;
      readonly code: string;
      readonly reason: string;
    }
  | { readonly kind: 'failed'; readonly round: number; readonly code: string; readonly message: string }
  | { readonly kind: 'task-ignored'; readonly round: number | null; readonly because: string }
  | { readonly kind: 'message-dropped'; readonly subject: string; readonly reason: string; readonly message: string }
  | { readonly kind: 'retry'; readonly what: string; readonly message: string };
