// The experiment without privacy that one with it stands beside, in tests and as a level line in charts.

import { canonicalJson } from '../experiments/spec-identity.ts';
import { privaciesOf, type Spec } from '../experiments/spec.ts';
import { experimentOf, type RunGroup } from './run-groups.ts';
import { differingSettings } from './spec-leaves.ts';

/** Whether any silo of the spec has a privacy mechanism. */
export function isPrivate(spec: Spec): boolean {
  return privaciesOf(spec).some(({ mechanism }) => mechanism !== 'none');
}

/**
 * Of `groups`, the one in which no silo has a mechanism, on the same data and models, and with the fewest other settings that
 * differ: the first of several. Null where there is none.
 */
export function nearestOpen(group: RunGroup, groups: readonly RunGroup[]): RunGroup | null {
  const distance = (other: RunGroup) =>
    differingSettings([withoutPrivacy(group.spec), withoutPrivacy(other.spec)]).length;
  const open = groups.filter(({ spec }) => !isPrivate(spec) && subject(spec) === subject(group.spec));
  return open.reduce<RunGroup | null>(
    (best, other) => (best === null || distance(other) < distance(best) ? other : best),
    null,
  );
}

// --- internal ---

/** What two experiments must share to be compared. */
function subject({ data, model, silos }: Spec): string {
  return canonicalJson({ data, model, silos: silos.map(({ privacy: _, ...silo }) => silo) });
}

/** What is left to differ. Strategies that share a budget are no setting of what they are compared with. */
function withoutPrivacy(spec: Spec): unknown {
  const silos = spec.silos.map(({ privacy: _, ...silo }) => silo);
  return experimentOf({ ...spec, silos, privacy: { mechanism: 'none' } });
}
