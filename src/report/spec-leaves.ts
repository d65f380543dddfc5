// A spec as a flat list of settings, each with the path that `--set` takes: to compare specs and to name differences.

/** The value of one setting; lists of values as JSON. */
export type Leaf = string | number | boolean | null;

/** `data.source.kind` -> `mnist` for every setting in a spec or a part of one, in its order. */
export function leavesOf(spec: unknown): ReadonlyMap<string, Leaf> {
  return new Map(leavesBelow(spec, ''));
}

/** One setting in which specs differ: its path, and its value in each (undefined where it has none). */
export interface SettingDifference {
  readonly path: string;
  readonly values: readonly (Leaf | undefined)[];
}

/** The settings in which not all of `specs` agree, in the order of the first that has them. */
export function differingSettings(specs: readonly unknown[]): readonly SettingDifference[] {
  const leaves = specs.map(leavesOf);
  const paths = new Set(leaves.flatMap((all) => [...all.keys()]));
  return [...paths].flatMap((path) => {
    const values = leaves.map((all) => all.get(path));
    return new Set(values).size > 1 ? [{ path, values }] : [];
  });
}

// --- internal ---

function leavesBelow(value: unknown, path: string): [string, Leaf][] {
  if (Array.isArray(value)) {
    const isList = value.every((item) => typeof item !== 'object' || Array.isArray(item));
    if (isList) return [[path, JSON.stringify(value)]];
    return value.flatMap((item, i) => leavesBelow(item, `${path}.${nameOf(item) ?? i}`));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, part]) => leavesBelow(part, path === '' ? key : `${path}.${key}`));
  }
  return [[path, value as Leaf]];
}

/** `--set` takes the name of a silo for its index. */
function nameOf(item: unknown): string | null {
  if (typeof item !== 'object' || item === null || !('name' in item)) return null;
  return typeof item.name === 'string' ? item.name : null;
}
