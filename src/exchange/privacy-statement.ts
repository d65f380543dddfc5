// What a release claims about the privacy of the examples behind it, in words that anyone can read and programs can check.

import { SpecError } from '../errors.ts';
import type { EpsilonBounds } from '../privacy/accountant.ts';
import { type DpSgdOptions, whyNoGuarantee } from '../privacy/dp-plan.ts';
import type { DpTrainingPlan } from '../privacy/dp-training-plan.ts';
import type { GaussianReleaseOptions, GaussianReleasePlan } from '../privacy/gaussian-release.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import type { LipschitzControl } from '../privacy/lipschitz-options.ts';
import { latentsOf, type PenaltyLatents } from '../privacy/lipschitz-penalty.ts';
import type { LipschitzCertificate } from './lipschitz-certificate.ts';
import { PLAIN_TEXT } from './plain-text.ts';
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
import { certificateText, withText } from './privacy-statement-text.ts';

/** The statement of training without a privacy mechanism. To be chosen by name: there is no default. */
export const NO_PRIVACY: NoPrivacy = withText({
  mechanism: 'none',
  guarantee: 'none',
  epsilon: 'Infinity',
  delta: null,
});

/**
 * The statement of a decoder that was made elsewhere, with what its maker says. Throws SpecError for an empty or very long
 * declaration, or one that is not plain.
 */
export function declaredStatement(declaration: string): DeclaredPrivacy {
  const words = declaration.trim();
  if (words === '' || words.length > MAX_DECLARATION || !PLAIN_TEXT.test(words)) {
    throw new SpecError(
      `A privacy declaration is one line of 1 to ${MAX_DECLARATION} characters; this one has ${words.length}, or line ends, or characters that cannot be seen. ` +
        'Say in a sentence or two what was done, and by what it can be checked.',
      { path: 'privacy' },
    );
  }
  return withText({ mechanism: 'declared', guarantee: 'none', epsilon: null, delta: null, declaration: words });
}

/** The statement of training under Lipschitz control alone: how flat, and that it guarantees nothing. */
export function lipschitzStatement(control: LipschitzControl): LipschitzPrivacy {
  return withText({
    mechanism: 'lipschitz',
    guarantee: 'none',
    epsilon: 'Infinity',
    delta: null,
    lipschitz: claimOf(control, 'posterior'),
  });
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
  const text = statement.text + certificateText(certificate);
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
  const { delta } = options;
  const { epsilon: total } = spent;
  if (reason === null && Number.isFinite(total)) {
    return withText({ ...common, guarantee: 'epsilon-delta', epsilon: total, delta, nominalEpsilon: null });
  }
  return withText({ ...common, guarantee: 'none', epsilon: 'Infinity', delta: null, nominalEpsilon }, delta);
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
    return withText({ ...common, guarantee: 'epsilon-delta', epsilon: spent.epsilon, delta, nominalEpsilon: null });
  }
  return withText({ ...common, guarantee: 'none', epsilon: 'Infinity', delta: null, nominalEpsilon }, delta);
}

/** The neighbouring relation that options lead to: without a declared number of records, the actual one is public. */
export function neighboursOf({ records }: Pick<DpSgdOptions, 'records'>): DpSgdPrivacy['neighbours'] {
  return records === null ? 'zero-out-one' : 'add-or-remove-one';
}

// --- internal ---

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
