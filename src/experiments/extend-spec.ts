// Laying a spec file over the preset that it extends.

import { type AnySchema, discriminatorOf, fieldOf, fieldsOfItsKind, isRecord } from './schema-walk.ts';
import { specSchema } from './spec.ts';

/**
 * `base` with everything that `own` says: objects are joined key by key, lists and values are replaced. Where `own`
 * chooses another kind (`model: { kind: conv }`), fields of the base that the new kind does not have are dropped and the
 * others stay, as with `--set`. Neither argument is changed; keys that mean nothing stay, for the parser to refuse.
 */
export function extendSpec(base: unknown, own: unknown): unknown {
  return joined(specSchema, base, own);
}

// --- internal ---

function joined(schema: AnySchema | null, base: unknown, own: unknown): unknown {
  if (!isRecord(base) || !isRecord(own)) return own;
  const discriminator = schema && discriminatorOf(schema);
  const kept =
    schema && discriminator && Object.hasOwn(own, discriminator) ? baseForKind(schema, base, own[discriminator]) : base;
  const entries = Object.entries(own).map(([key, value]) => {
    const below = Object.hasOwn(kept, key) ? kept[key] : undefined;
    return [key, joined(schema && fieldOf(schema, { ...kept, ...own }, key), below, value)] as const;
  });
  return { ...kept, ...Object.fromEntries(entries) };
}

function baseForKind(
  schema: AnySchema,
  base: Readonly<Record<string, unknown>>,
  kind: unknown,
): Record<string, unknown> {
  const discriminator = discriminatorOf(schema) as string;
  return fieldsOfItsKind(schema, { ...base, [discriminator]: kind });
}
