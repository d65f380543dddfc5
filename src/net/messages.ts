// What silos and server say to each other: a schema for each kind of message, strict and bounded.

import { z } from 'zod';
import { privacyStatementSchema } from '../exchange/privacy-statement-schema.ts';
import { saysWhatItsFieldsSay } from '../exchange/privacy-statement-text.ts';
import { isPlain, PLAIN_TEXT } from '../exchange/plain-text.ts';
import { MAX_DECODER_BYTES, PART_BYTES, SILO_NAME } from './subjects.ts';

/** The version of the protocol; another one is refused by name. */
export const PROTOCOL = 'align-fl/net@1';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const silo = z.string().regex(SILO_NAME);
const round = z.int().min(1).max(1_000_000);
const run = z.string().min(1).max(200).regex(PLAIN_TEXT); // it goes into headers
const code = z
  .string()
  .max(64)
  .regex(/^[A-Z][A-Z_]*$/);
const words = z.string().max(500).regex(PLAIN_TEXT);
const instance = z
  .string()
  .max(64)
  .regex(/^[\w-]+$/);
const version = z
  .string()
  .max(64)
  .regex(/^[\w.+-]+$/);

const partSchema = z.strictObject({ sha256, sizeBytes: z.int().min(1).max(PART_BYTES) });

/** A piece of a decoder's file; its name in the bucket is its hash. */
export type Part = Readonly<z.infer<typeof partSchema>>;

const decoderSchema = z.strictObject({
  sha256,
  sizeBytes: z.int().min(1).max(MAX_DECODER_BYTES),
  latent: z.int().min(1).max(65_536),
  shape: z.strictObject({
    channels: z.int().min(1).max(1024),
    height: z.int().min(1).max(16_384),
    width: z.int().min(1).max(16_384),
  }),
  classes: z
    .strictObject({
      count: z.int().min(1).max(65_536),
      offered: z.array(z.int().min(0).max(65_535)).min(1).max(4096),
    })
    .nullable(),
});

/** Parts as `splitting` makes them: all of full size but the last, together the decoder. */
const partsSchema = z
  .array(partSchema)
  .min(1)
  .max(MAX_DECODER_BYTES / PART_BYTES);

export const releaseSchema = z
  .strictObject({
    run,
    plan: sha256,
    silo,
    round,
    nonce: sha256,
    decoder: decoderSchema,
    privacy: privacyStatementSchema
      .refine(isPlain, 'a text with control characters')
      .refine(saysWhatItsFieldsSay, 'a text that says other than its fields'),
    parts: partsSchema,
  })
  .refine(
    ({ decoder, parts }) => parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) === decoder.sizeBytes,
    'the parts are not as long together as the decoder',
  );

/** What a silo signs of a release: everything but the file's bytes, and their hashes. */
export type ReleaseHeader = Readonly<z.infer<typeof releaseSchema>>;

const namedRelease = z.strictObject({ round, sha256 });

/** A release by the round that it answers, and the SHA-256 of its decoder. */
export type NamedRelease = Readonly<z.infer<typeof namedRelease>>;

/** Releases that a hello names, of each kind, or a denial. */
export const MOST_NAMED = 256;

const stateSchema = z.strictObject({ plan: sha256.nullable(), round: z.int().min(0).max(1_000_000).nullable() });

/** What a silo's folder knows: of which plan it has done which round last. */
export type SiloState = Readonly<z.infer<typeof stateSchema>>;

/** How a process of a silo ends: for now, by its owner's wish, for good, with the run, as its owner or ledger did not agree. */
export const SILO_ENDS = ['stopped', 'paused', 'left', 'done', 'declined'] as const;
export const SILO_STATES = ['idle', 'training', 'uploading', 'waiting', ...SILO_ENDS] as const;

/** Whether a silo that says so is gone. */
export function isSiloEnd(state: string): state is SiloEnd {
  return (SILO_ENDS as readonly string[]).includes(state);
}

export type SiloEnd = (typeof SILO_ENDS)[number];

/** Every kind of message by name. */
export const MESSAGES = {
  // server -> silo, kept and in order
  train: z.strictObject({ run, plan: sha256, round, nonce: sha256 }),
  committed: z.strictObject({ run, plan: sha256, round, sha256 }),
  refused: z.strictObject({ run, plan: sha256, round, sha256, code, reason: words }),
  end: z.strictObject({ run, plan: sha256 }),
  // silo -> server, kept
  release: releaseSchema,
  failed: z.strictObject({ run, plan: sha256, silo, round, task: z.int().min(1), code, message: words }),
  left: z.strictObject({ run, silo, instance }),
  // request and answer
  /**
   * `seals`: of the silo's own ledger, those that the server has named; none unless it has said that the folder knows too little.
   * `isLeaving`: nothing follows but the farewell, so that nothing is asked of the folder.
   */
  hello: z.strictObject({
    silo,
    instance,
    version,
    state: stateSchema,
    pending: z.array(namedRelease).max(MOST_NAMED),
    seals: z.array(namedRelease).max(MOST_NAMED),
    isLeaving: z.literal(true).optional(),
  }),
  /** `since`: tasks up to this number were there before the server began; those of another plan are behind the times. */
  welcome: z.strictObject({
    run,
    plan: sha256,
    planText: z.string().max(500_000),
    federation: z.string().max(200).regex(PLAIN_TEXT),
    since: z.int().min(0),
  }),
  /** `releases`: with LOST_STATE, all that the server has of the silo; none where they are more than a hello names. */
  denied: z.strictObject({
    code: z.enum(['ALREADY_CONNECTED', 'LOST_STATE', 'REVOKED', 'VERSION']),
    message: words,
    releases: z.array(namedRelease).max(MOST_NAMED).optional(),
  }),
  // silo -> server, not kept
  status: z.strictObject({
    silo,
    instance,
    state: z.enum(SILO_STATES),
    round: round.nullable(),
    percent: z.int().min(0).max(100).nullable(),
  }),
} as const;

export type Kind = keyof typeof MESSAGES;
export type Body<K extends Kind> = Readonly<z.infer<(typeof MESSAGES)[K]>>;
/** A message that was opened, told apart by `kind`. */
export type Message<K extends Kind = Kind> = K extends Kind ? { readonly kind: K; readonly body: Body<K> } : never;

export type Welcome = Body<'welcome'>;
export type Denied = Body<'denied'>;
