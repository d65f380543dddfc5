// What can be known of a spec only once its data are there: whether they suffice for training and for judging.

import type { DataSet, ImageSet } from '../data/image-set.ts';
import { DataError, SpecError } from '../errors.ts';
import { fewestImagesToProbe } from '../evaluation/split.ts';
import { pixelCount } from '../models/image-shape.ts';
import { imagesAtSilos } from './at-silos.ts';
import { decodersBy, workOf } from './participation.ts';
import { generatorOfSilo, type SiloSpec, type Spec, syntheticImageCount } from './spec.ts';
import { counted } from './counted.ts';

/** What was loaded and dealt. */
export interface Dealt {
  readonly dataSet: DataSet;
  readonly silos: readonly { readonly name: string; readonly set: ImageSet }[];
}

/**
 * Throws before anything is trained in vain: DataError or SpecError for too few test images, SpecError for a silo that
 * cannot fill a batch, for classes or frequencies that images do not have, and for more synthetic images than fit into memory.
 */
export function refuseUnfit(spec: Spec, { dataSet, silos }: Dealt): void {
  const atSilos = imagesAtSilos(spec);
  if (atSilos?.testSource !== null) refuseFewTestImages(spec, dataSet);
  refuseMoreThanTestImages(spec, dataSet);
  if (!atSilos) refuseSmallSilos(spec, silos);
  refuseUnknownOffers(spec, dataSet);
  refuseHighFrequencies(spec, dataSet);
  refuseHugePool(spec, pixelCount(dataSet.train.shape));
}

/** Throws SpecError where a silo that trains has not images enough for one batch. */
export function refuseSmallSilo(spec: Spec, silo: SiloSpec, images: number): void {
  const { batchSize } = spec.local;
  if (images >= batchSize || trainsNothing(spec, silo)) return;
  const [has, instead] = imagesAtSilos(spec)
    ? ['has', 'Lower local.batchSize, or bring more images.']
    : ['was dealt', 'Lower local.batchSize, deal more evenly, or take more images.'];
  throw new SpecError(
    `local.batchSize: ${silo.name} ${has} ${counted(images, 'image')}, fewer than one batch of ${batchSize}. ${instead}`,
    { path: 'local.batchSize', silo: silo.name, images, batchSize },
  );
}

// --- internal ---

const MAX_POOL_BYTES = 8 * 2 ** 30;
const BYTES_PER_PIXEL = 4;

function refuseFewTestImages({ task, data: { source } }: Spec, { name, classNames, test }: DataSet): void {
  const classes = classNames.length;
  const count = test.labels.length;
  const needed = task === 'classify' ? classes : fewestImagesToProbe(classes);
  if (count >= needed) return;
  const why =
    task === 'classify'
      ? `the classifier is judged on them, and there are ${classes} classes.`
      : `four fifths of them teach the probe ${classes} classes, and it is scored on the rest.`;
  const message = `${name} has ${count} test images, expected at least ${needed}: ${why}`;
  const of = source.kind === 'at-silos' ? source.testSource : source;
  if (of && 'test' in of) {
    const path = of === source ? 'data.source.test' : 'data.source.testSource.test';
    throw new SpecError(`${path}: ${message} Raise it.`, { path });
  }
  throw new DataError(`${message} Add some, or take another data set.`, { images: count, needed });
}

function refuseMoreThanTestImages({ evaluation: { generation } }: Spec, { name, test }: DataSet): void {
  const count = test.labels.length;
  if (generation === null || generation.images <= count) return;
  throw new SpecError(
    `evaluation.generation.images: ${generation.images} synthetic images are compared with as many real ones, but ${name} ` +
      `has ${count} test images. Lower evaluation.generation.images to ${count} or less.`,
    { path: 'evaluation.generation.images', images: generation.images, test: count },
  );
}

function refuseSmallSilos(spec: Spec, silos: Dealt['silos']): void {
  for (const [i, { set }] of silos.entries()) refuseSmallSilo(spec, spec.silos[i] as SiloSpec, set.labels.length);
}

/** Whether a silo never fills a batch: a closed form is computed, a brought decoder is there. */
function trainsNothing(spec: Spec, silo: SiloSpec): boolean {
  return spec.strategies.every((name) => workOf(spec, silo, name) !== 'trains');
}

function refuseUnknownOffers({ silos }: Spec, { name, classNames }: DataSet): void {
  for (const [i, silo] of silos.entries()) {
    const unknown = silo.offers?.filter((label) => label >= classNames.length) ?? [];
    if (unknown.length === 0) continue;
    const path = `silos.${i}.offers`;
    throw new SpecError(
      `${path}: ${name} has classes 0 to ${classNames.length - 1}, but ${silo.name} offers ${unknown.join(', ')}. Correct the list.`,
      { path, silo: silo.name },
    );
  }
}

/** A closed form keeps no more frequencies than images have. */
function refuseHighFrequencies(spec: Spec, { name, train: { shape } }: DataSet): void {
  if (spec.task !== 'classify' || !spec.strategies.includes('align')) return;
  const most = Math.max(shape.height, shape.width);
  for (const [i, silo] of spec.silos.entries()) {
    const own = generatorOfSilo(spec, silo);
    const closed = own.kind === 'vae' ? own.warmStart : own.kind === 'linear-gaussian' ? own : null;
    if (closed === null || closed.frequencies <= most) continue;
    const path = `${silo.generator ? `silos.${i}.` : ''}generator.${own.kind === 'vae' ? 'warmStart.' : ''}frequencies`;
    throw new SpecError(
      `${path}: ${closed.frequencies} low frequencies along each axis were to be kept, but the images of ${name} have ` +
        `${shape.height} x ${shape.width} pixels. Lower it to ${most}.`,
      { path, silo: silo.name, most },
    );
  }
}

function refuseHugePool(spec: Spec, pixels: number): void {
  const { server, strategies } = spec;
  const decoders = decodersBy(spec, spec.rounds);
  const images = syntheticImageCount(server, decoders);
  const sizeBytes = images * pixels * BYTES_PER_PIXEL;
  if (!strategies.includes('align') || sizeBytes <= MAX_POOL_BYTES) return;
  const most = Math.floor(MAX_POOL_BYTES / pixels / BYTES_PER_PIXEL / (server.imagesPer === 'silo' ? decoders : 1));
  throw new SpecError(
    `server.images: ${images} synthetic images of ${pixels} pixels take ${(sizeBytes / 2 ** 30).toFixed(1)} GiB, ` +
      `expected at most ${MAX_POOL_BYTES / 2 ** 30} GiB. Lower server.images to ${most} or less.`,
    { path: 'server.images', images, sizeBytes, most },
  );
}
