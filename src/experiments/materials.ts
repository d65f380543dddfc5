// From a spec to images in silos: load or draw the data set, deal it, mix in foreign images, write down who has what.

import { homedir } from 'node:os';
import { dataPlaces } from '../data/data-places.ts';
import type { DownloadProgress } from '../data/download.ts';
import { drawnDigits } from '../data/drawn-digits.ts';
import { drawnGarments } from '../data/drawn-garments.ts';
import { loadFolder } from '../data/folder.ts';
import { mixForeign, type SiloData } from '../data/foreign.ts';
import type { DataSet } from '../data/image-set.ts';
import { KNOWN_SETS } from '../data/known-sets.ts';
import { loadKnownSet } from '../data/locate.ts';
import { type PartitionManifest, partitionManifest } from '../data/manifest.ts';
import { partition, type PartitionSpec as Dealing } from '../data/partition.ts';
import { selectImages } from '../data/image-set.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { requireImagesHere, serverImages, sourceOfTest } from './at-silos.ts';
import { refuseUnfit } from './material-checks.ts';
import type { AtSilosSpec, ImageSourceSpec, PartitionSpec, Spec } from './spec.ts';

/** Where data may be found besides the cache, and who hears of a download. */
export interface DataAccess {
  /** `--data` */
  readonly dataDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onDownload?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Materials {
  readonly dataSet: DataSet;
  /** C */
  readonly classes: number;
  readonly silos: readonly SiloData[];
  readonly manifest: PartitionManifest;
}

/**
 * Loads and deals. Throws DataError where data are missing, damaged or too few, SpecError where they can't be dealt as
 * asked or do not suffice for training as asked.
 */
export async function gatherMaterials(spec: Spec, access: DataAccess, key: Key): Promise<Materials> {
  const { source } = spec.data;
  if (source.kind === 'at-silos') return materialsAtServer(spec, source, access, key);
  const dataSet = await loadSource(source, access, childKey(key, 'source'));
  return dealMaterials(spec, dataSet, access, key);
}

/** `gatherMaterials` where the data set of the spec is there already; throws as it does. */
export async function dealMaterials(spec: Spec, dataSet: DataSet, access: DataAccess, key: Key): Promise<Materials> {
  requireImagesHere(spec, 'dealing');
  const dealt = partition(
    dataSet.train.labels,
    dealingOf(spec.data.partition, spec.silos.length),
    childKey(key, 'partition'),
  );
  const own = spec.silos.map(({ name }, i) => ({
    name,
    set: selectImages(dataSet.train, dealt[i] ?? [], `${dataSet.train.name} at ${name}`),
  }));
  const silos = await withForeign(spec, own, access, childKey(key, 'foreign'));
  refuseUnfit(spec, { dataSet, silos });
  return { dataSet, classes: dataSet.classNames.length, silos, manifest: partitionManifest(dataSet.train, silos) };
}

/** The data set that a spec names: loaded, or drawn with `key`. Throws DataError where it is missing or damaged. */
export async function loadSource(source: ImageSourceSpec, access: DataAccess, key: Key): Promise<DataSet> {
  switch (source.kind) {
    case 'mnist':
    case 'fashion-mnist':
      return loadKnownSet(KNOWN_SETS[source.kind], {
        places: dataPlaces({ dataDir: access.dataDir, env: access.env, homeDir: homedir() }),
        ...(access.onDownload && { onProgress: access.onDownload }),
        ...(access.signal && { signal: access.signal }),
      });
    case 'folder':
      return loadFolder(source.dir);
    case 'drawn-digits':
      return drawnDigits({ key, trainCount: source.train, testCount: source.test });
    case 'drawn-garments':
      return drawnGarments({ key, trainCount: source.train, testCount: source.test });
  }
}

// --- internal ---

/** Test images, where there are any, drawn or loaded as a simulation would have them. */
async function materialsAtServer(spec: Spec, source: AtSilosSpec, access: DataAccess, key: Key): Promise<Materials> {
  const { testSource, classes } = source;
  const judged = testSource && (await loadSource(sourceOfTest(testSource), access, childKey(key, 'source')));
  const images = serverImages(spec, source, judged);
  refuseUnfit(spec, images);
  return { ...images, classes };
}

function dealingOf(asked: PartitionSpec, silos: number): Dealing {
  switch (asked.kind) {
    case 'class-disjoint':
      return { kind: 'classes', classes: asked.classes, perClass: asked.perClass };
    case 'dirichlet':
      return { kind: 'dirichlet', silos, alpha: asked.alpha };
    case 'iid':
      return { kind: 'iid', silos };
    case 'shards':
      return { kind: 'shards', silos, shardsPerSilo: asked.perSilo };
    case 'at-silos':
      throw new SpecError('data.partition.kind: at-silos deals nothing.', { path: 'data.partition.kind' });
  }
}

async function withForeign(
  spec: Spec,
  silos: readonly { readonly name: string; readonly set: DataSet['train'] }[],
  access: DataAccess,
  key: Key,
): Promise<readonly SiloData[]> {
  const { foreign } = spec.data;
  if (!foreign) return silos.map(({ name, set }) => ({ name, set, foreignRows: new Uint32Array(0) }));
  const source = await loadSource(foreign.source, access, childKey(key, 'source'));
  return mixForeign({
    silos,
    into: foreign.silos,
    amount: { rate: foreign.rate },
    foreign: source.train,
    key: childKey(key, 'mix'),
  });
}
