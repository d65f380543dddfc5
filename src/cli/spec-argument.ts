// The spec that a command is given: a preset or a file, with --set and --seed on top.

import { SpecError } from '../errors.ts';
import { requireExtractor } from '../experiments/generation-scorer.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import type { Spec } from '../experiments/spec.ts';
import { together } from './together.ts';

export interface SpecFlags {
  /** Every `path=value` of `--set`, in order. */
  readonly set: readonly string[];
  /** Short for `--set seed=n`, and wins over it. */
  readonly seed?: string;
  /** Short for `--set evaluation.generation.extractor=path`, and wins over it. */
  readonly fidExtractor?: string;
}

/** Help of `--fid-extractor`. */
export const FID_EXTRACTOR_HELP =
  'judge images by the features of this ONNX file, such as Inception pool3; short for --set evaluation.generation.extractor=FILE';

/** The resolved spec. Throws SpecError where none is named, DataError without the extractor, and what `loadSpec` throws. */
export async function specArgument(target: string | undefined, flags: SpecFlags): Promise<Spec> {
  if (target === undefined) {
    throw new SpecError('Which experiment? Name a preset (see: align-fl presets) or a spec file.', {
      path: 'argument',
    });
  }
  const { spec } = await together({
    seed: () => requireSeed(flags.seed),
    spec: () => loadSpec(target, [...settingsOf(flags), ...(isSeed(flags.seed) ? [`seed=${flags.seed}`] : [])]),
  });
  requireExtractor(spec); // before there is a folder
  return spec;
}

/** `path=value` of `--set` and of the flags that are short for it, but `--seed`. */
export function settingsOf({ set, fidExtractor }: Pick<SpecFlags, 'set' | 'fidExtractor'>): readonly string[] {
  if (fidExtractor === undefined) return set;
  return [...set, `evaluation.generation.extractor=${JSON.stringify(fidExtractor)}`]; // as YAML reads any text
}

// --- internal ---

function isSeed(text = ''): boolean {
  return /^\d{1,15}$/.test(text);
}

function requireSeed(seed: string | undefined): void {
  if (seed === undefined || isSeed(seed)) return;
  throw new SpecError(`--seed: expected a whole number from 0, got '${seed}'.`, { path: '--seed' });
}
