// How much work a cell of a sweep is beside the others, and how many cells run at once: guesses, which decide no number.

import { sizeOf } from '../engine/array-spec.ts';
import { vaeOf } from '../models/vae.ts';
import { modelOfServer, type ModelSpec, playedStrategies, type Spec, syntheticImageCount } from './spec.ts';

/** Work of a run in arbitrary units: images seen in training times the parameters of the model that sees them. */
export function cellWork(spec: Spec): number {
  const { local, server, silos, strategies, rounds } = spec;
  const played = playedStrategies(spec);
  const atSilos = imagesOf(spec) * local.epochs * weightOf(spec.model) * stepCost(spec);
  const images = syntheticImageCount(server, silos.length);
  const atServer = strategies.includes('align') ? images * server.epochs * weightOf(modelOfServer(spec)) : 0;
  return rounds * (played.length * atSilos + atServer) + OVERHEAD;
}

/** Cells at once where nobody says: one a core, as far as memory goes, and no more than there are. */
export function defaultJobs(machine: { readonly cores: number; readonly memoryBytes: number }, cells: number): number {
  const fitting = Math.floor(machine.memoryBytes / BYTES_PER_CELL);
  return Math.max(1, Math.min(machine.cores, fitting, cells));
}

/** Memory that this process may use: the machine's, or what a container leaves of it (0 or more than there is: no limit). */
export function usableMemory(totalBytes: number, limitBytes = 0): number {
  return limitBytes > 0 ? Math.min(totalBytes, limitBytes) : totalBytes;
}

// --- internal ---

/** A process with images, models and libraries. */
const BYTES_PER_CELL = 1.5 * 2 ** 30;

/** Start and evaluation: what even the smallest run costs. A run of 10,000 images and 100,000 parameters is 1e9 an epoch. */
const OVERHEAD = 1e9;

/** A step of a silo beside a plain one, measured at batches of 128 (docs/benchmarks.md). */
function stepCost({ privacy }: Spec): number {
  const form = 'lipschitzForm' in privacy ? privacy.lipschitzForm : null;
  return (form === null ? 1 : FORM_COST[form]) * (privacy.mechanism === 'dp-sgd' ? 1.4 : 1);
}

const FORM_COST = {
  'paper-penalty': 2,
  'jacobian-spectral': 4.4,
  'jacobian-frobenius': 2.9,
  'spectral-normalisation': 1.2,
} as const;

/** Known sets have 60,000 training images; an own folder is taken for one of that size. */
function imagesOf({ data: { source, partition } }: Spec): number {
  const all = 'train' in source ? source.train : 60_000;
  if (partition.kind !== 'class-disjoint') return all;
  const dealt = partition.classes.flat().length;
  return Math.min((all * dealt) / 10, (partition.perClass ?? Number.POSITIVE_INFINITY) * dealt);
}

function weightOf(model: ModelSpec): number {
  const { parameters } = vaeOf(model, { channels: 1, height: 28, width: 28 });
  const count = Object.values(parameters).reduce((sum, spec) => sum + sizeOf(spec), 0);
  return model.kind === 'conv' ? count * CONVOLUTION : count;
}

/** A weight of a convolution is used at many places of an image. */
const CONVOLUTION = 20;
