// What `--vary path=a,b,c` and `--seeds 1,2,3` say.

import { SpecError } from '../errors.ts';
import { parseOverride } from './overrides.ts';
import { canonicalJson } from './spec-identity.ts';
import { type Problem, specErrorOf } from './spec-problems.ts';

/** A path of the spec, and the values that it takes in turn. */
export interface Vary {
  readonly path: string;
  /** As they were written: YAML scalars or flow collections. */
  readonly values: readonly string[];
}

/**
 * Reads `path=a,b,c`. Commas within brackets, braces and quotes belong to the value: `model.hidden=[512,256],[128]` has two.
 * Throws SpecError with everything that is wrong with the text.
 */
export function parseVary(text: string): Vary {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(equals, 0)).trim();
  if (path === '') throw problemsIn(text, ['expected path=a,b,c, for instance model.latent=2,8,16']);
  if (path === 'seed') throw problemsIn(text, ['seeds have an option of their own: --seeds 1,2,3']);
  const values = splitValues(text.slice(equals + 1));
  if (typeof values === 'string') throw problemsIn(text, [values]);
  const problems: string[] = [];
  const seen = new Map<string, string>();
  for (const value of values) {
    const parsed = valueOf(path, value);
    if ('problem' in parsed) problems.push(parsed.problem);
    else {
      const same = seen.get(parsed.canonical);
      if (same !== undefined) problems.push(`${value} is listed twice${same === value ? '' : `, also as ${same}`}`);
      seen.set(parsed.canonical, value);
    }
  }
  if (problems.length > 0) throw problemsIn(text, problems);
  return { path, values };
}

/** Reads `1,2,3`; `1-5` are all from 1 to 5. Throws SpecError for anything else, and for a seed that is there twice. */
export function parseSeeds(text: string): readonly number[] {
  const seeds = text.split(',').flatMap((part) => {
    const [, first, last] = /^\s*(\d{1,15})(?:\s*-\s*(\d{1,15}))?\s*$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (first !== undefined && to >= from && to - from < MAX_SEEDS) {
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    }
    throw wrongSeeds(`expected whole numbers from 0, such as 1,2,3 or 1-5, got '${part.trim()}'`);
  });
  const twice = seeds.find((seed, i) => seeds.indexOf(seed) !== i);
  if (twice !== undefined) throw wrongSeeds(`${twice} is listed twice`);
  return seeds;
}

// --- internal ---

const MAX_SEEDS = 1000;
const CLOSING: Readonly<Record<string, string>> = { '[': ']', '{': '}' };

function problemsIn(text: string, messages: readonly string[]): SpecError {
  return specErrorOf(
    messages.map((message): Problem => ({ path: [text], message })),
    '--vary',
  );
}

function wrongSeeds(message: string): SpecError {
  return new SpecError(`--seeds: ${message}.`, { path: '--seeds' });
}

function valueOf(path: string, text: string): { readonly canonical: string } | { readonly problem: string } {
  try {
    return { canonical: canonicalJson(parseOverride(`${path}=${text}`).value ?? null) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return { problem: error.message.split('\n').at(-1)?.split(': ').slice(1).join(': ') ?? error.message };
  }
}

/** The values between the commas that stand outside of everything, or what is wrong. */
function splitValues(text: string): readonly string[] | string {
  const values: string[] = [];
  const open: string[] = [];
  let quote: string | null = null;
  let value = '';
  let before = ''; // the last character that is no space: quotes mean something only where a value begins
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (quote !== null) {
      const isEscape = quote === '"' ? character === '\\' : character === quote && text[i + 1] === quote;
      if (isEscape) value += text[i++];
      else if (character === quote) quote = null;
    } else if ((character === '"' || character === "'") && '[{,:'.includes(before)) quote = character;
    else if (CLOSING[character] !== undefined) open.push(CLOSING[character]);
    else if (character === ']' || character === '}') {
      if (open.pop() !== character) return `there is a ${character} too many`;
    } else if (character === ',' && open.length === 0) {
      values.push(value.trim());
      [value, before] = ['', ''];
      continue;
    }
    value += text[i] ?? '';
    if (character !== ' ') before = character;
  }
  values.push(value.trim());
  if (quote !== null) return `a ${quote} is not closed`;
  if (open.length > 0) return `a ${open.at(-1)} is missing`;
  if (values.includes('')) return 'there is an empty value; write null for none, or "" for an empty text';
  return values;
}
