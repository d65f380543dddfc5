// What a silo is told to do: the same plain data whether it plays in this process or on its own machine.

import type { ImageSet } from '../data/image-set.ts';
import { SpecError } from '../errors.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import { imagesAtSilos, requireDeclaredImages } from './at-silos.ts';
import { refuseSmallSilo } from './material-checks.ts';
import { didYouMean } from './nearest.ts';
import { firstRoundOf, plannedRounds, takesPart } from './participation.ts';
import { modelTrainedBy } from './silo-models.ts';
import { generatorOfSilo, privacyOfSilo, type SiloSpec, type Spec, type StrategyName } from './spec.ts';

/** Folders of a silo: its private state, and its privacy ledger, which outlives runs. */
export interface SiloPlaces {
  readonly stateDir: string;
  readonly ledgerDir: string;
}

/** What a silo has at home, of a federation with so many classes. */
export interface SiloHome extends SiloPlaces {
  readonly images: ImageSet;
  /** C */
  readonly classes: number;
}

/** The silo of a spec under a strategy in which it trains. */
export function configOf(spec: Spec, silo: SiloSpec, strategy: StrategyName, home: SiloHome): SiloConfig {
  const { images, classes, stateDir, ledgerDir } = home;
  return {
    name: silo.name,
    model: modelTrainedBy(spec, silo, strategy, { images, classes }),
    local: spec.local,
    privacy: privacyOfSilo(spec, silo),
    firstRound: firstRoundOf(silo),
    plannedRounds: plannedRounds(spec, silo),
    stateDir,
    ledgerDir,
    seed: spec.seed,
    images,
  };
}

/**
 * The silo `name` of a federation, on its own machine: what it would be in a simulation that dealt it these images. Throws
 * SpecError where the spec has images elsewhere, no such silo, or one that trains nothing, and where the images do not fill a
 * batch; DataError where they are of another size or have other classes than the spec declares.
 */
export function siloConfigOf(spec: Spec, name: string, images: ImageSet, places: SiloPlaces): SiloConfig {
  const source = imagesAtSilos(spec);
  if (source === null) {
    const path = 'data.source.kind';
    throw new SpecError(
      `${path} is ${spec.data.source.kind}: this spec deals images of its own, so no silo can bring any. Set it to at-silos, and ` +
        'data.partition.kind likewise.',
      { path },
    );
  }
  const silo = siloNamed(spec, name);
  requireDeclaredImages(source, images);
  refuseSmallSilo(spec, silo, images.labels.length);
  return configOf(spec, silo, 'align', { images, classes: source.classes, ...places });
}

// --- internal ---

function siloNamed(spec: Spec, name: string): SiloSpec {
  const names = spec.silos.map((silo) => silo.name);
  const at = names.indexOf(name);
  const silo = spec.silos[at];
  if (!silo) {
    throw new SpecError(
      `The federation has no silo '${name}'${didYouMean(name, names) || '.'} Its silos are ${names.join(', ')}.`,
      { path: 'silos', silos: names },
    );
  }
  const why = !takesPart(spec, silo, 'align')
    ? 'never takes part'
    : generatorOfSilo(spec, silo).kind === 'release'
      ? 'brings a finished decoder along, which the server reads from its folder'
      : null;
  if (why === null) return silo;
  throw new SpecError(`silos.${at}: ${name} ${why}, so there is nothing for it to do. Ask who wrote the spec.`, {
    path: `silos.${at}`,
    silo: name,
  });
}
