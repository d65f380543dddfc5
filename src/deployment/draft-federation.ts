// A first spec for a federation whose images nobody but the silos has seen: choices that fit the size of an image and the task.

import { draftModel, type DraftTask } from '../experiments/draft-spec.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import type { PrivacySpec, ImageSourceSpec, Spec } from '../experiments/spec.ts';
import { pixelCount } from '../models/image-shape.ts';
import type { FederationImages } from './federation-spec.ts';

/** Privacy that can be asked for in a word; all else is edited in the file. */
export type FederationPrivacy =
  | Extract<PrivacySpec, { readonly mechanism: 'none' }>
  | { readonly mechanism: 'dp-sgd' | 'gaussian'; readonly epsilon: number; readonly delta: number };

/** What decides the draft. */
export interface FederationFacts {
  readonly name: string;
  readonly silos: readonly string[];
  readonly task: DraftTask;
  readonly images: FederationImages;
  readonly privacy: FederationPrivacy;
  /** Where the server finds images to judge by; null for nowhere. */
  readonly test: ImageSourceSpec | null;
}

/**
 * The whole spec. Labelled images get closed-form generators, which need one round and few images, but where DP-SGD is asked
 * for. Throws SpecError where the facts do not go together.
 */
export function draftFederation({ name, silos, task, images, privacy, test }: FederationFacts): Spec {
  const isPrivate = privacy.mechanism !== 'none';
  const isClosed = task === 'classify' && privacy.mechanism !== 'dp-sgd';
  const { shape, classes } = images;
  const frequencies = Math.min(12, shape.height, shape.width);
  const closed = { kind: 'linear-gaussian', components: isPrivate ? 1 : 6, frequencies, rank: 24 } as const;
  return parseSpec({
    name,
    task,
    rounds: isClosed ? 1 : isPrivate ? 2 : 3,
    data: {
      source: { kind: 'at-silos', shape, classes, testSource: test },
      partition: { kind: 'at-silos' },
    },
    silos: silos.map((silo) => ({ name: silo })),
    model: draftModel(shape),
    ...(isClosed && { generator: closed }),
    local: isPrivate
      ? { epochs: 20, batchSize: 256, optimizer: { kind: 'adam', learningRate: 3e-3 } }
      : { epochs: 10, batchSize: 64 },
    server: { images: 2000, epochs: 10 },
    strategies: ['align'],
    privacy: privacy.mechanism === 'dp-sgd' ? { ...privacy, averaging: 0.995 } : privacy,
    ...(pixelCount(shape) > LARGE && { evaluation: { controls: false } }),
  });
}

// --- internal ---

/** Numbers of an image beyond which the controls beside the probe take minutes. */
const LARGE = 1024;
