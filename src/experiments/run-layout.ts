// Where each thing lies in a run folder. The folder is for people too: names say what is inside.

import { join } from 'node:path';
import { SpecError } from '../errors.ts';
import { SILO_NAME } from '../net/subjects.ts';
import type { Spec, StrategyName } from './spec.ts';

/** Folder of a run when nobody names one: the same spec and seed find the same folder, and so go on where they stopped. */
export function defaultRunFolder(spec: Pick<Spec, 'name' | 'seed'>): string {
  return join('runs', `${spec.name}-seed${spec.seed}`);
}

/** Paths below the run folder `root`. */
export interface RunLayout {
  readonly root: string;
  /** The complete, resolved spec. */
  readonly spec: string;
  /** Everything that happened, one JSON object a line. */
  readonly events: string;
  /** What is complete so far: where a resumed run begins. */
  readonly journal: string;
  /** In a folder that `align-fl forget` made: from which run, and without whom. */
  readonly rebuiltFrom: string;
  /** Silos that were forgotten from this run, in a folder from which `align-fl forget` removed them. */
  readonly forgotten: string;
  /** The results; present when the run is complete. */
  readonly summary: string;
  /** Which silo has which images. */
  readonly partition: string;
  /** The release of silo `name` that came in a round of ALIGN-FL. Rounds count from 1. */
  decoder(round: number, name: string): string;
  /** Folders that hold what was made of decoders: global models, their codes of test images, pictures. */
  readonly globals: string;
  readonly codes: string;
  readonly images: string;
  /** Folder of the classifier whose features outliers are judged by: it learnt from all training images. */
  readonly features: string;
  /** Folder of the server's state under a strategy. */
  global(strategy: StrategyName): string;
  /** Folder of a silo's private state under a strategy. */
  silo(name: string, strategy: StrategyName): string;
  /** Folder of silo `name`: its states, and its privacy ledger where no other place is named. */
  siloHome(name: string): string;
  /** A picture; `name` without extension. */
  image(name: string): string;
}

/** The layout of the run folder `root`. Its functions throw SpecError for a name that is none of a silo or a picture. */
export function runLayout(root: string): RunLayout {
  return {
    root,
    spec: join(root, 'spec.json'),
    events: join(root, 'events.jsonl'),
    journal: join(root, 'journal.json'),
    rebuiltFrom: join(root, REBUILT_FROM),
    forgotten: join(root, 'forgotten.json'),
    summary: join(root, 'summary.json'),
    partition: join(root, 'partition.json'),
    globals: join(root, 'global'),
    codes: join(root, 'codes'),
    images: join(root, 'images'),
    features: join(root, 'features'),
    decoder: (round, name) => join(root, 'decoders', `round-${round}`, `${checked(name)}.onnx`),
    global: (strategy) => join(root, 'global', strategy),
    silo: (name, strategy) => join(root, 'silos', checked(name), strategy),
    siloHome: (name) => join(root, 'silos', checked(name)),
    image: (name) => join(root, 'images', `${checked(name, IMAGE_NAME)}.png`),
  };
}

/** Name of the file in a folder that `align-fl forget` made. */
export const REBUILT_FROM = 'rebuilt-from.json';

// --- internal ---

const IMAGE_NAME = /^[a-z0-9][a-z0-9-]{0,99}$/;

/** Names come from specs that were checked; a path must not leave the folder even if one was not. */
function checked(name: string, pattern = SILO_NAME): string {
  if (!pattern.test(name))
    throw new SpecError(`"${name.slice(0, 100)}" cannot be a file name in a run folder.`, { name });
  return name;
}
