// A decoder that was trained anywhere, in a folder of its own: the file, and what its owner says of it. A run takes part for a
// silo with it; nothing else of that silo is needed.

import { join } from 'node:path';
import { z } from 'zod';
import type { Engine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { StateError } from '../errors.ts';
import { describeDecoder, type DecoderDescription } from '../exchange/describe-decoder.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import { verifyCertificate } from '../exchange/lipschitz-certificate.ts';
import { requireOffers } from '../exchange/offered-classes.ts';
import { MAX_SIDE } from '../exchange/inspect-ports.ts';
import { MAX_DECODER_BYTES } from '../exchange/parse-decoder.ts';
import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { certificateSchema, foreignStatementSchema } from '../exchange/privacy-statement-schema.ts';
import { probeDecoder } from '../exchange/probe.ts';
import type { OfferedClasses, ReceivedRelease } from '../exchange/release.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { SILO_NAME } from '../net/subjects.ts';
import { readFileBounded, readJson, writeFileAtomic, writeJsonAtomic } from '../storage/atomic-file.ts';
import { readSameFile } from '../storage/same-file.ts';
import { isThere } from '../storage/presence.ts';

/** Names of the two files of a release folder. */
export const RELEASE_FILES = { decoder: 'decoder.onnx', about: 'release.json' } as const;

const side = z.int().min(1).max(MAX_SIDE);

/** `release.json`, version 1. */
export const releaseFileSchema = z.strictObject({
  format: z.literal('align-fl release').describe('What this file is.'),
  version: z.literal(1).describe('Of this format.'),
  silo: z.string().regex(SILO_NAME).describe('Who gives it away: small letters, digits and hyphens, at most 32.'),
  date: z.iso.datetime().describe('When it was written (UTC), for people.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Of decoder.onnx.'),
  sizeBytes: z.int().min(1).max(MAX_DECODER_BYTES).describe('Of decoder.onnx.'),
  latent: z.int().min(1).describe('Numbers of a code z.'),
  shape: z.strictObject({ channels: side, height: side, width: side }).describe('Of one image.'),
  classes: z
    .strictObject({ count: z.int().min(1).max(256), offered: z.array(z.int().min(0)).min(1).max(256) })
    .nullable()
    .describe('All classes of the federation, and those that this decoder gives images of; null without labels.'),
  privacy: foreignStatementSchema.describe(
    'What is said of the privacy of its training images. Never a verified guarantee.',
  ),
  lipschitz: certificateSchema
    .nullable()
    .describe(
      'What its weights prove of its Lipschitz constant, computed again by whoever reads it; null for nothing.',
    ),
});

/** What stands in `release.json`. */
export type ReleaseFile = Readonly<z.infer<typeof releaseFileSchema>>;

export interface NewRelease {
  readonly engine: Engine;
  readonly onnx: Uint8Array;
  readonly silo: string;
  readonly shape: ImageShape;
  readonly classes: OfferedClasses | null;
  readonly privacy: ReleaseFile['privacy'];
  /** Dates it, for people. */
  readonly now: () => Date;
}

/**
 * Inspects a decoder, draws from it on trial, and writes it with what is said of it into the folder `dir`, where there must be
 * no release yet. Throws ReleaseError where its receiver would refuse it, StateError for the folder.
 */
export async function writeRelease(
  dir: string,
  { engine, onnx, silo, shape, classes, privacy, now }: NewRelease,
): Promise<{ readonly file: ReleaseFile; readonly description: DecoderDescription }> {
  const description = describeDecoder(onnx, shape);
  const { contract, certificate } = description;
  if (contract.classes !== null || classes !== null) requireOffers(contract, classes);
  await probeDecoder(engine, onnx, contract, { key: seedKey('release'), offered: classes?.offered });
  const about = join(dir, RELEASE_FILES.about);
  if (isThere(about)) {
    throw new StateError(`${dir} holds a release already. Give another folder, or delete that one.`, { path: about });
  }
  const file: ReleaseFile = {
    format: 'align-fl release',
    version: 1,
    silo,
    date: now().toISOString(),
    sha256: contract.sha256,
    sizeBytes: contract.sizeBytes,
    latent: contract.latent,
    shape,
    classes: classes && { count: classes.count, offered: [...classes.offered] },
    privacy,
    lipschitz: certificate && { bound: certificate.bound, perLayer: [...certificate.perLayer] },
  };
  await writeFileAtomic(join(dir, RELEASE_FILES.decoder), onnx);
  await writeJsonAtomic(about, releaseFileSchema.parse(file)); // last: a folder with it is complete
  return { file, description };
}

/**
 * The release in the folder `dir`, as that of `round`. Untrusted as any: the file is bounded, has the hash and sizes that are
 * told, keeps its certificate, and its statement claims no guarantee. Nothing of it is executed. Throws StateError where the
 * folder is not what it says, ReleaseError where the decoder would be refused. `silo`: the name it must have been made for.
 */
export async function loadRelease(
  dir: string,
  { round, silo }: { readonly round: number; readonly silo?: string },
): Promise<ReceivedRelease> {
  const file = await readAbout(dir);
  const { sha256, sizeBytes, latent, shape, classes, privacy, lipschitz } = file;
  if (silo !== undefined && silo !== file.silo) {
    throw new StateError(
      `${dir} holds the release of '${file.silo}', not of '${silo}'. Call the silo '${file.silo}' in the spec, or write the ` +
        `release again with --silo ${silo}.`,
      { path: dir, expected: silo, found: file.silo },
    );
  }
  const path = join(dir, RELEASE_FILES.decoder);
  const onnx = await readFileBounded(path, { maxBytes: sizeBytes });
  const contract = inspectDecoder(onnx, { shape, classes: 'any' });
  if (contract.sha256 !== sha256 || contract.sizeBytes !== sizeBytes || contract.latent !== latent) {
    throw new StateError(
      `${path} should have the SHA-256 ${sha256} and codes of ${latent} numbers, but has ${contract.sha256} and ` +
        `${contract.latent}: it was changed since. Restore the folder from a copy, or write the release again.`,
      { path, expected: sha256, found: contract.sha256 },
    );
  }
  if (contract.classes !== null || classes !== null) requireOffers(contract, classes);
  if (lipschitz !== null) verifyCertificate(onnx, lipschitz);
  return {
    kind: 'decoder',
    silo: file.silo,
    round,
    decoder: { bytes: () => readSameFile(path, { sizeBytes, sha256 }), sha256, sizeBytes, latent, shape, classes },
    privacy,
  };
}

// --- internal ---

/** Names and norms of two thousand layers. */
const MAX_ABOUT_BYTES = 4 * 2 ** 20;

async function readAbout(dir: string): Promise<ReleaseFile> {
  const path = join(dir, RELEASE_FILES.about);
  const parsed = releaseFileSchema.safeParse(await readJson(path, { maxBytes: MAX_ABOUT_BYTES }));
  if (!parsed.success) {
    const problems = parsed.error.issues
      .slice(0, 5)
      .map(({ path: at, message }) => `${at.map(String).join('.')}: ${message}`);
    throw new StateError(
      `${path} is no release of version 1: ${problems.join('; ')}. Write it again with align-fl release.`,
      { path },
    );
  }
  const { privacy } = parsed.data;
  const sound = privacy.mechanism === 'none' ? NO_PRIVACY : declaredStatement(privacy.declaration);
  if (sound.text !== privacy.text) {
    throw new StateError(
      `${path} says of its privacy what a release made elsewhere cannot say. Expected was: ${sound.text}`,
      { path },
    );
  }
  return parsed.data;
}
