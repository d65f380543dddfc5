// The record of who got what, as plain JSON for the run folder: counted and hashed from what was dealt, so that
// "disjoint" is a finding and not a promise.

import { SpecError } from '../errors.ts';
import type { SiloData } from './foreign.ts';
import { type ClassCount, classCounts, FOREIGN_LABEL, type ImageSet, imageSetHash } from './image-set.ts';

/** One silo's share. */
export interface SiloManifest {
  readonly name: string;
  /** Foreign images included. */
  readonly examples: number;
  /** Own classes, ascending, each with its number of examples. */
  readonly classes: readonly ClassCount[];
  readonly foreign: number;
  /** `imageSetHash` of the silo's images and labels in their final order. */
  readonly sha256: string;
}

/** Everything that was dealt. */
export interface PartitionManifest {
  readonly version: 1;
  /** What was dealt from, with its `imageSetHash`; null where images are at the silos and nobody here knows. */
  readonly dataSet: { readonly name: string; readonly examples: number | null; readonly sha256: string | null };
  /** Whether no class occurs in two silos, foreign images left aside; null where nothing was dealt. */
  readonly disjoint: boolean | null;
  /** The classes that two silos or more share, ascending; empty where `disjoint`. */
  readonly sharedClasses: readonly number[];
  /** Empty where nothing was dealt. */
  readonly silos: readonly SiloManifest[];
}

/** Counts, hashes and compares what was dealt. Throws SpecError where two silos have one name. */
export function partitionManifest(source: ImageSet, silos: readonly SiloData[]): PartitionManifest {
  const holders = new Map<number, number>();
  const manifests = silos.map(({ name, set, foreignRows }, i): SiloManifest => {
    if (silos.findIndex((silo) => silo.name === name) !== i) {
      throw new SpecError(`Expected silos of different names, found ${name} twice. Rename one.`, {
        path: `silos.${i}`,
        name,
      });
    }
    const classes = classCounts(set.labels).filter(({ label }) => label !== FOREIGN_LABEL);
    for (const { label } of classes) holders.set(label, (holders.get(label) ?? 0) + 1);
    return { name, examples: set.labels.length, classes, foreign: foreignRows.length, sha256: imageSetHash(set) };
  });
  const sharedClasses = [...holders].flatMap(([label, count]) => (count > 1 ? [label] : [])).sort((a, b) => a - b);
  return {
    version: 1,
    dataSet: { name: source.name, examples: source.labels.length, sha256: imageSetHash(source) },
    disjoint: sharedClasses.length === 0,
    sharedClasses,
    silos: manifests,
  };
}
