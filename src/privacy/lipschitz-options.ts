// How a silo keeps its decoder flat: the forms of Lipschitz control, and what each of them needs to be told.

import { SpecError } from '../errors.ts';

/**
 * - `paper-penalty`: the paper's gradient penalty on J^T 1, towards norm 1. No Lipschitz bound: J^T 1 can vanish while J is
 *   large.
 * - `jacobian-spectral`, `jacobian-frobenius`: a penalty on what the Jacobian's norm has above `lipschitzBound`. It pulls
 *   at the codes it looks at, and bounds nothing elsewhere.
 * - `spectral-normalisation`: a constraint on every layer, with a certificate: the decoder's Lipschitz constant is at most
 *   `lipschitzBound` everywhere.
 *
 * None of them is differential privacy, nor known to imply it.
 */
export type LipschitzForm = (typeof LIPSCHITZ_FORMS)[number];
export const LIPSCHITZ_FORMS = [
  'paper-penalty',
  'jacobian-spectral',
  'jacobian-frobenius',
  'spectral-normalisation',
] as const;

/** As a spec has them; null where a form does not need them. */
export interface LipschitzFields {
  readonly lipschitzForm: LipschitzForm | null;
  /** lambda of a penalty, 0 for none. Beside DP-SGD it weighs against clipped gradients, not against those of the loss. */
  readonly lipschitzWeight: number | null;
  /** Bound on the norm of the Jacobian of images, pixels 0 to 1, with respect to latent codes; Euclidean norms. */
  readonly lipschitzBound: number | null;
}

/** Control as the only mechanism. */
export interface LipschitzOptions extends LipschitzFields {
  readonly mechanism: 'lipschitz';
  readonly lipschitzForm: LipschitzForm;
}

/** A form with what it needs. */
export type LipschitzControl =
  | { readonly form: 'paper-penalty'; readonly weight: number }
  | { readonly form: 'jacobian-spectral' | 'jacobian-frobenius'; readonly weight: number; readonly bound: number }
  | { readonly form: 'spectral-normalisation'; readonly bound: number };

/** The control that fields ask for, or null. Throws SpecError where they lack what the form needs. */
export function lipschitzControlOf(fields: Partial<LipschitzFields>): LipschitzControl | null {
  const [problem] = lipschitzProblems(fields);
  if (problem)
    throw new SpecError(`privacy.${problem.field}: ${problem.message}.`, { path: `privacy.${problem.field}` });
  const { lipschitzForm: form = null, lipschitzWeight: weight, lipschitzBound: bound } = fields;
  switch (form) {
    case null:
      return null;
    case 'paper-penalty':
      return { form, weight: weight as number };
    case 'spectral-normalisation':
      return { form, bound: bound as number };
    default:
      return { form, weight: weight as number, bound: bound as number };
  }
}

/** What fields lack for their form, or have without meaning. */
export function lipschitzProblems(
  fields: Partial<LipschitzFields>,
): readonly { readonly field: 'lipschitzWeight' | 'lipschitzBound'; readonly message: string }[] {
  const form = fields.lipschitzForm ?? null;
  return (['lipschitzWeight', 'lipschitzBound'] as const).flatMap((field) => {
    const value = fields[field] ?? null;
    const isNeeded = form !== null && NEEDS[form].includes(field);
    if (isNeeded === (value !== null)) return [];
    const message = isNeeded
      ? `missing: ${form} needs it, and it has no default. Write ${EXAMPLES[field]}`
      : `means nothing ${form === null ? 'without lipschitzForm' : `to ${form}`}; got ${value}. Leave it out`;
    return [{ field, message }];
  });
}

// --- internal ---

const NEEDS: Readonly<Record<LipschitzForm, readonly (keyof LipschitzFields)[]>> = {
  'paper-penalty': ['lipschitzWeight'], // its target, 1, is part of the form
  'jacobian-spectral': ['lipschitzWeight', 'lipschitzBound'],
  'jacobian-frobenius': ['lipschitzWeight', 'lipschitzBound'],
  'spectral-normalisation': ['lipschitzBound'],
};

const EXAMPLES = { lipschitzWeight: "the paper's 1, for instance", lipschitzBound: '2, for instance' } as const;
