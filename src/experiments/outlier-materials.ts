// The images that outliers are judged by, gathered again from a spec: foreign or typical, learnt from or held out.

import { imagePixels } from '../data/batches.ts';
import type { SiloData } from '../data/foreign.ts';
import { type ImageSet, joinImages, selectImages } from '../data/image-set.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { DataError, SpecError } from '../errors.ts';
import type { OutlierGroups } from '../evaluation/outliers-groups.ts';
import { eachGroup, someRows } from '../evaluation/outliers-groups.ts';
import { pixelCount } from '../models/image-shape.ts';
import { type DataAccess, loadSource, type Materials } from './materials.ts';
import { didYouMean } from './nearest.ts';
import { takesPart } from './participation.ts';
import type { ForeignSpec, Spec, StrategyName } from './spec.ts';

/** Groups of images in [0, 1], [N, D] each: what is typical differs between one silo and all of them. */
export interface OutlierMaterials {
  /** Of the silo: typical is what it holds itself. */
  readonly silo: OutlierGroups<Float32Array>;
  /** Of the global model: typical is what all silos hold that it learnt from. */
  readonly global: OutlierGroups<Float32Array>;
  /** Where the foreign images come from, such as `fashion-mnist/train`. */
  readonly foreignSource: string;
}

export interface OutlierMaterialOptions {
  readonly spec: Spec;
  /** Name of a silo that has foreign images. */
  readonly silo: string;
  /** What the run trained and tested with. */
  readonly materials: Materials;
  readonly access: DataAccess;
  /** That which `materials` were gathered with. */
  readonly dataKey: Key;
  /** Chooses among more images than are needed. */
  readonly key: Key;
}

/** The silo whose outliers are judged: the named one, or the first that has any. Throws SpecError where there is none. */
export function outlierSilo({ data: { foreign } }: Pick<Spec, 'data'>, wanted?: string): string {
  if (foreign === null) {
    throw new SpecError(
      'data.foreign is null: no silo has foreign images, so there is nothing to look for. Run with some, for example ' +
        "--set 'data.foreign={source: {kind: fashion-mnist}, rate: 0.05, silos: [silo-a]}'",
      { path: 'data.foreign' },
    );
  }
  const [first] = foreign.silos;
  if (wanted === undefined && first !== undefined) return first;
  if (wanted !== undefined && foreign.silos.includes(wanted)) return wanted;
  throw new SpecError(
    `--silo: '${wanted}' has no foreign images${didYouMean(wanted as string, foreign.silos) || '.'} ` +
      `Those that have: ${foreign.silos.join(', ')}.`,
    { path: '--silo', silos: foreign.silos },
  );
}

/** Whether models of the run's main strategy learnt from the images of a silo: one may hold images and never take part. */
export function learntFrom(spec: Spec, name: string): boolean {
  const [strategy] = spec.strategies as [StrategyName];
  const silo = spec.silos.find((one) => one.name === name) as Spec['silos'][number];
  return strategy === 'centralised' ? silo.participation !== null : takesPart(spec, silo, strategy);
}

/**
 * Members are all foreign images of the silo. Held out are as many of the same source, of those that no silo has; typical
 * ones, and test images of the same classes, are up to 500 or as many as there are members. Images equal to one that was
 * trained on, byte for byte, are not held out. Throws DataError where a group would have fewer than two images.
 */
export async function gatherOutliers(options: OutlierMaterialOptions): Promise<OutlierMaterials> {
  const { spec, silo, materials, access, dataKey, key } = options;
  const held = materials.silos.find(({ name }) => name === silo) as SiloData;
  const members = selectImages(held.set, held.foreignRows);
  const most = Math.max(MOST_TYPICAL, members.labels.length);
  const { source: named } = spec.data.foreign as ForeignSpec;
  // All images that the foreign ones were chosen from, by the key that `gatherMaterials` draws them with.
  const { train: source } = await loadSource(named, access, childKey(dataKey, 'foreign', 'source'));
  const foreign = {
    members,
    heldOut: some(unseen(source, materials.silos), members.labels.length, childKey(key, 'held-out')),
  };
  const groupsOf = (silos: readonly SiloData[], ownKey: Key): OutlierGroups<Float32Array> => {
    const own = silos.map(ownImages);
    const classes = new Set(own.flatMap(({ labels }) => [...labels]));
    const { test } = materials.dataSet;
    const tests = rowsWhere(unseen(test, silos), (label) => classes.has(label));
    const each = own.map((set, i) => some(set, Math.ceil(most / own.length), childKey(ownKey, 'typical', i)));
    const typicalHeldOut = some(tests, most, childKey(ownKey, 'typical-held-out'));
    return checked(silo, { ...foreign, typical: joinImages(each), typicalHeldOut });
  };
  return {
    silo: groupsOf([held], childKey(key, 'silo')),
    global: groupsOf(
      materials.silos.filter(({ name }) => learntFrom(spec, name)),
      childKey(key, 'global'),
    ),
    foreignSource: source.name,
  };
}

// --- internal ---

/** Typical images judged: enough for narrow intervals, few enough for seconds. */
const MOST_TYPICAL = 500;

function ownImages({ set, foreignRows }: SiloData): ImageSet {
  const foreign = new Set(foreignRows);
  const rows = Array.from(set.labels, (_, row) => row).filter((row) => !foreign.has(row));
  return selectImages(set, rows);
}

/** The images of `set` that no silo has. */
function unseen(set: ImageSet, silos: readonly SiloData[]): ImageSet {
  const seen = new Set(silos.flatMap((silo) => contents(silo.set)));
  const rows = contents(set).flatMap((content, row) => (seen.has(content) ? [] : [row]));
  return selectImages(set, rows);
}

/** The bytes of each image as text, for look-up. */
function contents({ images, labels, shape }: ImageSet): readonly string[] {
  const size = pixelCount(shape);
  const bytes = Buffer.from(images.buffer, images.byteOffset, images.byteLength);
  return Array.from(labels, (_, row) => bytes.toString('latin1', row * size, (row + 1) * size));
}

function rowsWhere(set: ImageSet, accepts: (label: number) => boolean): ImageSet {
  return selectImages(
    set,
    Array.from(set.labels, (_, row) => row).filter((row) => accepts(set.labels[row] as number)),
  );
}

function some(set: ImageSet, count: number, key: Key): ImageSet {
  return selectImages(set, someRows(set.labels.length, count, key));
}

const GROUP_WORDS: OutlierGroups<string> = {
  members: 'foreign images in training',
  heldOut: 'foreign images that no silo has',
  typical: 'images of its own',
  typicalHeldOut: 'test images of its own classes',
};

function checked(silo: string, groups: OutlierGroups<ImageSet>): OutlierGroups<Float32Array> {
  return eachGroup((group) => {
    const { labels } = groups[group];
    if (labels.length >= 2) return imagePixels(groups[group]);
    throw new DataError(
      `Silo ${silo} has ${labels.length} ${GROUP_WORDS[group]}, expected two or more to judge its outliers by. Take more ` +
        'images, or a larger data.foreign.rate.',
      { silo, group, images: labels.length },
    );
  });
}
