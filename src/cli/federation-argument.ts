// What `align-fl server init` was asked for, as the spec of a federation.

import { SpecError } from '../errors.ts';
import { draftFederation, type FederationPrivacy } from '../deployment/draft-federation.ts';
import { type FederationImages, federationSpec } from '../deployment/federation-spec.ts';
import type { DraftTask } from '../experiments/draft-spec.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { applyOverrides, parseOverride } from '../experiments/overrides.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { EXPERIMENT_NAME, type ImageSourceSpec, type Spec } from '../experiments/spec.ts';
import { SILO_NAME } from '../net/subjects.ts';
import { isThere } from '../storage/presence.ts';
import { DELTA, numberArgument, TARGET_EPSILON, WHOLE } from './number-argument.ts';

export interface FederationFlags {
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

/** The spec, called `name` unless a file says otherwise. Throws SpecError where something is missing or does not fit. */
export async function federationArgument(name: string, flags: FederationFlags): Promise<Spec> {
  if (flags.test !== undefined && !isThere(flags.test)) {
    throw new SpecError(`--test: there is no folder or file ${flags.test}. Correct the path.`, { path: '--test' });
  }
  const test = flags.test === undefined ? null : ({ kind: 'folder', dir: flags.test } as const);
  if (flags.spec !== undefined) return fromFile(flags.spec, flags, test);
  const silos = silosOf(flags.silos);
  const drafted = draftFederation({
    name: EXPERIMENT_NAME.test(name) ? name : 'federation',
    silos,
    task: taskOf(flags.task),
    images: imagesOf(flags),
    privacy: privacyOf(flags),
    test,
  });
  return flags.set.length === 0 ? drafted : parseSpec(applyOverrides(drafted, flags.set.map(parseOverride)));
}

// --- internal ---

const HOW_TO_CHOOSE =
  'Choose --privacy none (the decoders may then reveal training images), --privacy dp-sgd, or, with --task classify, --privacy ' +
  'gaussian; the last two with --epsilon and --delta, such as --epsilon 8 --delta 1e-5. docs/privacy.md tells more.';

/** A federation's own spec, or that of a simulation, whose silos then bring the images. */
async function fromFile(target: string, flags: FederationFlags, test: ImageSourceSpec | null): Promise<Spec> {
  const others = (['task', 'image', 'classes', 'privacy', 'epsilon', 'delta'] as const).filter(
    (flag) => flags[flag] !== undefined,
  );
  const spec = await loadSpec(target, flags.set);
  const { source } = spec.data;
  const isRemote = source.kind === 'at-silos';
  const told = isRemote || ['mnist', 'fashion-mnist', 'drawn-digits', 'drawn-garments'].includes(source.kind);
  const unwanted = others.filter((flag) => told || !['image', 'classes'].includes(flag));
  if (unwanted.length > 0) {
    const flag = `--${unwanted[0]}`;
    throw new SpecError(`${flag}: --spec says that already. Leave ${flag} out, or change the spec with --set.`, {
      path: flag,
    });
  }
  const named = flags.silos === undefined ? spec : parseSpec({ ...spec, silos: renamed(spec, silosOf(flags.silos)) });
  if (isRemote) return test === null ? named : federationSpec(named, source, test);
  const images = told ? { shape: { channels: 1, height: 28, width: 28 } as const, classes: 10 } : imagesOf(flags);
  return federationSpec(named, images, test);
}

function renamed(spec: Spec, names: readonly string[]): Spec['silos'] {
  if (names.length !== spec.silos.length) {
    throw new SpecError(
      `--silos: the spec has ${spec.silos.length} silos, got ${names.length} names. Name as many, or leave --silos out.`,
      { path: '--silos' },
    );
  }
  return spec.silos.map((silo, i) => ({ ...silo, name: names[i] as string }));
}

function silosOf(text: string | undefined): readonly string[] {
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

function imagesOf({ image, classes }: FederationFlags): FederationImages {
  const sides = /^(?:([13])x)?(\d{1,3})x(\d{1,3})$/.exec(image ?? '');
  if (sides === null) {
    throw new SpecError(
      `--image: expected the size of every image, such as 28x28, or 3x32x32 in colour, got ${image ?? 'nothing'}.`,
      { path: '--image' },
    );
  }
  if (classes === undefined) {
    throw new SpecError('--classes: expected how many classes all silos have together, such as 10, got nothing.', {
      path: '--classes',
    });
  }
  const [, channels = '1', height, width] = sides;
  return {
    shape: { channels: Number(channels) as 1 | 3, height: Number(height), width: Number(width) },
    classes: numberArgument('--classes', classes, WHOLE),
  };
}

function privacyOf({ privacy, epsilon, delta }: FederationFlags): FederationPrivacy {
  const numbers = epsilon !== undefined || delta !== undefined;
  if (privacy === 'none' && !numbers) return { mechanism: 'none' };
  if ((privacy === 'dp-sgd' || privacy === 'gaussian') && epsilon !== undefined && delta !== undefined) {
    return {
      mechanism: privacy,
      epsilon: numberArgument('--epsilon', epsilon, TARGET_EPSILON),
      delta: numberArgument('--delta', delta, DELTA),
    };
  }
  if (privacy === 'none') {
    throw new SpecError('--privacy none takes no --epsilon and no --delta. Leave them out, or choose a mechanism.', {
      path: '--epsilon',
    });
  }
  const isHalf = privacy === 'dp-sgd' || privacy === 'gaussian';
  const came = isHalf ? `${privacy} without both --epsilon and --delta` : (privacy ?? 'nothing');
  throw new SpecError(`--privacy: expected a mechanism with the numbers that it needs, got ${came}. ${HOW_TO_CHOOSE}`, {
    path: '--privacy',
  });
}
