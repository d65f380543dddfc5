// An epsilon in JSON, which knows no infinity.

/** The number, or `Infinity` as text where there is no bound. */
export function jsonEpsilon(epsilon: number): number | 'Infinity' {
  return Number.isFinite(epsilon) ? epsilon : 'Infinity';
}
