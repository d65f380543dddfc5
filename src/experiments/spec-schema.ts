// The JSON schema of spec files, so that editors complete and check them while they are written.

import { z } from 'zod';
import { presets } from './presets.ts';
import { specSchema } from './spec.ts';

/** Identifies the schema; it is no address. */
export const SPEC_SCHEMA_ID = 'urn:align-fl:spec.schema.json';

/**
 * Draft 2020-12. A file that says `extends: <preset>` may leave out anything, another one must be complete. Checks that
 * compare fields with each other are not in it: the program makes them.
 */
export function specJsonSchema(): Record<string, unknown> {
  const { $schema, ...generated } = z.toJSONSchema(specSchema, { io: 'input' }) as JsonObject;
  const complete = {
    ...generated,
    properties: { $schema: EDITOR_KEY, ...(generated['properties'] as JsonObject) },
  };
  const partial = relaxed(generated) as JsonObject;
  const extending = {
    type: 'object',
    description: 'A preset with changes.',
    properties: {
      $schema: EDITOR_KEY,
      extends: {
        type: 'string',
        enum: presets().map(({ name }) => name),
        description: `Preset to start from: ${presets()
          .map(({ name, description }) => `${name} (${description})`)
          .join(' ')}`,
      },
      ...(partial['properties'] as JsonObject),
    },
    required: ['extends'],
    additionalProperties: false,
  };
  return {
    $schema,
    $id: SPEC_SCHEMA_ID,
    title: 'Experiment of align-fl',
    description: 'Spec file for `align-fl run`.',
    if: { type: 'object', required: ['extends'] },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON schema; nobody awaits this object
    then: { $ref: '#/$defs/extending' },
    else: { $ref: '#/$defs/complete' },
    $defs: { complete, extending },
  };
}

// --- internal ---

type JsonObject = Record<string, unknown>;

const EDITOR_KEY = { type: 'string', description: 'Path of this schema, for editors; means nothing to the program.' };

/** A schema that lets everything be left out. Kinds then overlap, so `oneOf` becomes `anyOf`. */
function relaxed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(relaxed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { required: _, oneOf, ...rest } = schema as JsonObject;
  const parts = Object.entries(rest).map(([key, value]) => [key, relaxed(value)]);
  return { ...Object.fromEntries(parts), ...(oneOf === undefined ? {} : { anyOf: relaxed(oneOf) }) };
}
