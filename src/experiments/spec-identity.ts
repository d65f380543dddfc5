// When two specs are the same experiment: a canonical text, its hash, and the paths at which two specs differ.

import { createHash } from 'node:crypto';
import { isRecord } from './schema-walk.ts';
import type { Spec } from './spec.ts';

/** What decides the numbers of a run: the spec without how many silos train at once, which may change on the way. */
export function identityOf(spec: Spec): unknown {
  const { silosAtOnce: _, ...engine } = spec.engine;
  return { ...spec, engine };
}

/**
 * SHA-256 (hex) of the identity of a resolved spec, whatever the order of its keys and wherever its ledgers lie: that is a
 * place on one machine, and decides no number.
 */
export function specHash(spec: Spec): string {
  const { privacy, silos } = spec;
  const anywhere = {
    ...spec,
    ...(privacy?.ledgerDir && { privacy: { ...privacy, ledgerDir: null } }),
    ...(silos?.some((silo) => silo.privacy?.ledgerDir) && {
      silos: silos.map((silo) =>
        silo.privacy?.ledgerDir ? { ...silo, privacy: { ...silo.privacy, ledgerDir: null } } : silo,
      ),
    }),
  };
  return createHash('sha256')
    .update(canonicalJson(identityOf(anywhere)))
    .digest('hex');
}

/** JSON without spaces, keys of all objects sorted by code unit. Numbers as ECMAScript writes them. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

/** One place where two specs differ; a missing value is undefined. */
export interface Difference {
  readonly path: readonly string[];
  readonly ours: unknown;
  readonly theirs: unknown;
}

/** The smallest places at which two JSON values differ, in the order of `ours`. */
export function differencesBetween(ours: unknown, theirs: unknown): Difference[] {
  if (isRecord(ours) && isRecord(theirs)) {
    return [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].flatMap((key) =>
      below(key, ours[key], theirs[key]),
    );
  }
  if (Array.isArray(ours) && Array.isArray(theirs) && ours.length === theirs.length) {
    return ours.flatMap((item, index) => below(String(index), item, theirs[index]));
  }
  return canonicalJson(ours) === canonicalJson(theirs) ? [] : [{ path: [], ours, theirs }];
}

// --- internal ---

function below(step: string, ours: unknown, theirs: unknown): Difference[] {
  return differencesBetween(ours, theirs).map((difference) => ({ ...difference, path: [step, ...difference.path] }));
}
