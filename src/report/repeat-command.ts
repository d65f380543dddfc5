// The command that repeats a run: as short as a preset allows, and checked to give the same spec.

import { applyOverrides, parseOverride } from '../experiments/overrides.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { findPreset } from '../experiments/presets.ts';
import { shellWord } from '../experiments/shell-word.ts';
import type { Spec } from '../experiments/spec.ts';
import { differencesBetween, identityOf, specHash } from '../experiments/spec-identity.ts';

/**
 * `align-fl run <preset> --seed n --set path=value ...` where that gives `spec`, else `align-fl run <specFile>`. Quoted
 * for a POSIX shell.
 */
export function repeatCommand(spec: Spec, specFile: string): string {
  return fromPreset(spec) ?? `align-fl run ${shellWord(specFile)}`;
}

// --- internal ---

/** More changes than this are a spec of their own. */
const MAX_CHANGES = 12;

interface Change {
  readonly path: readonly string[];
  readonly value: unknown;
}

function fromPreset(spec: Spec): string | null {
  const preset = findPreset(spec.name);
  if (preset === null) return null;
  const start = { ...preset.spec, seed: spec.seed };
  const gives = (changes: readonly Change[]): boolean => {
    try {
      const overrides = changes.map((change) => parseOverride(settingText(change)));
      return specHash(parseSpec(applyOverrides(start, overrides))) === specHash(spec);
    } catch {
      return false; // such as a value that cannot be set by itself
    }
  };
  const changes = changesFrom(parseSpec(start), spec);
  if (changes.length > MAX_CHANGES || !gives(changes)) return null;
  const shortest = changes.map((change, i) =>
    withoutDefaults(change, (shorter) => gives(changes.map((other, j) => (i === j ? shorter : other)))),
  );
  const sets = shortest.map((change) => `--set ${shellWord(settingText(change))}`);
  return ['align-fl run', preset.name, `--seed ${spec.seed}`, ...sets].join(' ');
}

function settingText({ path, value }: Change): string {
  return `${path.join('.')}=${typeof value === 'string' && /^[a-z][\w-]*$/.test(value) ? value : JSON.stringify(value)}`;
}

/** What is to be set, as deep as possible. An object of another kind, with other fields, is set whole. */
function changesFrom(start: Spec, spec: Spec): readonly Change[] {
  const paths = differencesBetween(identityOf(spec), identityOf(start)).map(({ path, ours, theirs }) =>
    ours === undefined || theirs === undefined ? path.slice(0, -1) : path,
  );
  const outermost = paths.filter((path, i) => {
    const isInside = (other: readonly string[]) => other.every((step, at) => path[at] === step);
    return paths.every((other, j) => i === j || !isInside(other) || (other.length === path.length && i < j));
  });
  return outermost.map((path) => ({ path, value: valueAt(spec, path) }));
}

/** The change without the fields that are filled in anyway. */
function withoutDefaults(change: Change, isEnough: (shorter: Change) => boolean): Change {
  const { value } = change;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return change;
  return Object.keys(value).reduce<Change>((kept, key) => {
    const { [key]: _, ...rest } = kept.value as Record<string, unknown>;
    const shorter = { ...kept, value: rest };
    return isEnough(shorter) ? shorter : kept;
  }, change);
}

function valueAt(spec: Spec, path: readonly string[]): unknown {
  return path.reduce<unknown>((part, step) => (part as Record<string, unknown>)[step], spec);
}
