// The border of specs: anything in, a resolved spec out, or one error that lists everything that is wrong.

import { type Spec, specSchema } from './spec.ts';
import { contradictionsIn, type PartialSpec } from './spec-checks.ts';
import { problemsOf, specErrorOf } from './spec-problems.ts';

/** What a SpecError should call the input, and where in a file a path is written. */
export interface SpecOrigin {
  /** `spec.yaml`, `Preset quickstart`; begins the message. */
  readonly source?: string;
  /** `line 3, column 5`, or null where it is not known. */
  readonly whereIs?: (path: readonly PropertyKey[]) => string | null;
}

/**
 * The spec with all defaults filled in and its keys in the schema's order.
 * Throws SpecError with every problem at once, contradictions between the sound parts included.
 */
export function parseSpec(input: unknown, origin: SpecOrigin = {}): Spec {
  const result = specSchema.safeParse(input);
  const sound = result.success ? result.data : soundParts(input);
  const wrong = result.success ? [] : problemsOf(result.error.issues, specSchema, input);
  const problems = [...wrong, ...contradictionsIn(sound)];
  if (problems.length > 0 || !result.success) throw specErrorOf(problems, origin.source, origin.whereIs);
  return result.data;
}

// --- internal ---

function soundParts(input: unknown): PartialSpec {
  if (typeof input !== 'object' || input === null) return {};
  const parts = Object.entries(specSchema.shape).flatMap(([key, schema]) => {
    const part = schema.safeParse(Object.hasOwn(input, key) ? (input as Record<string, unknown>)[key] : undefined);
    return part.success ? [[key, part.data]] : [];
  });
  return Object.fromEntries(parts) as PartialSpec;
}
