// Asking a schema what it knows about a place: which keys, which kinds, which default. Every touch of zod's inside is here.

import type { z } from 'zod';

/** A schema without the wrappers that only concern absence (defaults, null, optional). */
export function bare(schema: AnySchema): AnySchema {
  let inner = schema as z.core.$ZodTypes;
  while (WRAPPERS.has(inner._zod.def.type)) {
    inner = (inner._zod.def as { innerType: AnySchema }).innerType as z.core.$ZodTypes;
  }
  return inner;
}

/** What an absent value becomes, if the schema says so. */
export function defaultOf(schema: AnySchema): unknown {
  let inner = schema as z.core.$ZodTypes;
  while (WRAPPERS.has(inner._zod.def.type)) {
    const def = inner._zod.def as { innerType: AnySchema; defaultValue?: unknown };
    if (def.defaultValue !== undefined) return def.defaultValue;
    inner = def.innerType as z.core.$ZodTypes;
  }
  return undefined;
}

/** Schema of an array's elements, or null where the schema is no array. */
export function elementOf(schema: AnySchema): AnySchema | null {
  const inner = bare(schema) as z.core.$ZodTypes;
  return inner._zod.def.type === 'array' ? inner._zod.def.element : null;
}

/** The kinds of object that a schema admits: one for a plain object, several for a union, none for anything else. */
export function alternativesOf(schema: AnySchema): readonly Alternative[] {
  const inner = bare(schema) as z.core.$ZodTypes;
  const { def } = inner._zod;
  if (def.type === 'object') return [{ kind: null, fields: def.shape }];
  if (def.type !== 'union') return [];
  const { discriminator } = def as z.core.$ZodDiscriminatedUnionDef;
  return def.options.flatMap((option) =>
    alternativesOf(option).map(({ fields }) => ({ kind: literalOf(fields[discriminator]), fields })),
  );
}

/** The key that tells the alternatives of a union apart (`kind`), or null where the schema is no such union. */
export function discriminatorOf(schema: AnySchema): string | null {
  const { def } = (bare(schema) as z.core.$ZodTypes)._zod;
  return def.type === 'union' && 'discriminator' in def ? (def.discriminator as string) : null;
}

/** The alternative that `value` claims to be, or null where it claims none that exists. */
export function alternativeFor(schema: AnySchema, value: unknown): Alternative | null {
  const alternatives = alternativesOf(schema);
  const discriminator = discriminatorOf(schema);
  if (discriminator === null) return alternatives[0] ?? null;
  const claimed = isRecord(value) ? value[discriminator] : undefined;
  return alternatives.find(({ kind }) => kind === claimed) ?? null;
}

/** Keys that fit at a place: those of the alternative that `value` claims, or of all where it claims none. */
export function keysFor(schema: AnySchema, value: unknown): string[] {
  const claimed = alternativeFor(schema, value);
  const alternatives = claimed ? [claimed] : alternativesOf(schema);
  return [...new Set(alternatives.flatMap(({ fields }) => Object.keys(fields)))];
}

/** The schema of `value[key]`: of the alternative that `value` claims if that has the key, else of any that has it. */
export function fieldOf(schema: AnySchema, value: unknown, key: string): AnySchema | null {
  const claimed = alternativeFor(schema, value);
  const owner = [...(claimed ? [claimed] : []), ...alternativesOf(schema)].find(({ fields }) =>
    Object.hasOwn(fields, key),
  );
  return owner?.fields[key] ?? null;
}

/** `value` without the fields that its kind does not have; whole where the kind is unknown. */
export function fieldsOfItsKind(schema: AnySchema, value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const known = keysFor(schema, value);
  return Object.fromEntries(Object.entries(value).filter(([key]) => known.includes(key)));
}

/** The schema and the value at a path below `schema`, as far as both are known. */
export function placeAt(schema: AnySchema, value: unknown, path: readonly PropertyKey[]): Place {
  let place: Place = { schema, value };
  for (const step of path) {
    if (place.schema === null) return { schema: null, value: undefined };
    const { value: above }: Place = place;
    const inner = elementOf(place.schema) ?? fieldOf(place.schema, above, String(step));
    const known = typeof above === 'object' && above !== null && Object.hasOwn(above, step);
    place = { schema: inner, value: known ? (above as Record<PropertyKey, unknown>)[step] : undefined };
  }
  return place;
}

/** Whether `value` is an object with keys: no array, not null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Any zod schema. */
export type AnySchema = z.core.$ZodType;

/** One kind of object: its name (null where there is only one) and its fields. */
export interface Alternative {
  readonly kind: string | null;
  readonly fields: Readonly<Record<string, AnySchema>>;
}

/** A place in a document: what the schema says (null where it says nothing) and what is there. */
export interface Place {
  readonly schema: AnySchema | null;
  readonly value: unknown;
}

// --- internal ---

const WRAPPERS: ReadonlySet<string> = new Set(['default', 'prefault', 'nullable', 'optional', 'readonly']);

function literalOf(schema: AnySchema | undefined): string | null {
  const def = (schema as z.core.$ZodTypes | undefined)?._zod.def;
  const value = def?.type === 'literal' ? def.values[0] : null;
  return typeof value === 'string' ? value : null;
}
