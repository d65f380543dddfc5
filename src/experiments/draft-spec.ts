// A first spec for images that a user brings along: choices that fit their number, size and classes, written down in a dozen
// lines that are easy to change.

import type { Architecture } from '../models/architecture.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import type { PartitionSpec, PrivacySpec } from './spec.ts';

/** What is asked of the federation: a model of images, or a classifier as well. */
export type DraftTask = 'represent' | 'classify';

/** Privacy that can be asked for in a word; all else is edited in the file. */
export type DraftPrivacy =
  | Extract<PrivacySpec, { readonly mechanism: 'none' }>
  | { readonly mechanism: 'dp-sgd' | 'gaussian'; readonly epsilon: number; readonly delta: number };

/** What decides the draft. */
export interface DraftFacts {
  readonly name: string;
  /** As the user wrote it. */
  readonly path: string;
  /** Names of the silos, one at least. */
  readonly silos: readonly string[];
  readonly task: DraftTask;
  readonly privacy: DraftPrivacy;
  readonly shape: ImageShape;
  readonly classNames: readonly string[];
}

/** How many images each silo has, once they are dealt. */
export interface DraftSizes {
  readonly smallest: number;
  readonly largest: number;
}

/** A draft, as lines of YAML and as what they say. */
export interface Draft {
  /** For `parseSpec`. */
  readonly input: Readonly<Record<string, unknown>>;
  /** The file, with comments. */
  readonly text: string;
}

/**
 * Classes of their own for each silo where there are enough of them; else all classes in all silos, in unequal shares.
 * `present`: labels that occur in training, ascending.
 */
export function draftPartition(silos: number, present: readonly number[]): PartitionSpec {
  if (silos === 1) return { kind: 'iid' };
  if (present.length < silos) return { kind: 'dirichlet', alpha: 1 };
  const lists = Array.from({ length: silos }, (_, silo) =>
    present.filter((_, i) => Math.floor((i * silos) / present.length) === silo),
  );
  return { kind: 'class-disjoint', classes: lists };
}

/** Convolutions where height and width can be halved; dense layers elsewhere. */
export function draftModel({ height, width }: ImageShape): Architecture {
  const divides = (factor: number) => height % factor === 0 && width % factor === 0;
  if (divides(4)) return { kind: 'conv', channels: [16, 32], latent: LATENT };
  if (divides(2)) return { kind: 'conv', channels: [32], latent: LATENT };
  return { kind: 'mlp', hidden: [256, 128], latent: LATENT };
}

/**
 * A closed form, which suits most images better than what is trained: a few Gaussians of each class where nothing is private and
 * there are images for them, else one. Null where something is to be trained.
 */
export function draftClosedForm(
  { task, privacy, shape, classNames }: Pick<DraftFacts, 'task' | 'privacy' | 'shape' | 'classNames'>,
  partition: PartitionSpec,
  { smallest }: DraftSizes,
): { readonly components: number; readonly frequencies: number; readonly rank: number } | null {
  if (task !== 'classify' || privacy.mechanism === 'dp-sgd') return null;
  const frequencies = Math.min(12, shape.height, shape.width);
  const classes =
    partition.kind === 'class-disjoint' ? Math.max(...partition.classes.map((own) => own.length)) : classNames.length;
  const byMemory = Math.floor(MOST_PRODUCTS / (classes * (shape.channels * frequencies ** 2) ** 2));
  // How many suit private records depends on them, and so is not read off them.
  const wished = privacy.mechanism === 'none' ? Math.min(40, Math.floor(smallest / classes / 150)) : 1;
  const components = Math.max(1, Math.min(wished, byMemory));
  return { components, frequencies, rank: components > 6 ? 24 : 48 };
}

/** The whole spec. */
export function draftSpec(facts: DraftFacts, partition: PartitionSpec, sizes: DraftSizes): Draft {
  return draftClosedForm(facts, partition, sizes) === null
    ? trainedDraft(facts, partition, sizes)
    : computedDraft(facts, partition, sizes);
}

/** `3 x 32 x 32 pixels` in words. */
export function shapeWords({ channels, height, width }: ImageShape): string {
  return `${height} x ${width} pixels in ${channels === 1 ? 'grey' : 'colour'}`;
}

// --- internal ---

/** Autoencoders, with labels or without. */
function trainedDraft(facts: DraftFacts, partition: PartitionSpec, sizes: DraftSizes): Draft {
  const { name, path, silos, task, privacy, shape, classNames } = facts;
  const isPrivate = privacy.mechanism === 'dp-sgd';
  // Private training: few rounds of many epochs, large batches, averaged weights; plain training needs none of it.
  const optimizer = { kind: 'adam', learningRate: 3e-3 };
  const local = {
    epochs: isPrivate ? 20 : 10,
    batchSize: isPrivate ? batchSizeOf(sizes.smallest, 256, 4) : batchSizeOf(sizes.smallest, 128, 8),
    ...(isPrivate && { optimizer }),
  };
  const images = Math.min(5000, Math.max(200, sizes.largest));
  const server = { images, epochs: 10, batchSize: batchSizeOf(images, 128, 8) };
  const isLarge = task === 'represent' && pixelCount(shape) > LARGE;
  const input = {
    name,
    ...(task === 'classify' && { task }),
    rounds: isPrivate ? 2 : 3,
    data: { source: { kind: 'folder', dir: path }, partition },
    silos: silos.map((silo) => ({ name: silo })),
    model: draftModel(shape),
    local,
    server,
    privacy: isPrivate ? { ...privacy, averaging: 0.995 } : privacy,
    ...(isLarge && { evaluation: { controls: false } }),
  };
  const lines: Lines = [
    [`name: ${scalar(name)}`],
    ...(task === 'classify' ? [['task: classify', 'class-conditional generators, and a classifier'] as const] : []),
    [`rounds: ${input.rounds}`],
    ['data:'],
    [`  source: ${flow(input.data.source)}`, `${classNames.length} classes, ${shapeWords(shape)}`],
    [`  partition: ${flow(partition)}`, partitionWords(partition)],
    [`silos: ${flow(input.silos)}`],
    [`model: ${flow(input.model)}`, 'latent: numbers that describe an image'],
    [`local: ${flow(local)}`, 'at each silo, in each round'],
    [`server: ${flow(server)}`, "images drawn from each silo's decoder"],
    [`privacy: ${flow(input.privacy)}`, isPrivate ? 'for all rounds together' : 'decoders may reveal training images'],
    ...(isLarge ? [['evaluation: { controls: false }', 'probes of raw pixels take long at this size'] as const] : []),
  ];
  return { input, text: textOf(lines) };
}

/** Closed-form generators of classes, and a classifier that looks at what they keep. */
function computedDraft(facts: DraftFacts, partition: PartitionSpec, sizes: DraftSizes): Draft {
  const { name, path, silos, task, privacy, shape, classNames } = facts;
  const generator = { kind: 'linear-gaussian', ...draftClosedForm(facts, partition, sizes) };
  const room = Math.floor(POOL_BYTES / (4 * pixelCount(shape) * silos.length));
  const images = Math.max(200, Math.min(24_000, 2 * sizes.largest, room));
  const input = {
    name,
    task,
    rounds: 1,
    data: { source: { kind: 'folder', dir: path }, partition },
    silos: silos.map((silo) => ({ name: silo })),
    generator,
    classifier: { lowPass: generator.frequencies, averaging: 0.99 },
    server: { images, epochs: 4, batchSize: batchSizeOf(images, 128, 8) },
    privacy,
  };
  const isPrivate = privacy.mechanism !== 'none';
  const text = textOf([
    [`name: ${scalar(name)}`],
    [`task: ${task}`, 'generators of classes teach a classifier'],
    ['rounds: 1', 'a closed form is computed once'],
    ['data:'],
    [`  source: ${flow(input.data.source)}`, `${classNames.length} classes, ${shapeWords(shape)}`],
    [`  partition: ${flow(partition)}`, partitionWords(partition)],
    [`silos: ${flow(input.silos)}`],
    [`generator: ${flow(generator)}`, 'components: Gaussians of each class'],
    [`classifier: ${flow(input.classifier)}`, 'looks at the low frequencies that generators keep'],
    [`server: ${flow(input.server)}`, "images drawn from each silo's decoder"],
    [
      `privacy: ${flow(privacy)}`,
      isPrivate ? 'for the one release of each silo' : 'decoders may reveal training images',
    ],
  ]);
  return { input, text };
}

type Lines = readonly (readonly [yaml: string, comment?: string])[];

function textOf(lines: Lines): string {
  const written = lines.map(([yaml, comment]) => (comment === undefined ? yaml : `${yaml}  # ${comment}`));
  return `${HEADER.join('\n')}\n${written.join('\n')}\n`;
}

const LATENT = 16;
/** Numbers of an image beyond which the controls beside the probe take minutes. */
const LARGE = 1024;
const SMALLEST_BATCH = 4;
/** Numbers in the noisy products of all Gaussians of a silo: half a gibibyte of them. */
const MOST_PRODUCTS = 2 ** 26;
/** Synthetic images of a round in memory. */
const POOL_BYTES = 2 ** 30;

const HEADER = [
  '# Written by align-fl init. Run it: align-fl run THIS-FILE. Every value may be changed here or by --set path=value;',
  '# all that is left out has a default (align-fl schema).',
];

/** A power of two that gives an epoch so many steps or more; never more than there are images. */
function batchSizeOf(images: number, most: number, fewestSteps: number): number {
  const wished = 2 ** Math.floor(Math.log2(Math.max(1, images / fewestSteps)));
  return Math.min(images, most, Math.max(SMALLEST_BATCH, wished));
}

function partitionWords(partition: PartitionSpec): string {
  switch (partition.kind) {
    case 'class-disjoint':
      return 'class numbers of each silo';
    case 'dirichlet':
      return 'smaller alpha: more uneven';
    default:
      return 'shuffled and dealt evenly';
  }
}

/** YAML on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${flow(inner)}`);
    return `{ ${pairs.join(', ')} }`;
  }
  return scalar(value);
}

/** A word as it is, where YAML can read it in one way only; any other text in quotes, as JSON has it. */
function scalar(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  return /^(\.{0,2}\/)?[A-Za-z][\w./-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
