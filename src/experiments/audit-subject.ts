// What an audit of a spec attacks: one silo's private step, over as few steps as let a broken one show.

import { childKey, seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { deltaOf, epsilonOf } from '../privacy/accountant.ts';
import { type AuditedTraining, type AuditPlan, planAudit } from '../privacy/audit-plan.ts';
import { dpSgdEvent } from '../privacy/dp-event.ts';
import { type DpSgdOptions, type DpSgdPlan, nominalEvent, whyNoGuarantee } from '../privacy/dp-plan.ts';
import { type FirstRelease, planDpTraining } from '../privacy/dp-training-plan.ts';
import { requireImagesHere } from './at-silos.ts';
import { type DataAccess, gatherMaterials } from './materials.ts';
import { didYouMean } from './nearest.ts';
import { plannedRounds } from './participation.ts';
import { generatorOfSilo, privacyOfSilo, type Spec } from './spec.ts';

export interface AuditSubject {
  readonly silo: string;
  readonly privacy: DpSgdOptions;
  /** All the work that the spec plans for this silo, as it would be planned for a run. */
  readonly plan: DpSgdPlan;
  /** Proved for the whole plan at `privacy.delta`; nominal where the spec's noise is seeded. */
  readonly specEpsilon: number;
  /** The shorter training that is audited. */
  readonly audit: AuditPlan;
  /** What is claimed for it at every epsilon. */
  readonly claimedDelta: (epsilon: number) => number;
}

/**
 * The subject in `spec`: its first silo, or the one that is named. Images are looked for only where their number is needed,
 * which is where `privacy.records` is not declared. Throws SpecError where nothing is claimed or no silo has that name, and
 * what `gatherMaterials` throws.
 */
export async function auditSubject(
  spec: Spec,
  options: { readonly silo?: string | undefined; readonly data: DataAccess },
): Promise<AuditSubject> {
  const at = indexOfSilo(spec, options.silo);
  const silo = spec.silos[at] as Spec['silos'][number];
  const privacy = claimingPrivacy({ privacy: privacyOfSilo(spec, silo) });
  const rounds = plannedRounds(spec, silo);
  if (rounds === 0) {
    throw new SpecError(
      `Silo ${silo.name} never takes part in this spec, so there is nothing to refute. Audit another.`,
      {
        path: '--silo',
      },
    );
  }
  const { batchSize, epochs } = spec.local;
  const records = privacy.records ?? (await recordsOf(spec, at, options.data));
  const plan = planDpTraining(privacy, { records, batchSize, epochs, rounds }, firstReleaseOf(spec, silo));
  const { delta } = privacy;
  const audit = planAudit(plan, (training) => epsilonOf(dpSgdEvent(training), delta).epsilon);
  return {
    silo: silo.name,
    privacy,
    plan,
    specEpsilon: epsilonOf(nominalEvent(plan, plan.steps), delta).epsilon,
    audit,
    claimedDelta: claimOf(audit.training),
  };
}

/** The accountant's delta by epsilon, computed once for each. */
export function claimOf(training: AuditedTraining): (epsilon: number) => number {
  const known = new Map<number, number>();
  return (epsilon) => {
    const delta = known.get(epsilon) ?? deltaOf(dpSgdEvent(training), epsilon).delta;
    known.set(epsilon, delta);
    return delta;
  };
}

// --- internal ---

/** What a warm start takes of epsilon, whatever the size of images: noise is relative to the bound of a record. */
function firstReleaseOf(spec: Spec, silo: Spec['silos'][number]): FirstRelease | null {
  const generator = generatorOfSilo(spec, silo);
  if (spec.task !== 'classify' || generator.kind !== 'vae' || generator.warmStart === null) return null;
  const { components, epsilon } = generator.warmStart;
  return { epsilon: epsilon as number, components, pixels: 1 };
}

function claimingPrivacy({ privacy }: Pick<Spec, 'privacy'>): DpSgdOptions {
  if (privacy.mechanism !== 'dp-sgd') {
    throw new SpecError(
      `privacy.mechanism is ${privacy.mechanism}: nothing is claimed, so there is nothing to refute. Set privacy.mechanism=dp-sgd with an ` +
        'epsilon and a delta: --set privacy.mechanism=dp-sgd --set privacy.epsilon=8 --set privacy.delta=1e-5',
      { path: 'privacy.mechanism' },
    );
  }
  const reason = whyNoGuarantee({ ...privacy, noise: 'secure' }); // seeded noise has the same step to audit
  if (reason === null) return privacy;
  const [path, instead] =
    privacy.clipping === 'paper-unsound'
      ? ['privacy.clipping', 'auto-s, fixed or adaptive']
      : ['privacy.mode', 'full or fixed-encoder'];
  throw new SpecError(
    `${path}: this training claims no epsilon, so there is nothing to refute. ${reason} Set ${path} to ${instead}.`,
    { path },
  );
}

function indexOfSilo({ silos }: Spec, wanted: string | undefined): number {
  const names = silos.map(({ name }) => name);
  const at = wanted === undefined ? 0 : names.indexOf(wanted);
  if (at !== -1) return at;
  throw new SpecError(
    `--silo: the spec has no silo '${wanted}'${didYouMean(wanted as string, names) || '.'} Its silos are ${names.join(', ')}.`,
    { path: '--silo', silos: names },
  );
}

async function recordsOf(spec: Spec, at: number, data: DataAccess): Promise<number> {
  requireImagesHere(spec, 'an audit that is not told privacy.records');
  const { silos } = await gatherMaterials(spec, data, childKey(seedKey(spec.seed), 'data')); // dealt as a run deals
  return (silos[at] as (typeof silos)[number]).set.labels.length;
}
