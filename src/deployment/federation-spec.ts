// From an experiment to a federation: the same spec, but the images are at the silos. And what of it silos are shown.

import { createHash } from 'node:crypto';
import { SpecError } from '../errors.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import type { ImageSourceSpec, Spec } from '../experiments/spec.ts';
import type { ImageShape } from '../models/image-shape.ts';

/** What every silo of a federation has in common. */
export interface FederationImages {
  readonly shape: ImageShape;
  /** C */
  readonly classes: number;
}

/** What silos agree to: the spec, as text, and its SHA-256 in hex. */
export interface Plan {
  readonly text: string;
  readonly sha256: string;
}

/**
 * The spec of a federation that does what `spec` does in one process: what silo i was dealt lies with silo i. `test`: where the
 * server finds images to judge by; null for nowhere. Baselines that share weights or images are left out, and so is what only a
 * simulation can look at.
 */
export function federationSpec(spec: Spec, images: FederationImages, test: ImageSourceSpec | null): Spec {
  const { partition } = spec.data;
  if (!spec.strategies.includes('align')) {
    throw new SpecError('strategies: a federation shares decoders, and `align` is not among the strategies. Add it.', {
      path: 'strategies',
    });
  }
  const declared = partition.kind === 'class-disjoint' && spec.task === 'classify' ? partition.classes : [];
  return parseSpec({
    ...spec,
    data: {
      source: { kind: 'at-silos', shape: images.shape, classes: images.classes, testSource: test && testOf(test) },
      partition: { kind: 'at-silos' },
    },
    silos: spec.silos.map((silo, i) => ({ ...(declared[i] && { offers: declared[i] }), ...silo })),
    strategies: ['align'],
    evaluation: { ...spec.evaluation, generation: generationAtServer(spec), outliers: undefined },
  });
}

/** Features of the default kind are trained on the silos' images; those of a file need none of them. */
function generationAtServer({ evaluation: { generation } }: Spec): Spec['evaluation']['generation'] {
  return generation?.extractor ? generation : null;
}

/** Of a drawn set only the test images are drawn. */
function testOf(source: ImageSourceSpec): unknown {
  return 'train' in source ? { kind: source.kind, test: source.test } : source;
}

/** No plan's text is longer than that, by far. */
export const MAX_PLAN_BYTES = 4_000_000;

/** The plan of a federation. Where the server's own files lie is none of it. */
export function planOf(spec: Spec): Plan {
  const { source } = spec.data;
  const withoutPlaces = {
    ...spec,
    data: { ...spec.data, source: source.kind === 'at-silos' ? { ...source, testSource: null } : source },
  };
  const text = JSON.stringify(withoutPlaces);
  return { text, sha256: createHash('sha256').update(text).digest('hex') };
}

/** The images that a federation is about. Throws SpecError where the spec is of a simulation. */
export function imagesOf({ data: { source } }: Spec): FederationImages {
  if (source.kind === 'at-silos') return { shape: source.shape, classes: source.classes };
  throw new SpecError(
    `data.source.kind: expected at-silos in the spec of a federation, got ${source.kind}. align-fl server init writes one.`,
    { path: 'data.source.kind' },
  );
}
