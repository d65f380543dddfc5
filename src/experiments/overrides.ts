// `--set path=value`: changing single fields of a spec before it is parsed.
//
// Overrides apply from left to right to what was written, not to what was resolved. Going into something absent starts
// from its default; going into the model of a silo or of the server that has none starts from the default `model`, and into
// the privacy of a silo that has none from the default `privacy`.
// Changing the kind of a union (`model.kind=conv`) drops the fields that the new kind does not have and keeps the others.

import { parseDocument } from 'yaml';
import { nearest } from './nearest.ts';
import {
  type AnySchema,
  alternativesOf,
  defaultOf,
  discriminatorOf,
  elementOf,
  fieldOf,
  fieldsOfItsKind,
  isRecord,
  keysFor,
} from './schema-walk.ts';
import { specSchema } from './spec.ts';
import { formatPath, type Problem, specErrorOf } from './spec-problems.ts';

/** One change: where, and the new value. Steps are keys, indices, or names of silos. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
}

/**
 * Reads `path=value`; the value is a YAML scalar or flow collection (`4`, `adam`, `[1, 2]`, `{kind: conv, latent: 2}`).
 * Throws SpecError for anything else.
 */
export function parseOverride(text: string): Override {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(equals, 0)).trim().split('.');
  if (equals < 0 || path.some((step) => step === '')) {
    throw malformed(text, 'expected path=value, for instance local.epochs=5');
  }
  const written = text.slice(equals + 1);
  if (written.trim() === '') throw malformed(text, 'there is no value; write null for none, or "" for an empty text');
  const document = parseDocument(written, { uniqueKeys: true });
  const [error] = [...document.errors, ...document.warnings];
  if (error) throw malformed(text, `the value is no YAML: ${error.message.split('\n')[0]}`);
  const { contents } = document;
  if (contents && 'items' in contents && contents.flow !== true) {
    throw malformed(
      text,
      'write lists as [1, 2], objects as {kind: conv}, and put texts with colons or hyphens in quotes',
    );
  }
  try {
    return { path, value: document.toJS({ maxAliasCount: 0 }) as unknown };
  } catch {
    throw malformed(text, 'anchors and aliases have no place in a value');
  }
}

/** `input` with all `overrides` applied; neither is changed. Throws SpecError listing every unknown path. */
export function applyOverrides(input: unknown, overrides: readonly Override[]): unknown {
  const problems: Problem[] = [];
  let changed = input;
  for (const override of overrides) {
    const found = checkPath(changed, override.path);
    if (typeof found === 'string') problems.push({ path: override.path, message: found });
    else changed = setAt({ schema: specSchema, value: changed, path: [], root: changed }, found, override.value);
  }
  if (problems.length > 0) throw specErrorOf(problems, '--set');
  return changed;
}

/** Every path that `--set` takes for a spec with these silos, an array's elements aside. */
export function settablePaths(input: unknown): string[] {
  return pathsBelow(specSchema, siloNames(input), '');
}

// --- internal ---

type Step = string | number;

interface Location {
  readonly schema: AnySchema;
  readonly value: unknown;
  readonly path: readonly Step[];
  /** The whole spec so far: models of silos and server start from its default model. */
  readonly root: unknown;
}

function malformed(text: string, message: string) {
  return specErrorOf([{ path: [text], message }], '--set');
}

/** The steps with names of silos and digits as indices, or what is wrong with them. */
function checkPath(input: unknown, path: readonly string[]): readonly Step[] | string {
  const steps: Step[] = [];
  let schema: AnySchema = specSchema;
  let value = input;
  for (const step of path) {
    const here = { schema, value, path: steps, root: input };
    const started = startingValue(here);
    const element = elementOf(schema);
    if (element) {
      const index = indexOf(started, step);
      if (index === null) return noElement(started, steps, step);
      steps.push(index);
      schema = element;
      value = (started as readonly unknown[])[index];
      continue;
    }
    const field = fieldOf(schema, started, step);
    if (!field) return unknownStep(input, path, here, started);
    steps.push(step);
    schema = field;
    value = isRecord(started) && Object.hasOwn(started, step) ? started[step] : undefined;
  }
  return steps;
}

function setAt(here: Location, steps: readonly Step[], put: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return put;
  const started = startingValue(here);
  if (typeof step === 'number') {
    const list = [...(started as readonly unknown[])];
    const schema = elementOf(here.schema) as AnySchema;
    list[step] = setAt({ ...here, schema, value: list[step], path: [...here.path, step] }, rest, put);
    return list;
  }
  const record = isRecord(started) ? started : {};
  const schema = fieldOf(here.schema, record, step) as AnySchema;
  const value = setAt({ ...here, schema, value: record[step], path: [...here.path, step] }, rest, put);
  const changed = { ...record, [step]: value };
  return step === discriminatorOf(here.schema) ? fieldsOfItsKind(here.schema, changed) : changed;
}

/** What an absent place holds before something inside of it is set. */
function startingValue({ schema, value, path, root }: Location): unknown {
  if (value !== undefined && value !== null) return value;
  const [top, second, third] = path;
  if (top === 'silos' && third === 'privacy' && path.length === 3) return isRecord(root) ? root['privacy'] : value;
  const inherits =
    (top === 'silos' && third === 'model' && path.length === 3) ||
    (top === 'server' && second === 'model' && path.length === 2);
  if (!inherits) return defaultOf(schema) ?? value;
  const { model } = specSchema.shape;
  return (isRecord(root) ? root['model'] : undefined) ?? defaultOf(model);
}

function indexOf(list: unknown, step: string): number | null {
  if (!Array.isArray(list)) return null;
  const index = /^\d{1,4}$/.test(step)
    ? Number(step)
    : list.findIndex((item) => isRecord(item) && item['name'] === step);
  return index >= 0 && index < list.length ? index : null;
}

function noElement(list: unknown, steps: readonly Step[], step: string): string {
  const where = formatPath(steps);
  if (!Array.isArray(list)) return `there is no list at ${where} yet; set it whole, for instance ${where}=[...]`;
  const names = list.flatMap((item) => (isRecord(item) && typeof item['name'] === 'string' ? [item['name']] : []));
  const near = nearest(step, names).map((name) => `; did you mean ${where}.${name}?`);
  const inside =
    names.length > 0
      ? `entries are ${names.join(', ')}, or 0 to ${list.length - 1}`
      : `entries are 0 to ${list.length - 1}`;
  return `there is no "${step}" in ${where}; ${inside}${near.join('')}`;
}

function unknownStep(input: unknown, path: readonly string[], here: Location, started: unknown): string {
  const asked = path.join('.');
  const last = path[path.length - 1] as string;
  const all = settablePaths(input);
  const wholeNear = nearest(asked, all, 3);
  const depth = (candidate: string) => candidate.split('.').length;
  const lastNear = all
    .filter((candidate) => nearest(last, [candidate.slice(candidate.lastIndexOf('.') + 1)]).length > 0)
    .sort((a, b) => depth(a) - depth(b)); // local.epochs before that of a warm start of one silo
  const near = [...new Set([...wholeNear, ...lastNear])].slice(0, 4);
  const keys = keysFor(here.schema, started);
  const where = formatPath(here.path);
  const inside = keys.length > 0 ? `${where} has ${keys.join(', ')}` : `${where} is a single value`;
  return `unknown path; ${near.length > 0 ? `did you mean ${near.join(' or ')}?` : inside}`;
}

function pathsBelow(schema: AnySchema, names: readonly string[], prefix: string): string[] {
  const element = elementOf(schema);
  if (element)
    return alternativesOf(element).length === 0
      ? []
      : names.flatMap((name) => pathsBelow(element, [], `${prefix}${name}.`));
  const fields = new Map(alternativesOf(schema).flatMap((alternative) => Object.entries(alternative.fields)));
  return [...fields].flatMap(([key, field]) => {
    const path = `${prefix}${key}`;
    return [path, ...pathsBelow(field, path === 'silos' ? names : [], `${path}.`)];
  });
}

function siloNames(input: unknown): string[] {
  const silos = isRecord(input) ? input['silos'] : undefined;
  if (!Array.isArray(silos)) return [];
  return silos.flatMap((silo) => (isRecord(silo) && typeof silo['name'] === 'string' ? [silo['name']] : []));
}
