// What a sweep and the process of one of its cells say to each other.

import type { PlainError } from '../federation/thread-messages.ts';
import type { RunEvent } from './run-events.ts';
import type { Spec } from './spec.ts';

export type ToCell =
  | {
      readonly kind: 'play';
      readonly folder: string;
      readonly spec: Spec;
      readonly dataDir: string | null;
    }
  | { readonly kind: 'stop' };

export type FromCell =
  /** Progress of the server comes now and then only. */
  { readonly kind: 'event'; readonly event: RunEvent } | ({ readonly kind: 'ended' } & CellEnd);

/** How a cell ended; a failure has an error. */
export type CellEnd =
  | { readonly state: 'complete' | 'stopped' }
  | { readonly state: 'failed'; readonly error: PlainError };
