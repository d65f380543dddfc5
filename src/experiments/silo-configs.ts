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

/** The silo called `name` in the spec of a federation. Throws SpecError where it is not in it. */
export function siloIn({ silos }: Pick<Spec, 'silos'>, name: string): SiloSpec {
  const found = silos.find((silo) => silo.name === name);
  if (found) return found;
  const names = silos.map((silo) => silo.name);
  throw new SpecError(
    `The federation has no silo '${name}'${didYouMean(name, names) || '.'} Its silos are ${names.join(', ')}. Ask whoever runs its ` +
      'server.',
    { path: 'silos', silo: name, silos: names },
  );
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
  const silo = siloAtWork(spec, name);
  requireDeclaredImages(source, images);
  refuseSmallSilo(spec, silo, images.labels.length);
  return configOf(spec, silo, 'align', { images, classes: source.classes, ...places });
}

// --- internal ---

/** The silo `name`, which trains here. */
function siloAtWork(spec: Spec, name: string): SiloSpec {
  const silo = siloIn(spec, name);
  const why = !takesPart(spec, silo, 'align')
    ? 'never takes part'
    : generatorOfSilo(spec, silo).kind === 'release'
      ? 'brings a finished decoder along, which the server reads from its folder'
      : null;
  if (why === null) return silo;
  const path = `silos.${spec.silos.indexOf(silo)}`;
  throw new SpecError(`${path}: ${name} ${why}, so there is nothing for it to do. Ask who wrote the spec.`, {
    path,
    silo: name,
  });
}
