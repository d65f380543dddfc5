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
  const { decoder } = release;
  const sides = ({ channels, height, width }: ImageShape) => `${channels}x${height}x${width}`;
  if (sides(decoder.shape) !== sides(shape)) {
    throw new SpecError(
      `${path}.generator.dir: the release of ${name} draws images of ${sides(decoder.shape)}, but those of data.source are ` +
        `${sides(shape)}. Take another release.`,
      { path: `${path}.generator.dir`, silo: name },
    );
  }
  if (spec.task !== 'classify') return release;
  if (decoder.classes?.count !== classes) {
    const found = decoder.classes === null ? 'its images have no labels' : `it knows ${decoder.classes.count} classes`;
    throw new SpecError(
      `${path}.generator.dir: the release of ${name} should offer some of the ${classes} classes of data.source, but ${found}. ` +
        `Write it again with align-fl release --classes ${classes} --offers <classes>.`,
      { path: `${path}.generator.dir`, silo: name },
    );
  }
  if (offers === undefined) return release;
  const { count, offered } = decoder.classes;
  const unknown = offers.filter((label) => !offered.includes(label));
  if (unknown.length > 0) {
    throw new SpecError(
      `${path}.offers: the release of ${name} offers ${offered.join(', ')}, but the spec also ${unknown.join(', ')}. Leave out ` +
        'what it does not offer; without a list it is asked for all that it does.',
      { path: `${path}.offers`, silo: name },
    );
  }
  const kept = offered.filter((label) => offers.includes(label));
  return { ...release, decoder: { ...decoder, classes: { count, offered: kept } } };
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
