// What no single field can know: checks of a spec that compare its parts with each other.

import { isDeepStrictEqual } from 'node:util';
import { lipschitzProblems } from '../privacy/lipschitz-options.ts';
import { atSilosProblems } from './at-silos-checks.ts';
import { decodersBy, isAveraging } from './participation.ts';
import { participationProblems } from './participation-checks.ts';
import {
  type ModelSpec,
  modelOfServer,
  modelOfSilo,
  type PrivacySpec,
  type SourceSpec,
  type Spec,
  syntheticImageCount,
} from './spec.ts';
import type { Problem } from './spec-problems.ts';
import { taskProblems } from './task-checks.ts';
import { counted } from './counted.ts';

/** A spec of which some parts may be missing because they are wrong in themselves. */
export type PartialSpec = { readonly [Part in keyof Spec]?: Spec[Part] | undefined };

/** Every contradiction between parts that are present. */
export function contradictionsIn(spec: PartialSpec): Problem[] {
  return CHECKS.flatMap((check) => check(spec));
}

// --- internal ---

function uniqueNames({ silos = [] }: PartialSpec): Problem[] {
  return repeats(silos.map(({ name }) => name)).map(({ index, value, first }) => ({
    path: ['silos', index, 'name'],
    message: `"${value}" is also the name of silo ${first}; names must differ`,
  }));
}

function uniqueStrategies({ strategies = [] }: PartialSpec): Problem[] {
  return repeats(strategies).map(({ index, value }) => ({
    path: ['strategies', index],
    message: `"${value}" is listed twice`,
  }));
}

function classesDealt({ data, silos }: PartialSpec): Problem[] {
  if (data?.partition.kind !== 'class-disjoint') return [];
  const { classes } = data.partition;
  const path = ['data', 'partition', 'classes'];
  const problems: Problem[] = [];
  if (silos && classes.length !== silos.length) {
    problems.push({
      path,
      message: `expected ${counted(silos.length, 'list')}, one for each silo, got ${classes.length}`,
    });
  }
  const owners = new Map<number, number>();
  const known = KNOWN_IMAGES[data.source.kind];
  for (const [silo, list] of classes.entries()) {
    for (const [index, label] of list.entries()) {
      const owner = owners.get(label);
      owners.set(label, owner ?? silo);
      const message =
        owner !== undefined
          ? `class ${label} is already in list ${owner}; each class belongs to one silo`
          : known && label >= known.classes
            ? `${data.source.kind} has classes 0 to ${known.classes - 1}, got ${label}`
            : null;
      if (message !== null) problems.push({ path: [...path, silo, index], message });
    }
  }
  return problems;
}

/** As far as it can be known before the data are read, each silo must fill one batch. */
function enoughImages({ data, silos, local }: PartialSpec): Problem[] {
  if (!data || !silos || !local || data.source.kind === 'at-silos') return [];
  const { partition, source } = data;
  const drawn = 'train' in source ? source.train : null;
  const short = (path: readonly PropertyKey[], images: number, whose: string): Problem[] =>
    images >= local.batchSize
      ? []
      : [
          {
            path,
            message: `gives ${whose} ${counted(images, 'image')}, fewer than local.batchSize (${local.batchSize})`,
          },
        ];
  if (partition.kind === 'class-disjoint') {
    const perClass = Math.min(partition.perClass ?? Infinity, drawn === null ? Infinity : Math.ceil(drawn / 10));
    const path = partition.perClass === perClass ? ['data', 'partition', 'perClass'] : ['data', 'source', 'train'];
    const fewest = Math.min(...partition.classes.map((list) => new Set(list).size));
    return short(path, perClass * fewest, 'a silo at most');
  }
  if (partition.kind === 'dirichlet' || drawn === null) return [];
  return short(['data', 'source', 'train'], Math.floor(drawn / silos.length), 'each of the silos');
}

function foreignPossible({ data, silos }: PartialSpec): Problem[] {
  const foreign = data?.foreign;
  if (!data || !foreign) return [];
  const path = ['data', 'foreign'];
  const names = silos?.map(({ name }) => name);
  const problems: Problem[] = repeats(foreign.silos).map(({ index, value }) => ({
    path: [...path, 'silos', index],
    message: `"${value}" is listed twice`,
  }));
  for (const [index, name] of foreign.silos.entries()) {
    if (names && !names.includes(name)) {
      problems.push({
        path: [...path, 'silos', index],
        message: `no silo is called "${name}"; there are ${names.join(', ')}`,
      });
    }
  }
  if (sameImages(foreign.source, data.source)) {
    problems.push({
      path: [...path, 'source'],
      message: 'is the set of the own images; foreign ones come from another',
    });
  }
  return problems;
}

function outliersToJudge({ data, evaluation }: PartialSpec): Problem[] {
  if (!data || data.foreign || !evaluation?.outliers) return [];
  return [{ path: ['evaluation', 'outliers'], message: 'there are no foreign images to judge: data.foreign is null' }];
}

function oneArchitectureForAveraging({ task, strategies, silos, model, server }: PartialSpec): Problem[] {
  if (task === 'classify') return []; // what is averaged is the one classifier of the spec
  const averaging = (strategies ?? []).filter(isAveraging);
  if (averaging.length === 0 || !silos || !model || !server) return [];
  const trainers = [
    ...silos.map((silo) => ({ name: silo.name, model: modelOfSilo({ model }, silo) })),
    { name: 'the server', model: modelOfServer({ model, server }) },
  ];
  const others = trainers.filter((trainer) => !isDeepStrictEqual(trainer.model, trainers[0]?.model));
  if (others.length === 0) return [];
  return averaging.map((name) => ({
    path: ['strategies', strategies?.indexOf(name) ?? 0],
    message:
      `${name} averages weights, so all silos and the server need the same model; another than ${trainers[0]?.name} ` +
      `have: ${others.map((other) => other.name).join(', ')}. Drop ${name}, or the models that differ`,
  }));
}

function strategiesUnderPrivacy({ strategies, fedprox, ...spec }: PartialSpec): Problem[] {
  if (writtenPrivacies(spec).every(({ privacy }) => privacy.mechanism !== 'dp-sgd')) return [];
  return (strategies ?? []).flatMap((name, index) => {
    const path = ['strategies', index];
    if (name === 'fedprox' && fedprox?.mu !== 0) {
      const message = 'fedprox is not built for privacy.mechanism: dp-sgd yet. Drop it, or set fedprox.mu to 0';
      return [{ path, message }];
    }
    if (name !== 'centralised') return [];
    const message =
      'centralised trains on the images of all silos at once, which no ledger of a silo can account for. Drop it, or run a ' +
      'spec with one silo that has all images';
    return [{ path, message }];
  });
}

function enoughSyntheticImages({ server, silos, rounds }: PartialSpec): Problem[] {
  if (!server || !silos) return [];
  const images = syntheticImageCount(server, silos.length);
  const path = ['server', 'images'];
  if (images < silos.length)
    return [{ path, message: `${images} in total leave some of the ${silos.length} silos without any` }];
  const first = rounds === undefined ? silos.length : decodersBy({ silos }, 1); // the pool only grows
  const fewest = syntheticImageCount(server, first);
  if (fewest >= server.batchSize || first === 0) return [];
  const when = first === silos.length ? 'in all' : `from the ${first} decoders of round 1`;
  return [{ path, message: `${fewest} ${when} are fewer than server.batchSize (${server.batchSize})` }];
}

function halvesOfImages({ data, silos, model, server }: PartialSpec): Problem[] {
  const sides = data && sidesOf(data.source);
  if (!sides) return [];
  const models: readonly (readonly [readonly PropertyKey[], ModelSpec | null | undefined])[] = [
    [['model'], model],
    [['server', 'model'], server?.model],
    ...(silos ?? []).map((silo, index) => [['silos', index, 'model'], silo.model] as const),
  ];
  return models.flatMap(([path, shape]) => {
    if (shape?.kind !== 'conv' || sides.every((side) => side % 2 ** shape.channels.length === 0)) return [];
    const most = Math.min(...sides.map(halvings));
    const message = `${shape.channels.length} layers halve ${sides.join(' x ')} images too often; at most ${most} fit`;
    return [{ path: [...path, 'channels'], message }];
  });
}

function deviceOfExecutor({ engine }: PartialSpec): Problem[] {
  if (engine?.executor !== 'wasm' || engine.device === 'cpu') return [];
  const message = `the wasm executor computes on the CPU only; for ${engine.device} take executor: onnxruntime`;
  return [{ path: ['engine', 'device'], message }];
}

function completeLipschitzControl(spec: PartialSpec): Problem[] {
  return writtenPrivacies(spec).flatMap((written) => lipschitzControlProblems(written, spec.engine));
}

function lipschitzControlProblems({ path, privacy }: WrittenPrivacy, engine: PartialSpec['engine']): Problem[] {
  if (privacy.mechanism === 'none' || privacy.mechanism === 'gaussian') return [];
  const problems: Problem[] = lipschitzProblems(privacy).map(({ field, message }) => ({
    path: [...path, field],
    message,
  }));
  const { lipschitzForm: form, lipschitzWeight: weight } = privacy;
  if (engine?.executor !== 'wasm' || form === null || form === 'spectral-normalisation' || weight === 0)
    return problems;
  const message = `${form} needs second derivatives, which the wasm executor gets wrong; take executor: onnxruntime`;
  return [...problems, { path: ['engine', 'executor'], message }];
}

/** Settings that the chosen clipping does not read: whoever sets one expects that it does something. */
function clippingWithoutEffect(spec: PartialSpec): Problem[] {
  return writtenPrivacies(spec).flatMap(clippingProblems);
}

function clippingProblems({ path, privacy }: WrittenPrivacy): Problem[] {
  if (privacy.mechanism !== 'dp-sgd') return [];
  const { clipping, clipNorm, quantile } = privacy;
  const problems: Problem[] = [];
  if (clipping === 'auto-s' && clipNorm !== 1) {
    const message = `auto-s normalises gradients to 1 and knows no clip norm; set privacy.clipping=fixed, or leave it out`;
    problems.push({ path: [...path, 'clipNorm'], message });
  }
  if (clipping !== 'adaptive' && quantile !== 0.5) {
    const message = `only adaptive clipping follows a quantile; set privacy.clipping=adaptive, or leave it out`;
    problems.push({ path: [...path, 'quantile'], message });
  }
  return problems;
}

/** A mechanism, and where in the spec it is written. */
interface WrittenPrivacy {
  readonly path: readonly PropertyKey[];
  readonly privacy: PrivacySpec;
}

/** The default mechanism, and those of silos that have their own. */
function writtenPrivacies({ privacy, silos = [] }: PartialSpec): WrittenPrivacy[] {
  const own = silos.flatMap((silo, index) =>
    silo.privacy === undefined ? [] : [{ path: ['silos', index, 'privacy'], privacy: silo.privacy }],
  );
  return privacy === undefined ? own : [{ path: ['privacy'], privacy }, ...own];
}

const CHECKS: readonly ((spec: PartialSpec) => Problem[])[] = [
  uniqueNames,
  classesDealt,
  atSilosProblems,
  enoughImages,
  foreignPossible,
  outliersToJudge,
  halvesOfImages,
  participationProblems,
  taskProblems,
  enoughSyntheticImages,
  uniqueStrategies,
  oneArchitectureForAveraging,
  strategiesUnderPrivacy,
  clippingWithoutEffect,
  deviceOfExecutor,
  completeLipschitzControl,
];

/** What is known of the sets that can be named, before they are read. */
const KNOWN_IMAGES: Readonly<Record<SourceSpec['kind'], { readonly classes: number; readonly side: number } | null>> = {
  'drawn-digits': { classes: 10, side: 28 },
  'drawn-garments': { classes: 10, side: 28 },
  mnist: { classes: 10, side: 28 },
  'fashion-mnist': { classes: 10, side: 28 },
  folder: null,
  'at-silos': null,
};

/** Height and width of the images, where they are known before the data are read. */
function sidesOf(source: SourceSpec): readonly [number, number] | null {
  if (source.kind === 'at-silos') return [source.shape.height, source.shape.width];
  const known = KNOWN_IMAGES[source.kind];
  return known && [known.side, known.side];
}

function halvings(side: number): number {
  let count = 0;
  for (let rest = side; rest % 2 === 0; rest /= 2) count += 1;
  return count;
}

function sameImages(a: SourceSpec, b: SourceSpec): boolean {
  return a.kind === b.kind && (a.kind !== 'folder' || b.kind !== 'folder' || a.dir === b.dir);
}

function repeats<T>(values: readonly T[]): { index: number; value: T; first: number }[] {
  return values.flatMap((value, index) => {
    const first = values.indexOf(value);
    return first < index ? [{ index, value, first }] : [];
  });
}
