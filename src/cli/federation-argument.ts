// What `align-fl server init` was asked for: the spec of a federation, and the settings of its server.

import { resolve } from 'node:path';
import { FOREIGN_LABEL } from '../data/image-set.ts';
import { OWN_LIMITS } from '../data/own-set.ts';
import { draftFederation } from '../deployment/draft-federation.ts';
import { type FederationImages, federationSpec } from '../deployment/federation-spec.ts';
import type { ServerSettings } from '../deployment/server-folder.ts';
import { SpecError } from '../errors.ts';
import { counted } from '../experiments/counted.ts';
import type { DraftTask } from '../experiments/draft-spec.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { applyOverrides, type Override, parseOverride } from '../experiments/overrides.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { EXPERIMENT_NAME, type ImageSourceSpec, type Spec } from '../experiments/spec.ts';
import { SILO_NAME } from '../net/subjects.ts';
import { isThere } from '../storage/presence.ts';
import { type AddressFlags, addressReaders } from './address-argument.ts';
import { DELTA, type NumberKind, numberArgument, TARGET_EPSILON } from './number-argument.ts';
import { together } from './together.ts';

export interface FederationFlags extends AddressFlags {
  readonly silos?: string;
  readonly spec?: string;
  readonly task?: string;
  readonly image?: string;
  readonly classes?: string;
  readonly privacy?: string;
  readonly epsilon?: string;
  readonly delta?: string;
  readonly test?: string;
  readonly set: readonly string[];
}

/** A federation to be made. */
export interface FederationArgument {
  readonly spec: Spec;
  readonly settings: Omit<ServerSettings, 'format'>;
}

/**
 * The spec, called `name` unless a file says otherwise, and the settings. Throws SpecError with all options that are missing or
 * do not fit; where a file is wrong, or does not fit the options, with that.
 */
export async function federationArgument(name: string, flags: FederationFlags): Promise<FederationArgument> {
  return flags.spec === undefined ? drafted(name, flags) : fromFile(flags.spec, flags);
}

// --- internal ---

const HOW_TO_CHOOSE =
  'Choose --privacy none (the decoders may then reveal training images), --privacy dp-sgd, or, with --task classify, --privacy ' +
  'gaussian; the last two with --epsilon and --delta, such as --epsilon 8 --delta 1e-5. docs/privacy.md tells more.';

async function drafted(name: string, flags: FederationFlags): Promise<FederationArgument> {
  const { changes, silos, task, shape, classes, test, mechanism, epsilon, delta, ...settings } = await together({
    silos: () => namesOf(flags.silos),
    task: () => taskOf(flags.task),
    shape: () => shapeOf(flags.image),
    classes: () => classesOf(flags.classes),
    mechanism: () => mechanismOf(flags),
    epsilon: () => given(flags.epsilon, (text) => numberArgument('--epsilon', text, TARGET_EPSILON)),
    delta: () => given(flags.delta, (text) => numberArgument('--delta', text, DELTA)),
    test: () => given(flags.test, testOf),
    changes: () => overridesOf(flags.set),
    ...addressReaders(flags, flags.silos?.split(',').length ?? null),
  });
  const spec = draftFederation({
    name: EXPERIMENT_NAME.test(name) ? name : 'federation',
    silos,
    task,
    images: { shape, classes },
    // `mechanismOf` saw to it that the numbers are there.
    privacy: mechanism === 'none' ? { mechanism } : { mechanism, epsilon: epsilon as number, delta: delta as number },
    test,
  });
  return { spec: changes.length === 0 ? spec : parseSpec(applyOverrides(spec, changes)), settings };
}

/** A federation's own spec, or that of a simulation, whose silos then bring the images. */
async function fromFile(target: string, flags: FederationFlags): Promise<FederationArgument> {
  const { spec, names, test, ...settings } = await together({
    spec: () => loadSpec(target, flags.set),
    names: () => given(flags.silos, namesOf),
    test: () => given(flags.test, testOf),
    ...addressReaders(flags, null),
  });
  const { source } = spec.data;
  const isRemote = source.kind === 'at-silos';
  const told = isRemote || source.kind !== 'folder';
  const { named, images } = await together({
    unwanted: () => refuseUnwanted(flags, told),
    named: () => (names === null ? spec : parseSpec({ ...spec, silos: renamed(spec, names) })),
    images: () => (isRemote ? source : told ? KNOWN_SETS : imagesOf(flags)),
  });
  if (isRemote && test === null) return { spec: named, settings };
  return { spec: federationSpec(named, images, test), settings };
}

async function overridesOf(set: readonly string[]): Promise<readonly Override[]> {
  const read = Object.entries(set).map(([i, text]) => [i, () => parseOverride(text)] as const);
  return Object.values(await together(Object.fromEntries(read)));
}

/** Of every set that a spec can name. */
const KNOWN_SETS: FederationImages = { shape: { channels: 1, height: 28, width: 28 }, classes: 10 };

function given<T>(text: string | undefined, read: (text: string) => T): T | null {
  return text === undefined ? null : read(text);
}

function refuseUnwanted(flags: FederationFlags, areImagesTold: boolean): void {
  const told = areImagesTold ? (['image', 'classes'] as const) : [];
  const both = ['task', 'privacy', 'epsilon', 'delta', ...told] as const;
  const unwanted = both.flatMap((flag) => (flags[flag] === undefined ? [] : [`--${flag}`]));
  const [first] = unwanted;
  if (first === undefined) return;
  const them = unwanted.join(' and ');
  throw new SpecError(`${them}: --spec says that already. Leave ${them} out, or change the spec with --set.`, {
    path: first,
  });
}

function renamed(spec: Spec, names: readonly string[]): Spec['silos'] {
  if (names.length !== spec.silos.length) {
    throw new SpecError(
      `--silos: the spec has ${counted(spec.silos.length, 'silo')}, got ${counted(names.length, 'name')}. Name as many, or leave ` +
        '--silos out.',
      { path: '--silos' },
    );
  }
  return spec.silos.map((silo, i) => ({ ...silo, name: names[i] as string }));
}

function namesOf(text: string | undefined): readonly string[] {
  const names = (text ?? '').split(',').map((name) => name.trim());
  const wrong = names.find((name) => !SILO_NAME.test(name));
  if (wrong === undefined && new Set(names).size === names.length) return names;
  const came = text === undefined ? 'nothing' : `'${text.slice(0, 100)}'`;
  throw new SpecError(
    `--silos: expected names with commas between, such as a,b,c (small letters, digits, hyphens; none twice), got ${came}.`,
    { path: '--silos' },
  );
}

function taskOf(text = 'represent'): DraftTask {
  if (text === 'represent' || text === 'classify') return text;
  throw new SpecError(`--task: expected represent or classify, got '${text}'.`, { path: '--task' });
}

function testOf(dir: string): ImageSourceSpec {
  if (isThere(dir)) return { kind: 'folder', dir: resolve(dir) }; // wherever the server is started
  throw new SpecError(`--test: there is no folder or file ${dir}. Correct the path.`, { path: '--test' });
}

async function imagesOf({ image, classes }: FederationFlags): Promise<FederationImages> {
  return together({ shape: () => shapeOf(image), classes: () => classesOf(classes) });
}

function shapeOf(image: string | undefined): FederationImages['shape'] {
  const { minSide, maxSide } = OWN_LIMITS;
  const [, channels = '1', ...sides] = /^(?:([13])x)?(\d{1,3})x(\d{1,3})$/.exec(image ?? '') ?? [];
  const [height = 0, width = 0] = sides.map(Number);
  if (Math.min(height, width) >= minSide && Math.max(height, width) <= maxSide)
    return { channels: Number(channels), height, width };
  throw new SpecError(
    `--image: expected the size of every image, such as 28x28, or 3x32x32 in colour, sides from ${minSide} to ${maxSide}, got ` +
      `${image === undefined ? 'nothing' : `'${image.slice(0, 40)}'`}.`,
    { path: '--image' },
  );
}

function classesOf(classes: string | undefined): number {
  if (classes !== undefined) return numberArgument('--classes', classes, CLASSES);
  throw new SpecError('--classes: expected how many classes all silos have together, such as 10, got nothing.', {
    path: '--classes',
  });
}

const CLASSES: NumberKind = {
  expected: `how many classes all silos have together, from 1 to ${FOREIGN_LABEL}`, // which is the first label of no class
  example: '10',
  accepts: (value) => Number.isInteger(value) && value >= 1 && value <= FOREIGN_LABEL,
};

function mechanismOf({ privacy, epsilon, delta }: FederationFlags): 'none' | 'dp-sgd' | 'gaussian' {
  const isNoisy = privacy === 'dp-sgd' || privacy === 'gaussian';
  if (isNoisy && epsilon !== undefined && delta !== undefined) return privacy;
  if (privacy === 'none') {
    if (epsilon === undefined && delta === undefined) return privacy;
    throw new SpecError('--privacy none takes no --epsilon and no --delta. Leave them out, or choose a mechanism.', {
      path: '--epsilon',
    });
  }
  const came = isNoisy ? `${privacy} without both --epsilon and --delta` : (privacy ?? 'nothing');
  throw new SpecError(`--privacy: expected a mechanism with the numbers that it needs, got ${came}. ${HOW_TO_CHOOSE}`, {
    path: '--privacy',
  });
}
