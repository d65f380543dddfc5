// The decoders that silos of a spec bring along: read once, before anything is trained or paid for, and held to on resume.

import { AlignError, ReleaseError, SpecError, StateError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { contentHash } from '../storage/content-hash.ts';
import { takesPart, workOf } from './participation.ts';
import { loadRelease } from './release-folder.ts';
import type { SiloSpec, Spec } from './spec.ts';

/** Where a run has the decoders from that its silos did not train. */
export interface BroughtReleases {
  /** Each silo with the SHA-256 of what it brings and says of it, `none` without any: a run that goes on must find the same. */
  readonly origin: string;
  /** What a silo gives away in a round; the same in every one. */
  of(silo: string, round: number): Promise<ReceivedRelease>;
}

/** How a run gets what its silos bring along: images of `shape`, of `classes` classes in all. */
export type OpenBrought = (
  spec: Spec,
  images: { readonly shape: ImageShape; readonly classes: number },
) => Promise<BroughtReleases>;

/**
 * Reads the release of every silo that takes part with one. Throws SpecError where its folder has none, where it is not of such
 * images or classes, and where `offers` names classes that it does not; StateError and ReleaseError as `loadRelease` does, with
 * the silo's name.
 */
export const openBroughtReleases: OpenBrought = async (spec, images) => {
  const isPlayed = spec.strategies.includes('align');
  const bringing = spec.silos.filter(
    (silo) => isPlayed && workOf(spec, silo, 'align') === 'brings' && takesPart(spec, silo, 'align'),
  );
  const releases = new Map<string, ReceivedRelease>();
  for (const silo of bringing) releases.set(silo.name, await readRelease(spec, silo, images));
  const origins = [...releases.values()].map(
    ({ silo, decoder: { sha256, classes }, privacy }) =>
      `${silo} ${contentHash(JSON.stringify({ sha256, classes, privacy }))}`,
  );
  return {
    origin: origins.join(', ') || 'none',
    async of(silo, round) {
      const release = releases.get(silo);
      if (!release) throw new StateError(`Silo ${silo} brings no release along.`, { silo });
      return { ...release, round };
    },
  };
};

/** What a run asks of a decoder that a silo brings along. */
export interface AskedRelease {
  readonly task: Spec['task'];
  readonly shape: ImageShape;
  /** C, of the whole federation. */
  readonly classes: number;
  /** Classes that are asked for; undefined for all that it offers. */
  readonly offers: SiloSpec['offers'] | undefined;
}

/**
 * A release as it is asked for: of all the classes that it offers, those alone. Throws what `refuse` makes of a release that draws
 * other images or knows other classes, or of `offers` that name classes which it does not offer; the words complete "The release".
 */
export function releaseAsAsked(
  release: ReceivedRelease,
  { task, shape, classes, offers }: AskedRelease,
  refuse: (field: 'release' | 'offers', what: string) => Error,
): ReceivedRelease {
  const { decoder } = release;
  const sides = ({ channels, height, width }: ImageShape) => `${channels}x${height}x${width}`;
  if (sides(decoder.shape) !== sides(shape)) {
    const what = `draws images of ${sides(decoder.shape)}, but those of data.source are ${sides(shape)}. Take another release.`;
    throw refuse('release', what);
  }
  if (task !== 'classify') return release;
  if (decoder.classes?.count !== classes) {
    const found = decoder.classes === null ? 'its images have no labels' : `it knows ${decoder.classes.count} classes`;
    throw refuse(
      'release',
      `should offer some of the ${classes} classes of data.source, but ${found}. Write it again with align-fl release ` +
        `--classes ${classes} --offers <classes>.`,
    );
  }
  if (offers === undefined) return release;
  const { count, offered } = decoder.classes;
  const unknown = offers.filter((label) => !offered.includes(label));
  if (unknown.length > 0) {
    throw refuse(
      'offers',
      `offers ${offered.join(', ')}, but the spec also ${unknown.join(', ')}. Leave out what it does not offer; without a list it ` +
        'is asked for all that it does.',
    );
  }
  const kept = offered.filter((label) => offers.includes(label));
  return { ...release, decoder: { ...decoder, classes: { count, offered: kept } } };
}

// --- internal ---

async function readRelease(
  spec: Spec,
  silo: SiloSpec,
  { shape, classes }: { readonly shape: ImageShape; readonly classes: number },
): Promise<ReceivedRelease> {
  const { name, generator, offers } = silo;
  if (generator?.kind !== 'release') throw new StateError(`Silo ${name} brings no release along.`, { silo: name });
  const path = `silos.${spec.silos.indexOf(silo)}`;
  const { dir } = generator;
  const release = await loadRelease(dir, { round: 1, silo: name }).catch((error: unknown) => {
    throw named(error, { name, dir, path: `${path}.generator.dir` });
  });
  return releaseAsAsked(release, { task: spec.task, shape, classes, offers }, (field, what) => {
    const at = `${path}.${field === 'release' ? 'generator.dir' : 'offers'}`;
    return new SpecError(`${at}: the release of ${name} ${what}`, { path: at, silo: name });
  });
}

/** What is wrong with a folder, with whose it is. */
function named(
  error: unknown,
  { name, dir, path }: { readonly name: string; readonly dir: string; readonly path: string },
): unknown {
  if (!(error instanceof AlignError)) return error;
  if (['ENOENT', 'ENOTDIR'].includes(String(error.facts['reason']))) {
    return new SpecError(
      `${path}: ${name} brings a release along, but ${dir} has none (${error.message.replace(/\.$/, '')}). Correct the folder, ` +
        `or write one: align-fl release <file.onnx> --silo ${name} --out ${dir}.`,
      { path, silo: name },
      { cause: error },
    );
  }
  const message = `The release of ${name} in ${dir}: ${error.message}`;
  const facts = { ...error.facts, silo: name };
  if (error instanceof ReleaseError) return new ReleaseError(message, facts, { cause: error });
  return error instanceof StateError ? new StateError(message, facts, { cause: error }) : error;
}
