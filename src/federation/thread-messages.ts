// What the main thread and a silo's thread say to each other.

import type { EngineOptions } from '../engine/engine.ts';
import * as errors from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import type { Spent } from '../silo/silo-account.ts';
import type { SiloProgress } from './silo-diary.ts';

/** Given to a thread when it starts. */
export interface ThreadSetup {
  readonly engine: EngineOptions;
}

export type ToThread =
  | { readonly kind: 'play'; readonly config: SiloConfig; readonly task: Task }
  | { readonly kind: 'abort' }
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'spent'; readonly spent: Spent }
  | { readonly kind: 'progress'; readonly progress: SiloProgress }
  | { readonly kind: 'epoch'; readonly epoch: number; readonly terms: Readonly<Record<string, number>> }
  | { readonly kind: 'done'; readonly upload: Upload }
  | { readonly kind: 'failed'; readonly error: PlainError };

/** An error without its class, which does not cross threads. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly facts: errors.ErrorFacts;
}

export function plainError(error: unknown): PlainError {
  const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  return { name, message, stack, facts: error instanceof errors.AlignError ? error.facts : {} };
}

/** The error again, as an instance of its class. */
export function revivedError({ name, message, stack, facts }: PlainError): Error {
  const classes = errors as unknown as Readonly<Record<string, unknown>>;
  const known = Object.hasOwn(classes, name) && name !== 'AlignError' ? classes[name] : undefined;
  const error = known
    ? new (known as new (message: string, facts: errors.ErrorFacts) => errors.AlignError)(message, facts)
    : new Error(message);
  error.stack = stack;
  return error;
}
