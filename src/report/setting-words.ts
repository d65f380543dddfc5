// Specs told apart in as few words as it takes: `dp-sgd, epsilon 5`.

import { differingSettings, type Leaf, type SettingDifference } from './spec-leaves.ts';

/**
 * For each of `specs`, the settings that tell it from the others, in words; empty where there is one spec only, or none
 * of those settings is its own. No more settings than it takes, and never those at `without`.
 */
export function settingWords(specs: readonly unknown[], without: readonly string[] = []): readonly string[] {
  const candidates = differingSettings(specs).filter(({ path }) => !without.includes(path));
  // What only one kind of mechanism or model has tells no more than its kind: such settings come last.
  const [telling, rest] = [candidates.filter(variesWhereSet), candidates.filter((one) => !variesWhereSet(one))];
  const chosen: SettingDifference[] = [];
  for (const candidate of [...telling, ...rest]) {
    if (distinct(specs.length, [...chosen, candidate]) > distinct(specs.length, chosen)) chosen.push(candidate);
  }
  const names = chosen.map(({ path }) => nameOf(path));
  return specs.map((_, i) =>
    chosen
      .flatMap(({ path, values }, c) => {
        const value = values[i] ?? null;
        if (value === null) return [];
        const name = names[c] as string;
        return [wordsOf(names.indexOf(name) === names.lastIndexOf(name) ? name : path, value)];
      })
      .join(', '),
  );
}

// --- internal ---

/** Names of settings whose value says it all. */
const KINDS: ReadonlySet<string> = new Set(['mechanism', 'kind', 'form']);

function variesWhereSet({ values }: SettingDifference): boolean {
  return new Set(values.filter((value) => value !== undefined && value !== null)).size > 1;
}

/** How many specs the settings tell apart. */
function distinct(count: number, settings: readonly SettingDifference[]): number {
  const keys = Array.from({ length: count }, (_, i) => JSON.stringify(settings.map(({ values }) => values[i] ?? null)));
  return new Set(keys).size;
}

/** `clip norm` of `privacy.clipNorm`, `weight` of `privacy.lipschitzWeight`. */
function nameOf(path: string): string {
  const last = path.slice(path.lastIndexOf('.') + 1).replace(/^lipschitz(?=[A-Z])/, '');
  return last.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
}

function wordsOf(name: string, value: Leaf): string {
  if (KINDS.has(name)) return name === 'mechanism' && value === 'none' ? 'no privacy' : String(value);
  return `${name} ${value}`;
}
