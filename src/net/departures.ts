// The log of everything that left a silo, for its owner: a line for each step of each release, which is never rewritten.

import { z } from 'zod';
import { StateError } from '../errors.ts';
import { appendDurably } from '../storage/append-file.ts';
import { readFileBounded, writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import type { ReleaseHeader } from './messages.ts';

const DEPARTURE_STATES = ['leaving', 'delivered', 'committed', 'refused', 'failed'] as const;

const departureSchema = z.strictObject({
  at: z.string().max(40).describe('When, by the clock of this machine.'),
  what: z
    .enum(['decoder', 'failure'])
    .describe('A decoder with its statement, or that a round gave none, and the code of why.'),
  run: z.string(),
  plan: z.string(),
  round: z.int(),
  bytes: z.int().min(0).describe('Of the decoder; 0 where none left.'),
  sha256: z.string().nullable().describe('Of the decoder.'),
  privacy: z.string().nullable().describe('The privacy statement in words.'),
  state: z
    .enum(DEPARTURE_STATES)
    .describe(
      'leaving: about to be sent. delivered: the broker has it. committed: the server has it for good. refused: the server ' +
        'refused it. failed: nothing but a code left.',
    ),
  code: z.string().nullable().describe('Why it was refused or failed.'),
  task: z
    .int()
    .min(1)
    .optional()
    .describe('Number of the task that failed: it is answered so again, should it come twice.'),
});

/** A line of the log. */
export type Departure = Readonly<z.infer<typeof departureSchema>>;

export interface Departures {
  /** Notes a step of a release; when the promise resolves, it is on disk. A step that was noted last is not noted twice. */
  note(header: NotedHeader, state: Departure['state'], code?: string): Promise<void>;
  /** Notes that a task gave nothing, and the code that left instead. */
  noteFailure(at: FailedTask, code: string): Promise<void>;
  /** The last step of a release; null where none of this round left. */
  last(plan: string, round: number): Departure | null;
}

export interface FailedTask extends Pick<ReleaseHeader, 'run' | 'plan' | 'round'> {
  /** Number of the task in its stream. */
  readonly task: number;
}

type NotedHeader = Pick<ReleaseHeader, 'run' | 'plan' | 'round' | 'privacy' | 'decoder'>;

/**
 * The log at `path`, which is made where there is none. `now` dates its lines. For one process at a time. Throws StateError for
 * a damaged one; an unfinished last line is the end of a write that nobody was told of, and goes with the next one.
 */
export async function openDepartures(path: string, now: () => Date): Promise<Departures> {
  if (!isThere(path)) await writeFileAtomic(path, '');
  const { departures, sizeBytes } = await readDepartures(path);
  const last = new Map(departures.map((departure) => [keyOf(departure.plan, departure.round), departure]));
  let after = sizeBytes;
  let queue: Promise<void> = Promise.resolve();
  const append = (departure: Departure): Promise<void> => {
    queue = queue
      .catch(() => {}) // its own caller was told
      .then(async () => {
        const line = `${JSON.stringify(departure)}\n`;
        await appendDurably(path, after, line);
        after += Buffer.byteLength(line);
        last.set(keyOf(departure.plan, departure.round), departure);
      });
    return queue;
  };
  return {
    last: (plan, round) => last.get(keyOf(plan, round)) ?? null,
    async note({ run, plan, round, privacy, decoder: { sha256, sizeBytes: bytes } }, state, code) {
      const known = last.get(keyOf(plan, round));
      if (known?.state === state && known.sha256 === sha256) return;
      await append({
        at: now().toISOString(),
        what: 'decoder',
        run,
        plan,
        round,
        bytes,
        sha256,
        privacy: privacy.text,
        state,
        code: code ?? null,
      });
    },
    async noteFailure({ run, plan, round, task }, code) {
      const at = now().toISOString();
      await append({
        at,
        what: 'failure',
        run,
        plan,
        round,
        bytes: 0,
        sha256: null,
        privacy: null,
        state: 'failed',
        code,
        task,
      });
    },
  };
}

/** All lines of a log, for readers, and the bytes that whole lines fill. Throws StateError for a damaged one. */
export async function readDepartures(path: string): Promise<{ departures: readonly Departure[]; sizeBytes: number }> {
  const text = new TextDecoder().decode(await readFileBounded(path, { maxBytes: MAX_LOG_BYTES }));
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const departures = whole
    .split('\n')
    .slice(0, -1)
    .map((line, i) => parseLine(path, line, i + 1));
  return { departures, sizeBytes: Buffer.byteLength(whole) };
}

// --- internal ---

/** A hundred thousand releases. */
const MAX_LOG_BYTES = 128 * 1024 * 1024;

function keyOf(plan: string, round: number): string {
  return `${plan}/${round}`;
}

function parseLine(path: string, line: string, number: number): Departure {
  try {
    return departureSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new StateError(
      `Line ${number} of ${path} is damaged. It is the log of what left this silo: put a copy back, or move it away and keep it.`,
      { path, line: number },
      { cause },
    );
  }
}
