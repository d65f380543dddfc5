// An option that may be given several times.

/** Collects every value of an option, in order; for commander. */
export function repeatable(value: string, values: readonly string[]): readonly string[] {
  return [...values, value];
}
