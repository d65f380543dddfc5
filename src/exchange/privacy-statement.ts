// What a release claims about the privacy of the examples behind it, in words that anyone can read and programs can check.

import { SpecError } from '../errors.ts';
import type { EpsilonBounds } from '../privacy/accountant.ts';
import { type DpSgdOptions, whyNoGuarantee } from '../privacy/dp-plan.ts';
import type { DpTrainingPlan } from '../privacy/dp-training-plan.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import type { GaussianReleaseOptions, GaussianReleasePlan } from '../privacy/gaussian-release.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import type { LipschitzControl } from '../privacy/lipschitz-options.ts';
import { latentsOf, type PenaltyLatents } from '../privacy/lipschitz-penalty.ts';
import type { LipschitzCertificate } from './lipschitz-certificate.ts';
import {
  type DeclaredPrivacy,
  type DpSgdPrivacy,
  type GaussianPrivacy,
  type LipschitzClaim,
  type LipschitzPrivacy,
  MAX_DECLARATION,
  type NoPrivacy,
  type PrivacyStatement,
} from './privacy-statement-schema.ts';

/** The statement of training without a privacy mechanism. To be chosen by name: there is no default. */
export const NO_PRIVACY: NoPrivacy = {
  mechanism: 'none',
  guarantee: 'none',
  epsilon: 'Infinity',
  delta: null,
  text: 'No privacy mechanism was applied. The decoder may reproduce images it was trained on.',
};

/**
 * The statement of a decoder that was made elsewhere, with what its maker says. Throws SpecError for an empty or very long
 * declaration, or one with control characters.
 */
export function declaredStatement(declaration: string): DeclaredPrivacy {
  const words = declaration.trim();
  if (words === '' || words.length > MAX_DECLARATION || /\p{Cc}/u.test(words)) {
    throw new SpecError(
      `A privacy declaration is one line of 1 to ${MAX_DECLARATION} characters; this one has ${words.length}, or line ends. ` +
        'Say in a sentence or two what was done, and by what it can be checked.',
      { path: 'privacy' },
    );
  }
  return {
    mechanism: 'declared',
    guarantee: 'none',
    epsilon: null,
    delta: null,
    declaration: words,
    text: `Declared by its maker, not verified by align-fl: "${words}"`,
  };
}

/** The statement of training under Lipschitz control alone: how flat, and that it guarantees nothing. */
export function lipschitzStatement(control: LipschitzControl): LipschitzPrivacy {
  return {
    mechanism: 'lipschitz',
    guarantee: 'none',
    epsilon: 'Infinity',
    delta: null,
    lipschitz: claimOf(control, 'posterior'),
    text:
      'NO formal privacy guarantee, epsilon is infinite. ' +
      `${controlText(control)} The decoder may reproduce images it was trained on.`,
  };
}

/** The Lipschitz control that a statement tells of, or null. */
export function lipschitzClaimOf(statement: PrivacyStatement): LipschitzClaim | null {
  return 'lipschitz' in statement ? (statement.lipschitz ?? null) : null;
}

/** The statement with the certificate of the file it goes with. Throws nothing: a statement without control stays as it is. */
export function withCertificate<S extends PrivacyStatement>(statement: S, certificate: LipschitzCertificate): S {
  const claim = lipschitzClaimOf(statement);
  if (claim === null) return statement;
  const { bound, perLayer } = certificate;
  const text =
    `${statement.text} Certificate: no two images differ by more than ${epsilonWords(bound)} times the distance of their codes, ` +
    'as the weights show.';
  return { ...statement, text, lipschitz: { ...claim, certificate: { bound, perLayer: [...perLayer] } } };
}

export interface DpSgdFacts {
  readonly options: DpSgdOptions;
  /** With what came before the first step, where this run under its strategy began with something. */
  readonly plan: DpTrainingPlan;
  /** Of this run under its strategy so far. */
  readonly steps: number;
  /** By the silo's ledger, at `options.delta`. */
  readonly spent: EpsilonBounds;
  /** Of these steps alone and what came before them, as if sound and secret. */
  readonly nominalEpsilon: number;
  /** Control beside it, between draws from the prior. Default none. */
  readonly lipschitz?: LipschitzControl | null;
}

/** What may be claimed of DP-SGD. */
export function dpSgdStatement({ lipschitz = null, ...facts }: DpSgdFacts): DpSgdPrivacy {
  const { options, plan, steps, spent, nominalEpsilon } = facts;
  const reason = whyNoGuarantee(options);
  const common = {
    mechanism: 'dp-sgd',
    neighbours: neighboursOf(options),
    unit: 'record',
    accountant: { method: 'min(rdp, pld)', rdp: jsonEpsilon(spent.rdp), pld: jsonEpsilon(spent.pld) },
    sampling: { kind: 'poisson', rate: plan.samplingRate, expectedBatch: plan.expectedBatch },
    clipping: {
      kind: options.clipping,
      clipNorm: options.clipping === 'auto-s' ? 1 : options.clipNorm,
      quantile: options.clipping === 'adaptive' ? options.quantile : null,
    },
    noiseMultiplier: plan.noiseMultiplier,
    steps,
    ...(plan.release && { before: stagesOf(plan.release) }),
    noise: options.noise,
    mode: options.mode,
    ...(lipschitz && { lipschitz: claimOf(lipschitz, 'prior') }),
  } as const;
  const first = plan.release ? ` ${BEFORE_TEXT}` : '';
  const beside = lipschitz ? ` Beside it, which changes nothing of that: ${controlText(lipschitz)}` : '';
  const { delta } = options;
  const { epsilon: total } = spent;
  if (reason === null && Number.isFinite(total)) {
    const text = guaranteeText(options, total) + first + beside;
    return { ...common, guarantee: 'epsilon-delta', epsilon: total, delta, nominalEpsilon: null, text };
  }
  const text = noGuaranteeText(reason, options, nominalEpsilon) + first + beside;
  return { ...common, guarantee: 'none', epsilon: 'Infinity', delta: null, nominalEpsilon, text };
}

/** What may be claimed of the noisy moments behind a closed-form generator. */
export function gaussianStatement(facts: {
  readonly options: GaussianReleaseOptions;
  readonly plan: GaussianReleasePlan;
  /** By the silo's ledger, at `options.delta`. */
  readonly spent: EpsilonBounds;
  /** Of this release alone, as if its noise were secret. */
  readonly nominalEpsilon: number;
}): GaussianPrivacy {
  const { options, plan, spent, nominalEpsilon } = facts;
  const { delta, noise } = options;
  const reason = whyNoGuarantee({ clipping: 'fixed', mode: 'full', noise });
  const common = {
    mechanism: 'gaussian',
    neighbours: 'add-or-remove-one',
    unit: 'record',
    stages: stagesOf(plan),
    noise,
  } as const;
  if (reason === null && Number.isFinite(spent.epsilon)) {
    const text =
      `Gaussian mechanism on sums and products of clipped records: (${epsilonWords(spent.epsilon)}, ${delta})-differential ` +
      'privacy for each record of this silo (a record added or removed, its class included), over everything that this ' +
      "silo's ledger was charged for. Upper bound. It does not cover the choice of settings by looking at results, nor " +
      'several records of one person.';
    return { ...common, guarantee: 'epsilon-delta', epsilon: spent.epsilon, delta, nominalEpsilon: null, text };
  }
  const text = noGuaranteeText(reason, options, nominalEpsilon);
  return { ...common, guarantee: 'none', epsilon: 'Infinity', delta: null, nominalEpsilon, text };
}

/** The neighbouring relation that options lead to: without a declared number of records, the actual one is public. */
export function neighboursOf({ records }: Pick<DpSgdOptions, 'records'>): DpSgdPrivacy['neighbours'] {
  return records === null ? 'zero-out-one' : 'add-or-remove-one';
}

// --- internal ---

const BEFORE_TEXT =
  'Epsilon includes a closed-form release (Gaussian mechanism on sums and products of clipped records) that came before the ' +
  'first step: training began from a model of synthetic images drawn from it.';

function stagesOf({ stages }: GaussianReleasePlan) {
  return stages.map(({ name, noiseMultiplier, clipNorm }) => ({ name, noiseMultiplier, clipNorm }));
}

function claimOf(control: LipschitzControl, allowed: PenaltyLatents): LipschitzClaim {
  const isPenalty = 'weight' in control;
  return {
    form: control.form,
    weight: isPenalty ? control.weight : null,
    bound: 'bound' in control ? control.bound : null,
    latents: isPenalty ? latentsOf(control, allowed) : null,
    certificate: null,
  };
}

/** One sentence or two on what a control does, and what it does not. */
function controlText(control: LipschitzControl): string {
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

function guaranteeText(options: DpSgdOptions, spent: number): string {
  const relation =
    options.records === null
      ? 'a record replaced by an empty one, the number of records being public'
      : 'a record added or removed';
  const what = options.mode === 'fixed-encoder' ? 'the decoder' : 'the whole model';
  return (
    `DP-SGD on ${what}: (${epsilonWords(spent)}, ${options.delta})-differential privacy for each record of this silo ` +
    `(${relation}), over everything that this silo's ledger was charged for. Numerically computed upper bound. It does not ` +
    'cover the choice of settings by looking at results, nor several records of one person.'
  );
}

function noGuaranteeText(reason: string | null, { delta }: Pick<DpSgdOptions, 'delta'>, nominal: number): string {
  const why = reason ?? "The silo's ledger holds training without a guarantee on the same records.";
  return (
    `NO guarantee, epsilon is infinite. ${why} (Nominal epsilon ${epsilonWords(nominal)} at delta ${delta}: what these steps ` +
    'would cost if they were sound; for comparison only.)'
  );
}
