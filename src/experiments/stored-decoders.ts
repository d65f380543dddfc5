// The decoders that reached the server, read back from a run folder: silos that are late or gone stay in the pool by them.

import { StateError } from '../errors.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { readFileBounded, writeFileAtomic } from '../storage/atomic-file.ts';
import { readSameFile } from '../storage/same-file.ts';
import { type Journal, readJournal, type RoundRecord } from './journal.ts';
import type { RunLayout } from './run-layout.ts';
import type { Spec } from './spec.ts';

/**
 * What the pool of a round is drawn from: of every silo the decoder that arrived in this round, or else the newest that did
 * before, in the order of the spec. Throws StateError where one is missing or was changed since.
 */
export async function newestReleases(options: {
  readonly spec: Pick<Spec, 'silos'>;
  readonly layout: RunLayout;
  readonly shape: ImageShape;
  readonly round: number;
  readonly arrived: readonly ReceivedRelease[];
}): Promise<readonly ReceivedRelease[]> {
  const { spec, layout, shape, round, arrived } = options;
  if (arrived.length === spec.silos.length) return arrived;
  const journal = round === 1 ? null : await readJournal(layout.journal);
  const releases: ReceivedRelease[] = [];
  for (const { name } of spec.silos) {
    const now = arrived.find(({ silo }) => silo === name);
    const before = now || !journal ? null : newestBefore(journal, name, round);
    const release = now ?? (before && (await storedRelease(layout, { silo: name, shape, ...before })));
    if (release) releases.push(release);
  }
  return releases;
}

/**
 * A release as it arrived in a round, by that round's record. Throws ReleaseError where the file is no decoder of such images,
 * StateError where it is not the one that came.
 */
export async function storedRelease(
  layout: RunLayout,
  kept: {
    readonly silo: string;
    /** In which it arrived. */
    readonly round: number;
    readonly upload: DecoderUpload;
    readonly shape: ImageShape;
  },
): Promise<ReceivedRelease> {
  const { silo, round, upload, shape } = kept;
  const path = layout.decoder(round, silo);
  const onnx = await readFileBounded(path, { maxBytes: upload.bytes });
  const { latent, sizeBytes, sha256 } = inspectDecoder(onnx, { shape, classes: upload.offers?.count ?? null });
  if (sha256 !== upload.sha256) {
    throw new StateError(
      `The decoder of ${silo} that came in round ${round} should have the SHA-256 ${upload.sha256}, but has ${sha256}: it was ` +
        'changed since. Restore the folder from a copy.',
      { path, silo, round },
    );
  }
  return {
    kind: 'decoder',
    silo,
    round: roundAnswered(round, upload),
    decoder: {
      bytes: () => readSameFile(path, { sizeBytes, sha256 }),
      sha256,
      sizeBytes,
      latent,
      shape,
      classes: upload.offers,
    },
    privacy: upload.privacy,
  };
}

/** Writes the decoder of a release into the run folder, as one that arrived in `round`, and returns the release with that file. */
export async function storeRelease(
  layout: RunLayout,
  release: ReceivedRelease,
  { round }: { readonly round: number },
): Promise<ReceivedRelease> {
  const path = layout.decoder(round, release.silo);
  const { sizeBytes, sha256 } = release.decoder;
  await writeFileAtomic(path, await release.decoder.bytes());
  return { ...release, decoder: { ...release.decoder, bytes: () => readSameFile(path, { sizeBytes, sha256 }) } };
}

/** The round whose task an upload answers: an earlier one than that in which it arrived where it came late. */
export function roundAnswered(arrivedIn: number, { answers }: Pick<RoundRecord['uploads'][number], 'answers'>): number {
  return answers ?? arrivedIn; // journals of older versions do not say
}

/** What a journal tells of a decoder that arrived. */
export type DecoderUpload = RoundRecord['uploads'][number] & { readonly sha256: string };

/** The decoder of a silo that a record tells of, or null where none arrived in its round. */
export function decoderIn(record: RoundRecord | undefined, silo: string): DecoderUpload | null {
  const upload = record?.uploads.find((one) => one.silo === silo);
  return upload && upload.sha256 !== null ? { ...upload, sha256: upload.sha256 } : null;
}

/** The newest decoder of a silo that arrived before a round, with the round in which it did. */
export function newestBefore(
  journal: Journal,
  silo: string,
  before: number,
): { readonly round: number; readonly upload: DecoderUpload } | null {
  const records = journal.strategies['align'] ?? [];
  for (const record of records.filter(({ round }) => round < before).reverse()) {
    const upload = decoderIn(record, silo);
    if (upload) return { round: record.round, upload };
  }
  return null;
}
