import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseSpec } from './parse-spec.ts';
import { presets } from './presets.ts';
import { specJsonSchema } from './spec-schema.ts';

const schema = specJsonSchema();
const parts = schema['$defs'] as Record<'complete' | 'extending', Parameters<typeof z.fromJSONSchema>[0]>;
const complete = z.fromJSONSchema(parts.complete);
const extending = z.fromJSONSchema(parts.extending);

// Checked once with another validator: python3 jsonschema 4.26.0, Draft202012Validator(schema).iter_errors(spec) gives
// nothing for all presets and for { extends, data: { foreign: { rate } } }, and errors for the wrong ones below.
describe('specJsonSchema', () => {
  it('says what it is', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'urn:align-fl:spec.schema.json',
      title: expect.stringContaining('align-fl'),
    });
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });

  it.each(presets().map((preset) => [preset.name, preset.spec] as const))(
    'admits %s, as written and as resolved',
    (_, spec) => {
      expect(complete.safeParse(spec).error?.issues).toBeUndefined();
      expect(complete.safeParse(parseSpec(spec)).error?.issues).toBeUndefined();
      expect(complete.safeParse({ $schema: './spec.schema.json', ...spec }).success).toBe(true);
    },
  );

  it('admits parts of a spec that extends a preset', () => {
    const spec = { extends: 'paper-mnist', data: { foreign: { rate: 0.1 } }, model: { latent: 3 } };
    expect(extending.safeParse(spec).success).toBe(true);
    expect(complete.safeParse(spec).success).toBe(false);
  });

  it('refuses typing errors, fields of another kind, and unknown presets', () => {
    const [quickstart] = presets();
    expect(complete.safeParse({ ...quickstart?.spec, rouns: 1 }).success).toBe(false);
    expect(complete.safeParse({ ...quickstart?.spec, model: { kind: 'conv', hidden: [1], latent: 2 } }).success).toBe(
      false,
    );
    expect(extending.safeParse({ extends: 'quickstart', rouns: 1 }).success).toBe(false);
    expect(extending.safeParse({ extends: 'nope' }).success).toBe(false);
    expect(complete.safeParse({ name: 'x' }).success).toBe(false);
  });

  it('describes every field, so that an editor can', () => {
    expect(undescribed(parts.complete, 'spec')).toEqual([]);
  });
});

/** Places of properties, and of kinds, without a description. */
function undescribed(part: unknown, path: string): string[] {
  if (typeof part !== 'object' || part === null) return [];
  if (Array.isArray(part)) return part.flatMap((item, i) => undescribed(item, `${path}.${i}`));
  return Object.entries(part).flatMap(([key, value]) => {
    if (key !== 'properties') return undescribed(value, path);
    return Object.entries(value as Record<string, { description?: string }>).flatMap(([name, property]) => [
      ...(property.description ? [] : [`${path}.${name}`]),
      ...undescribed(property, `${path}.${name}`),
    ]);
  });
}
