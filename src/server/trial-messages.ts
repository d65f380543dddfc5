// What the server and the process for trials say to each other: a line of JSON each, bounded and checked in both directions.

import { z } from 'zod';
import type { EngineOptions } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import type { ErrorFacts } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { DecoderHeader } from './prove-decoder.ts';

/** The first line to the process. */
export interface TrialSetup {
  readonly engine: EngineOptions;
}

/** Every other line to the process: one decoder to try. It answers each with one line, in order. */
export interface TrialRequest extends DecoderHeader {
  /** Absolute path of the decoder's file. */
  readonly file: string;
  readonly shape: ImageShape;
  readonly classes: number | null;
  readonly key: { readonly kind: Key['kind']; readonly path: string; readonly bytes: string };
}

/** A line of the process. What it says is data of a process that ran a stranger's graph. */
export type TrialAnswer =
  | { readonly kind: 'ready' | 'ok' }
  /** The decoder is refused: message and facts of the ReleaseError. */
  | { readonly kind: 'refused'; readonly message: string; readonly facts: ErrorFacts }
  /** Something else went wrong; `device`: this machine lacks what the decoder needs to run. */
  | { readonly kind: 'failed'; readonly device: boolean; readonly message: string };

/** Characters of one answer at most. */
export const MAX_ANSWER = 16_384;

/** An answer as one line, shortened until it fits. */
export function answerLine(answer: TrialAnswer): string {
  const short = 'message' in answer ? { ...answer, message: answer.message.slice(0, MAX_MESSAGE) } : answer;
  const line = JSON.stringify(short);
  if (line.length < MAX_ANSWER || short.kind !== 'refused') return `${line}\n`;
  return `${JSON.stringify({ ...short, facts: { reason: short.facts['reason'] ?? null } })}\n`;
}

/** The answer in a line, or null for what is none. */
export function parsedAnswer(line: string): TrialAnswer | null {
  try {
    return answerSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

// --- internal ---

const MAX_MESSAGE = 2000;

const message = z.string().max(MAX_MESSAGE);
const scalar = z.union([z.string().max(MAX_MESSAGE), z.number()]);
const factsSchema = z.record(z.string().max(64), z.union([scalar, z.boolean(), z.null(), z.array(scalar).max(2048)]));

const answerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['ready', 'ok']) }),
  z.strictObject({ kind: z.literal('refused'), message, facts: factsSchema }),
  z.strictObject({ kind: z.literal('failed'), device: z.boolean(), message }),
]);
