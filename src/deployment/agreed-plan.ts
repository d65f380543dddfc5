// What silos have agreed to, and that the server's spec is still that.

import { SpecError } from '../errors.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { differencesBetween } from '../experiments/spec-identity.ts';
import { formatPath, shown } from '../experiments/spec-problems.ts';
import type { Spec } from '../experiments/spec.ts';
import { readJson, writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { MAX_PLAN_BYTES, planOf } from './federation-spec.ts';
import type { ServerLayout } from './server-folder.ts';
import { readRegistry } from './silo-registry.ts';

/** Keeps the plan that the first silo joins under; later it stays as it is. */
export async function keepAgreedPlan(layout: ServerLayout, spec: Spec): Promise<void> {
  if (!isThere(layout.plan)) await writeFileAtomic(layout.plan, planOf(spec).text);
}

/** What silos agreed to, whatever was written into the spec since; before the first has joined, the spec. Throws as `loadSpec` does. */
export async function specInForce(layout: ServerLayout): Promise<Spec> {
  return isThere(layout.plan) ? agreedSpec(layout) : loadSpec(layout.spec);
}

/** Throws SpecError for another plan than silos joined under: it would be asked of them behind their backs. */
export async function requireAgreedPlan(layout: ServerLayout, spec: Spec): Promise<void> {
  if (!isThere(layout.plan)) return;
  const agreed = await agreedSpec(layout);
  const changed = differencesBetween(JSON.parse(planOf(spec).text), JSON.parse(planOf(agreed).text));
  if (changed.length === 0) return;
  const lines = changed
    .slice(0, MOST_TOLD)
    .map(({ path, ours, theirs }) => `  ${formatPath(path)}: ${shown(theirs)} was agreed to, now ${shown(ours)}`);
  throw new SpecError(
    `${layout.spec} has changed since the first silo joined:\n${lines.join('\n')}\nPut it back, or make another federation with ` +
      'align-fl server init.',
    { paths: changed.map(({ path }) => formatPath(path)) },
  );
}

/**
 * Throws SpecError for other silos than the federation was made for: keys belong to names, and one that was written into the spec
 * later could never have any.
 */
export async function requireSilosOf(layout: ServerLayout, spec: Spec): Promise<void> {
  const { silos } = await readRegistry(layout.registry);
  const [known, asked] = [silos.map(({ name }) => name), spec.silos.map(({ name }) => name)];
  if (known.join() === asked.join()) return;
  throw new SpecError(
    `silos: ${layout.spec} has ${asked.join(', ')}, but this federation was made for ${known.join(', ')}. Put the names back, or make ` +
      'another federation with align-fl server init.',
    { path: 'silos' },
  );
}

// --- internal ---

async function agreedSpec({ plan }: ServerLayout): Promise<Spec> {
  return parseSpec(await readJson(plan, { maxBytes: MAX_PLAN_BYTES }), { source: plan });
}

/** Changes that an error names one by one. */
const MOST_TOLD = 8;
