// Which runs a sweep consists of: every combination of the varied values under every seed, each an ordinary experiment.

import { SpecError } from '../errors.ts';
import { loadSpec } from './load-spec.ts';
import type { Spec } from './spec.ts';
import { specHash } from './spec-identity.ts';
import { parseSeeds, parseVary, type Vary } from './sweep-values.ts';

export interface SweepRequest {
  /** A preset or a spec file. */
  readonly target: string;
  /** `path=value`, for all cells alike. */
  readonly set?: readonly string[];
  /** `path=a,b,c`, each one axis of the grid. */
  readonly vary?: readonly string[];
  /** `1,2,3`, or the numbers; that of the spec where they are left out. */
  readonly seeds?: string | readonly number[] | undefined;
}

/** One run of a sweep. */
export interface SweepCell {
  /** Name of its run folder, for people: `latent=2_seed=1`. */
  readonly name: string;
  /** The varied values by path, as they were written. */
  readonly values: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly spec: Spec;
  readonly specHash: string;
}

export interface SweepPlan {
  /** Name of the experiment that is varied. */
  readonly name: string;
  readonly target: string;
  readonly set: readonly string[];
  readonly vary: readonly Vary[];
  readonly seeds: readonly number[];
  /** Hash of the spec without what is varied: sweeps of one hash are about the same thing. */
  readonly baseHash: string;
  /** Seeds innermost, the first axis outermost. */
  readonly cells: readonly SweepCell[];
}

/** Cells of one sweep. */
export const MAX_CELLS = 10_000;

/**
 * The plan. Every cell's spec is parsed now. Deviates from a run in one thing: the server computes with one thread, since
 * cells run side by side; `--set engine.serverThreads=n` has the last word. Throws SpecError with all problems at once.
 */
export async function planSweep(request: SweepRequest): Promise<SweepPlan> {
  const { target, set = [] } = request;
  const common = [ONE_THREAD, ...set];
  const base = await loadSpec(target, common);
  const { vary, seeds } = axesOf(request, base.seed);
  const count = vary.reduce((product, { values }) => product * values.length, seeds.length);
  if (count > MAX_CELLS)
    throw new SpecError(`${count} cells; expected at most ${MAX_CELLS}.`, { path: '--vary', count });

  const labels = labelsOf(vary);
  const cells: SweepCell[] = [];
  const problems = new Set<string>();
  for (const values of combinationsOf(vary)) {
    const changes = Object.entries(values).map(([path, value]) => `${path}=${value}`);
    for (const seed of seeds) {
      try {
        const spec = await loadSpec(target, [...common, ...changes, `seed=${seed}`]);
        cells.push({ name: nameOf(values, seed, labels), values, seed, spec, specHash: specHash(spec) });
      } catch (error) {
        if (!(error instanceof SpecError)) throw error;
        for (const line of error.message.split('\n').slice(1))
          problems.add(line.replace('(from --set)', '(from --vary)'));
      }
    }
  }
  if (problems.size === 0) for (const line of repeatsIn(cells)) problems.add(line);
  if (problems.size > 0) {
    const head = problems.size === 1 ? 'has a problem' : `has ${problems.size} problems`;
    throw new SpecError(`--vary ${head}:\n${[...problems].join('\n')}`, { path: '--vary' });
  }
  return {
    name: base.name,
    target,
    set,
    vary,
    seeds,
    baseHash: specHash({ ...base, seed: 0 }),
    cells: withNamesApart(cells),
  };
}

/** What the axes are called, by path: the last step where that says enough. */
export function labelsOf(vary: readonly Vary[]): Readonly<Record<string, string>> {
  const lastOf = (path: string) => path.slice(path.lastIndexOf('.') + 1);
  const lasts = vary.map(({ path }) => lastOf(path));
  return Object.fromEntries(
    vary.map(({ path }) => {
      const last = lastOf(path);
      const says = lasts.filter((other) => other === last).length === 1 && !/^\d+$/.test(last);
      return [path, says ? last : path];
    }),
  );
}

// --- internal ---

const ONE_THREAD = 'engine.serverThreads=1';
const LONGEST_NAME = 120;
const HASH_DIGITS = 8;

function axesOf(
  request: SweepRequest,
  ownSeed: number,
): { readonly vary: readonly Vary[]; readonly seeds: readonly number[] } {
  const problems: string[] = [];
  const attempt = <T>(read: () => T): T[] => {
    try {
      return [read()];
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      problems.push(error.message);
      return [];
    }
  };
  const vary = (request.vary ?? []).flatMap((text) => attempt(() => parseVary(text)));
  const { seeds: asked = [ownSeed] } = request;
  const seeds = attempt(() => parseSeeds(typeof asked === 'string' ? asked : asked.join(','))).flat();
  for (const [i, { path }] of vary.entries()) {
    if (vary.findIndex((other) => other.path === path) < i) problems.push(`--vary: ${path} is varied twice.`);
  }
  if (problems.length > 0) throw new SpecError(problems.join('\n'), { path: '--vary' });
  return { vary, seeds };
}

function combinationsOf(vary: readonly Vary[]): readonly Readonly<Record<string, string>>[] {
  return vary.reduce<Record<string, string>[]>(
    (rows, { path, values }) => rows.flatMap((row) => values.map((value) => ({ ...row, [path]: value }))),
    [{}],
  );
}

function nameOf(
  values: Readonly<Record<string, string>>,
  seed: number,
  labels: Readonly<Record<string, string>>,
): string {
  const parts = Object.entries(values).map(([path, value]) => `${labels[path]}=${asFileName(value)}`);
  return [...parts, `seed=${seed}`].join('_');
}

/** `[512, 256]` -> `512-256`, `{kind: conv, latent: 2}` -> `kind-conv-latent-2`, `-0.5` as it is. */
function asFileName(value: string): string {
  if (/^[A-Za-z0-9.+-]+$/.test(value)) return value;
  return value.replace(/[^A-Za-z0-9.+]+/g, '-').replace(/^-|-$/g, '') || 'empty';
}

/** Names that differ, on systems that know no capitals too; an ambiguous or long one gets a hash. */
function withNamesApart(cells: readonly SweepCell[]): readonly SweepCell[] {
  const counts = new Map<string, number>();
  for (const { name } of cells) counts.set(name.toLowerCase(), (counts.get(name.toLowerCase()) ?? 0) + 1);
  return cells.map((cell) => {
    if (counts.get(cell.name.toLowerCase()) === 1 && cell.name.length <= LONGEST_NAME) return cell;
    const hash = cell.specHash.slice(0, HASH_DIGITS);
    return { ...cell, name: `${cell.name.slice(0, LONGEST_NAME - HASH_DIGITS - 1)}_${hash}` };
  });
}

/** Cells that would be the same run twice, because what is varied decides no number. */
function repeatsIn(cells: readonly SweepCell[]): readonly string[] {
  const first = new Map<string, string>();
  return cells.flatMap(({ name, specHash: hash }) => {
    const other = first.get(hash);
    first.set(hash, other ?? name);
    return other === undefined ? [] : [`  ${name} is the same experiment as ${other}`];
  });
}
