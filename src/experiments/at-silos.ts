// Images that never come here: specs whose silos bring their own on their own machines, and what the server knows of them.

import { DataError, SpecError } from '../errors.ts';
import type { DataSet, ImageSet } from '../data/image-set.ts';
import type { PartitionManifest } from '../data/manifest.ts';
import type { SiloData } from '../data/foreign.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import type { AtSilosSpec, ImageSourceSpec, Spec } from './spec.ts';

/** What the spec says of images at the silos, or null where it names images that can be dealt here. */
export function imagesAtSilos({ data: { source } }: Pick<Spec, 'data'>): AtSilosSpec | null {
  return source.kind === 'at-silos' ? source : null;
}

/** Throws SpecError where the images of a spec are at its silos: `what`, such as `align-fl run`, needs them here. */
export function requireImagesHere(spec: Pick<Spec, 'data'>, what: string): void {
  if (imagesAtSilos(spec) === null) return;
  throw new SpecError(
    `data.source.kind is at-silos: the images stay on the silos' own machines, and ${what} needs them here. Start a federation ` +
      'with align-fl server, or name a data set and a partition.',
    { path: 'data.source.kind' },
  );
}

/** What the server holds where images are at the silos: their size, test images perhaps, and no image of any silo. */
export interface ServerImages {
  readonly dataSet: DataSet;
  readonly silos: readonly SiloData[];
  readonly manifest: PartitionManifest;
}

/**
 * The server's images under `source`, given the data set that it takes test images from. Throws SpecError where those have
 * other classes, DataError where they have another size.
 */
export function serverImages(
  { silos }: Pick<Spec, 'silos'>,
  { shape, classes }: AtSilosSpec,
  judged: DataSet | null,
): ServerImages {
  if (judged) requireSameKind(judged, { shape, classes });
  const none = (name: string): ImageSet => ({
    name,
    shape,
    images: new Uint8Array(0),
    labels: new Uint8Array(0),
  });
  return {
    dataSet: {
      name: NAME,
      classNames: judged?.classNames ?? Array.from({ length: classes }, (_, label) => String(label)),
      train: none(`${NAME}/train`),
      test: judged?.test ?? none(`${NAME}/test`),
    },
    silos: silos.map(({ name }) => ({ name, set: none(`images at ${name}`), foreignRows: new Uint32Array(0) })),
    manifest: {
      version: 1,
      dataSet: { name: NAME, examples: null, sha256: null },
      disjoint: null,
      sharedClasses: [],
      silos: [],
    },
  };
}

/** A source of test images as one that can be loaded: of drawn sets the test images are the same whatever else is drawn. */
export function sourceOfTest(test: NonNullable<AtSilosSpec['testSource']>): ImageSourceSpec {
  return 'test' in test ? { ...test, train: 1 } : test;
}

/** Throws DataError unless images of a silo are of the size and classes that the spec declares for all of them. */
export function requireDeclaredImages({ shape, classes }: AtSilosSpec, images: ImageSet): void {
  const { name, labels } = images;
  requireSameShape(images, shape);
  const stranger = labels.findIndex((label) => label >= classes);
  if (stranger === -1) return;
  throw new DataError(
    `${name}: expected labels from 0 to ${classes - 1}, as the federation has declared, found ${labels[stranger]} (image ${stranger}). ` +
      'Number the classes as the federation does.',
    { images: name, row: stranger, label: labels[stranger] as number, classes },
  );
}

// --- internal ---

const NAME = 'at-silos';

function requireSameKind(judged: DataSet, { shape, classes }: Pick<AtSilosSpec, 'shape' | 'classes'>): void {
  requireSameShape(judged.test, shape);
  if (judged.classNames.length === classes) return;
  throw new SpecError(
    `data.source.classes: the federation has ${classes} classes, but the test images are of ${judged.name}, which has ` +
      `${judged.classNames.length}. Correct it, or take other test images.`,
    { path: 'data.source.classes', classes, found: judged.classNames.length },
  );
}

function requireSameShape(images: ImageSet, shape: ImageShape): void {
  const found = images.shape;
  if (found.channels === shape.channels && found.height === shape.height && found.width === shape.width) return;
  const words = (of: ImageShape) => `${of.channels} x ${of.height} x ${of.width}`;
  throw new DataError(
    `${images.name}: expected images of ${words(shape)} (channels, height, width), as the federation has declared, found ` +
      `${words(found)}. Bring images of that size.`,
    { images: images.name, expected: pixelCount(shape), found: pixelCount(found) },
  );
}
