// What is wrong with a spec, in words: every problem has its place, what was expected, what came, and a way out.

import { inspect } from 'node:util';
import type { z } from 'zod';
import { SpecError } from '../errors.ts';
import { didYouMean } from './nearest.ts';
import { type AnySchema, keysFor, placeAt } from './schema-walk.ts';

/** One thing that is wrong, and where: keys and indices from the top. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** `data.partition.classes.1`: the same writing that `--set` takes. The top is `(spec)`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.length === 0 ? '(spec)' : path.map(String).join('.');
}

/** A value in a few words, however large or strange. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 6, maxStringLength: 60 });
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** The problems that zod found in `input` under `schema`. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], schema: AnySchema, input: unknown): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const { schema: expected, value } = placeAt(schema, input, issue.path);
    if (issue.code === 'unrecognized_keys') {
      const known = expected ? keysFor(expected, value) : [];
      return issue.keys.map((key) => {
        const hint = didYouMean(key, known) || `; known are ${known.join(', ')}`;
        return { path: [...issue.path, key], message: `unknown key${hint}` };
      });
    }
    return [{ path: issue.path, message: messageOf(issue, expected, value) }];
  });
}

/** One SpecError that lists all problems. `facts.path` is the place of the first, `facts.paths` those of all. */
export function specErrorOf(
  problems: readonly Problem[],
  source = 'The spec',
  whereIs: (path: readonly PropertyKey[]) => string | null = () => null,
): SpecError {
  const paths = problems.map(({ path }) => formatPath(path));
  const lines = problems.map(({ path, message }) => {
    const where = whereIs(path);
    return `  ${formatPath(path)}: ${message}${where === null ? '' : ` (${where})`}`;
  });
  const head = problems.length === 1 ? 'has a problem' : `has ${problems.length} problems`;
  return new SpecError(`${source} ${head}:\n${lines.join('\n')}`, { path: paths[0] ?? null, paths });
}

// --- internal ---

/** Places where "missing" alone would leave the reader guessing. */
const MISSING: Readonly<Record<string, string>> = {
  privacy:
    'missing: privacy parameters have no silent defaults. Write out what you want, ' +
    'for instance `privacy: { mechanism: none }`',
};

function messageOf(issue: z.core.$ZodIssue, schema: AnySchema | null, value: unknown): string {
  if (value === undefined && issue.code !== 'custom') {
    const about = MISSING[formatPath(issue.path)] ?? `missing${descriptionOf(schema)}`;
    return issue.code === 'invalid_union' || issue.code === 'invalid_value' ? `${about}${optionsOf(issue)}` : about;
  }
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}, got ${shown(value)}`;
    case 'invalid_value':
    case 'invalid_union':
      return `expected ${optionList(issue).join(' or ')}, got ${shown(value)}${typeof value === 'string' ? didYouMean(value, optionList(issue)) : ''}`;
    case 'too_small':
      return `expected ${bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)}, got ${size(value)}`;
    case 'too_big':
      return `expected ${bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)}, got ${size(value)}`;
    case 'invalid_format':
      return `does not fit${descriptionOf(schema)} Got ${shown(value)}`;
    default:
      return issue.message;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text (put numbers in quotes)',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with keys',
};

type Choice = z.core.$ZodIssueInvalidValue | z.core.$ZodIssueInvalidUnion;

function optionList(issue: Choice): string[] {
  const values = issue.code === 'invalid_value' ? issue.values : 'options' in issue ? issue.options : [];
  return Array.isArray(values) ? values.map(String) : [];
}

function optionsOf(issue: Choice): string {
  const options = optionList(issue);
  return options.length === 0 ? '' : ` One of: ${options.join(', ')}`;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'array') return `${relation} ${limit} entries`;
  if (origin === 'string') return `${relation} ${limit} letters`;
  return `${relation} ${limit}`;
}

function size(value: unknown): string {
  return Array.isArray(value) ? `${value.length}` : shown(value);
}

function descriptionOf(schema: AnySchema | null): string {
  const description = (schema as z.ZodType | null)?.description;
  return description === undefined ? '' : `: ${description}`;
}
