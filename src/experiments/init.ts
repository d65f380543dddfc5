// From images that a user brings along to a spec that is known to run: read, dealt as the run will deal, and described.

import { readFolder } from '../data/folder.ts';
import { classCounts } from '../data/image-set.ts';
import { type ImageFacts, imageFacts } from '../data/image-facts.ts';
import type { PartitionManifest } from '../data/manifest.ts';
import type { OwnImages } from '../data/own-set.ts';
import { sizeOf } from '../engine/array-spec.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { conditionalVaeOf } from '../models/conditional-vae.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { ParameterSpecs } from '../models/layers.ts';
import { linearGaussianOf } from '../models/linear-gaussian.ts';
import { decoderPart, vaeOf } from '../models/vae.ts';
import type { SiloModel } from '../silo/silo-model.ts';
import { type Draft, type DraftFacts, draftPartition, draftSpec } from './draft-spec.ts';
import { dealMaterials } from './materials.ts';
import { parseSpec } from './parse-spec.ts';
import { privacyWarnings } from './privacy-warnings.ts';
import { modelTrainedBy } from './silo-models.ts';
import type { PartitionSpec, Spec } from './spec.ts';
import { type WorkPlan, workPlan } from './work-plan.ts';

/** What the user asks for. */
export interface InitRequest extends Omit<DraftFacts, 'shape' | 'classNames' | 'silos'> {
  /** Names, or how many; null: five, or one for each class where there are fewer. */
  readonly silos: readonly string[] | number | null;
}

/** What was found. */
export interface FoundImages extends OwnImages {
  readonly facts: ImageFacts;
}

/** What was drafted, and what it will do. */
export interface InitPlan {
  readonly draft: Draft;
  readonly spec: Spec;
  /** Who gets what, with the seed of the spec. */
  readonly manifest: PartitionManifest;
  readonly work: WorkPlan;
  /** Size of the decoders that travel, in bytes: one a silo and round, without headers. */
  readonly decoderBytes: readonly number[];
  readonly warnings: readonly string[];
}

/** Reads and describes what lies at `path`; throws what `readFolder` throws. */
export async function findImages(path: string): Promise<FoundImages> {
  const own = await readFolder(path);
  return { ...own, facts: imageFacts(own.dataSet) };
}

/**
 * Drafts a spec and deals the images by it, as the run will. Throws SpecError where the request cannot be met, DataError
 * where there are too few test images.
 */
export async function planInit(found: FoundImages, request: InitRequest): Promise<InitPlan> {
  const { dataSet } = found;
  const present = classCounts(dataSet.train.labels).map(({ label }) => label);
  const silos = siloNames(request.silos, present.length);
  const facts: DraftFacts = { ...request, silos, shape: dataSet.train.shape, classNames: dataSet.classNames };
  const deal = (draft: Draft) => {
    const spec = parseSpec(draft.input);
    return dealMaterials(spec, dataSet, { env: {} }, childKey(seedKey(spec.seed), 'data'));
  };
  // The first draft only shows how many images each silo will have.
  const first = draftPartition(silos.length, present);
  const sizesBy = async (partition: PartitionSpec) => {
    const { manifest } = await deal(draftSpec(facts, partition, { smallest: 1, largest: 1 }));
    const sizes = manifest.silos.map(({ examples }) => examples);
    return { smallest: Math.min(...sizes), largest: Math.max(...sizes) };
  };
  const isUneven = first.kind === 'dirichlet' && (await sizesBy(first)).smallest < FEWEST_IMAGES;
  const partition: PartitionSpec = isUneven ? { kind: 'iid' } : first;
  const draft = draftSpec(facts, partition, await sizesBy(partition));
  const spec = parseSpec(draft.input);
  const { manifest, silos: dealt, classes } = await deal(draft);
  const examples = manifest.silos.map((silo) => silo.examples);
  return {
    draft,
    spec,
    manifest,
    work: workPlan(spec, examples),
    decoderBytes: spec.silos.map((silo, i) => {
      const images = dealt[i]?.set ?? dataSet.train;
      const parameters = decoderParameters(modelTrainedBy(spec, silo, 'align', { images, classes }), facts.shape);
      return Object.values(parameters).reduce((sum, array) => sum + 4 * sizeOf(array), 0);
    }),
    warnings: privacyWarnings(spec, examples),
  };
}

// --- internal ---

/** What of a silo's model is in its decoder. */
function decoderParameters(model: SiloModel, shape: ImageShape): ParameterSpecs {
  switch (model.kind) {
    case 'vae':
      return decoderPart(vaeOf(model.architecture, shape).parameters);
    case 'conditional-vae': {
      const { architecture, prior, classes } = model;
      return conditionalVaeOf(architecture, { shape, classes: classes.count, prior }).generator.parameters;
    }
    case 'linear-gaussian': {
      const { count: classes, offered } = model.classes;
      return linearGaussianOf(model.options, { shape, classes, offered }).parameters;
    }
    case 'classifier':
      return {}; // never released
  }
}

const DEFAULT_SILOS = 5;
/** A silo with fewer can't learn much: then images are dealt evenly. */
const FEWEST_IMAGES = 16;

function siloNames(asked: InitRequest['silos'], classes: number): readonly string[] {
  if (asked !== null && typeof asked !== 'number') return asked;
  const count = asked ?? Math.min(DEFAULT_SILOS, Math.max(2, classes));
  if (!(Number.isInteger(count) && count >= 1 && count <= 1000)) {
    throw new SpecError(`--silos: expected 1 to 1000 silos, or their names, got ${count}.`, { path: '--silos' });
  }
  return Array.from({ length: count }, (_, i) => (count <= 26 ? `silo-${LETTERS[i]}` : `silo-${i + 1}`));
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
