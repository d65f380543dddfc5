// Gets a known set from a folder that the user names, from the cache, or from a public mirror. Every copy is
// checked by the hash of its contents, and a damaged file that a user placed is never silently replaced.

import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { type DataPlace, folderOfSet, requireFolder } from './data-places.ts';
import { type DownloadOptions, downloadKnownFile } from './download.ts';
import { decodeIdxImages, decodeIdxLabels, inflateIdx, isGzip, pairIdx } from './idx.ts';
import { type IdxRole, idxFileName, type StoredFile } from './idx-files.ts';
import type { DataSet, ImageSet } from './image-set.ts';
import { type Reading, readKnownFile, readKnownFiles } from './known-file.ts';
import { ALL_KNOWN_SETS, type KnownFile, type KnownSet } from './known-sets.ts';

/** Where to look, and how to reach the mirrors; `mirrors` replaces those of the set. */
export interface LocateOptions extends Partial<DownloadOptions> {
  /** In order, as `dataPlaces` gives them. */
  readonly places: readonly DataPlace[];
  /** False: don't ask the mirrors. Default: true. */
  readonly download?: boolean;
  /** Sets that may lie in the same folders, to tell a wrong file from a damaged one. Default: all. */
  readonly knownSets?: readonly KnownSet[];
}

/**
 * Finds a set, downloads it into the cache if need be, checks every byte, and reads it: [N, 1, 28, 28] in both parts.
 * Throws DataError for a damaged or missing file in a folder that the user named, and, when no copy can be had,
 * one that lists the four files, their hashes and where to put them. AbortedError when the signal fires.
 */
export async function loadKnownSet(set: KnownSet, options: LocateOptions): Promise<DataSet> {
  for (const place of options.places) {
    if (place.kind === 'cache') continue;
    await requireFolder(place);
    const contents = await readPlaced(set, place, options.knownSets ?? ALL_KNOWN_SETS);
    if (contents !== null) return toDataSet(set, contents);
  }
  return toDataSet(set, await readCached(set, options));
}

// --- internal ---

/** Verified contents without gzip. */
type SetContents = ReadonlyMap<IdxRole, StoredFile>;

/** A set from a folder of the user's; null where the folder has nothing of it. */
async function readPlaced(
  set: KnownSet,
  place: DataPlace,
  knownSets: readonly KnownSet[],
): Promise<SetContents | null> {
  const dir = await folderOfSet(place, set.name);
  const readings = await readKnownFiles(dir, set, knownSets);
  if (readings.every(({ state }) => state === 'missing')) return null;
  if (dir === place.dir && readings.every(isNotOurs)) return null; // all of it is another known set
  const contents = new Map<IdxRole, StoredFile>();
  const problems: string[] = [];
  set.files.forEach((file, i) => {
    const reading = readings[i] as Reading;
    if (reading.state === 'verified') contents.set(file.role, reading.contents);
    else if (reading.state === 'damaged') problems.push(reading.problem);
    else problems.push(`${join(dir, idxFileName(file.role))}: missing, plain and with .gz`);
  });
  if (problems.length === 0) return contents;
  throw new DataError(
    `${dir} should hold ${set.name}, but:\n  ${problems.join('\n  ')}\n` +
      'Replace these files with whole copies, or point --data (or ALIGN_FL_DATA) elsewhere.',
    { set: set.name, dir, problems },
  );
}

function isNotOurs(reading: Reading): boolean {
  return reading.state === 'missing' || (reading.state === 'damaged' && reading.belongsTo !== null);
}

/** From the cache, where whatever is missing or damaged is fetched anew. */
async function readCached(set: KnownSet, options: LocateOptions): Promise<SetContents> {
  const cache = options.places.find(({ kind }) => kind === 'cache');
  if (cache === undefined) throw notFound(set, options.places, 'There is no cache to download into.');
  const dir = await folderOfSet(cache, set.name);
  const contents = new Map<IdxRole, StoredFile>();
  for (const file of set.files) {
    const reading = await readKnownFile(dir, file, options.knownSets ?? ALL_KNOWN_SETS);
    const stored =
      reading.state === 'verified' ? reading.contents : await fetchInto(dir, { set, file, reading, options });
    contents.set(file.role, stored);
  }
  return contents;
}

interface FetchTask {
  readonly set: KnownSet;
  readonly file: KnownFile;
  readonly reading: Reading;
  readonly options: LocateOptions;
}

async function fetchInto(dir: string, { set, file, reading, options }: FetchTask): Promise<StoredFile> {
  const damage = reading.state === 'damaged' ? `${reading.problem}\n` : '';
  if (options.download === false) throw notFound(set, options.places, `${damage}Downloads are switched off.`);
  const bytes = await downloadKnownFile(file, { ...options, mirrors: options.mirrors ?? set.mirrors }).catch(
    (cause: unknown) => {
      throw cause instanceof DataError ? notFound(set, options.places, damage + cause.message, cause) : cause;
    },
  );
  const path = join(dir, `${idxFileName(file.role)}${isGzip(bytes) ? '.gz' : ''}`);
  await writeFileAtomic(path, bytes);
  return { path, bytes: inflateIdx(bytes, path) };
}

function notFound(set: KnownSet, places: readonly DataPlace[], reason: string, cause?: unknown): DataError {
  const dir = join(places.at(-1)?.dir ?? 'DIR', set.name);
  const files = set.files.map((file) => `${idxFileName(file.role)}.gz`);
  const lines = [
    `No whole copy of ${set.name} in: ${places.map((place) => place.dir).join(', ')}.`,
    reason,
    `To place it by hand, put these four files into ${dir} (or into DIR/${set.name}, and pass --data DIR):`,
    ...set.files.map((file, i) => `  ${files[i]}  SHA-256 ${file.gzipSha256}`),
    'They can be had from:',
    ...set.mirrors.map((mirror) => `  ${mirror}`),
    'Unpacked files, without .gz, do as well.',
  ];
  return new DataError(lines.join('\n'), { set: set.name, dir, files }, { cause });
}

function toDataSet(set: KnownSet, contents: SetContents): DataSet {
  const part = (name: string, imagesRole: IdxRole, labelsRole: IdxRole): ImageSet => {
    const images = contents.get(imagesRole) as StoredFile;
    const labels = contents.get(labelsRole) as StoredFile;
    return pairIdx({
      name: `${set.name}/${name}`,
      images: decodeIdxImages(images.bytes, images.path),
      labels: decodeIdxLabels(labels.bytes, labels.path),
      imagesFile: images.path,
      labelsFile: labels.path,
    });
  };
  return {
    name: set.name,
    classNames: set.classNames,
    train: part('train', 'train-images', 'train-labels'),
    test: part('test', 't10k-images', 't10k-labels'),
  };
}
