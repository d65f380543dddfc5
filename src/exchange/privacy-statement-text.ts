// The words of a privacy statement, which its fields decide: whoever receives one makes them again, and believes no others.

import { whyNoGuarantee } from '../privacy/dp-plan.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import type { DpSgdPrivacy, GaussianPrivacy, LipschitzClaim, PrivacyStatement } from './privacy-statement-schema.ts';

/** A statement before it has words. */
export type Wordless<S extends PrivacyStatement = PrivacyStatement> = S extends PrivacyStatement
  ? Omit<S, 'text'>
  : never;

/** The statement that these fields make. `nominalDelta`: at which a nominal epsilon is counted; null where there is none. */
export function withText<W extends Wordless>(
  fields: W,
  nominalDelta: number | null = null,
): W & { readonly text: string } {
  return { ...fields, text: statementText(fields, nominalDelta) };
}

/** A sentence, with a space before it, on what a certificate shows. */
export function certificateText({ bound }: { readonly bound: number }): string {
  return (
    ` Certificate: no two images differ by more than ${epsilonWords(bound)} times the distance of their codes, as the weights ` +
    'show.'
  );
}

/**
 * Whether the text of a statement is what its fields say, and no guarantee is claimed of what can have none. What the fields
 * say is the claim of its maker.
 */
export function saysWhatItsFieldsSay(statement: PrivacyStatement): boolean {
  if (statement.mechanism === 'declared' && statement.declaration !== statement.declaration.trim()) return false;
  if (statement.guarantee === 'epsilon-delta' && whyNone(statement) !== null) return false;
  return statement.text === statementText(statement, nominalDeltaIn(statement.text));
}

// --- internal ---

const BEFORE_TEXT =
  ' Epsilon includes a closed-form release (Gaussian mechanism on sums and products of clipped records) that came before the ' +
  'first step: training began from a model of synthetic images drawn from it.';

function statementText(said: Wordless, nominalDelta: number | null): string {
  switch (said.mechanism) {
    case 'none':
      return 'No privacy mechanism was applied. The decoder may reproduce images it was trained on.';
    case 'declared':
      return `Declared by its maker, not verified by align-fl: "${said.declaration}"`;
    case 'lipschitz':
      return (
        `NO formal privacy guarantee, epsilon is infinite. ${controlText(said.lipschitz)} The decoder may reproduce images it ` +
        `was trained on.${certificateOf(said.lipschitz)}`
      );
    case 'gaussian':
      return said.guarantee === 'none' ? noGuaranteeText(said, nominalDelta) : gaussianText(said);
    case 'dp-sgd': {
      const first = said.before === undefined ? '' : BEFORE_TEXT;
      const what = said.guarantee === 'none' ? noGuaranteeText(said, nominalDelta) : dpSgdText(said);
      return what + first + besideText(said.lipschitz);
    }
  }
}

function besideText(control: LipschitzClaim | undefined): string {
  if (control === undefined) return '';
  return ` Beside it, which changes nothing of that: ${controlText(control)}${certificateOf(control)}`;
}

function certificateOf({ certificate }: LipschitzClaim): string {
  return certificate === null ? '' : certificateText(certificate);
}

/** One sentence or two on what a control does, and what it does not. */
function controlText(control: LipschitzClaim): string {
  switch (control.form) {
    case 'paper-penalty':
      return (
        `The paper's gradient penalty (weight ${control.weight}) pulled the gradient of the pixel sum towards norm 1, which ` +
        'is no bound on how much images can change.'
      );
    case 'jacobian-spectral':
    case 'jacobian-frobenius': {
      const norm = control.form === 'jacobian-spectral' ? 'spectral' : 'Frobenius';
      return (
        `A penalty (weight ${control.weight}) pulled the ${norm} norm of the decoder's Jacobian below ${control.bound} at ` +
        'sampled codes, which bounds it nowhere for certain.'
      );
    }
    case 'spectral-normalisation':
      return (
        `The decoder's weights were limited for a Lipschitz constant of at most ${control.bound}: a bound on the map ` +
        'from codes to images, not on what it tells of training images.'
      );
  }
}

type Bounded<S> = S extends { readonly guarantee: 'epsilon-delta' } ? Omit<S, 'text'> : never;
type Unbounded<S> = S extends { readonly guarantee: 'none' } ? Omit<S, 'text'> : never;

function gaussianText({ epsilon, delta }: Bounded<GaussianPrivacy>): string {
  return (
    `Gaussian mechanism on sums and products of clipped records: (${epsilonWords(epsilon)}, ${delta})-differential ` +
    'privacy for each record of this silo (a record added or removed, its class included), over everything that this ' +
    "silo's ledger was charged for. Upper bound. It does not cover the choice of settings by looking at results, nor " +
    'several records of one person.'
  );
}

function dpSgdText({ neighbours, mode, epsilon, delta }: Bounded<DpSgdPrivacy>): string {
  const relation =
    neighbours === 'zero-out-one'
      ? 'a record replaced by an empty one, the number of records being public'
      : 'a record added or removed';
  const what = mode === 'fixed-encoder' ? 'the decoder' : 'the whole model';
  return (
    `DP-SGD on ${what}: (${epsilonWords(epsilon)}, ${delta})-differential privacy for each record of this silo ` +
    `(${relation}), over everything that this silo's ledger was charged for. Numerically computed upper bound. It does not ` +
    'cover the choice of settings by looking at results, nor several records of one person.'
  );
}

function noGuaranteeText(said: Unbounded<DpSgdPrivacy | GaussianPrivacy>, nominalDelta: number | null): string {
  const why = whyNone(said) ?? "The silo's ledger holds training without a guarantee on the same records.";
  return (
    `NO guarantee, epsilon is infinite. ${why} (Nominal epsilon ${epsilonWords(said.nominalEpsilon)} at delta ${nominalDelta}: ` +
    'what these steps would cost if they were sound; for comparison only.)'
  );
}

/** Why no epsilon may be claimed, or null where one may. */
function whyNone(said: Wordless<DpSgdPrivacy | GaussianPrivacy>): string | null {
  const { noise } = said;
  if (said.mechanism === 'gaussian') return whyNoGuarantee({ clipping: 'fixed', mode: 'full', noise });
  return whyNoGuarantee({ clipping: said.clipping.kind, mode: said.mode, noise });
}

/** No field has it: it is read where the text tells it. */
function nominalDeltaIn(text: string): number | null {
  const delta = Number(/ at delta ([\d.e-]{1,30}): what these steps/.exec(text)?.[1] ?? Number.NaN);
  return delta > 0 && delta < 1 ? delta : null;
}
