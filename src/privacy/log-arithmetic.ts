// Sums and differences of numbers kept as logarithms: moments of privacy losses overflow long before they mean nothing.

/** ln(e^a + e^b). Any of them may be -Infinity (a zero). */
export function logAdd(a: number, b: number): number {
  const high = Math.max(a, b);
  return Number.isFinite(high) ? high + Math.log1p(Math.exp(Math.min(a, b) - high)) : high;
}

/** ln(e^a - e^b) for a >= b. */
export function logSubtract(a: number, b: number): number {
  if (b === -Infinity) return a;
  const gap = b - a; // at most 0
  return a + (gap > -Math.LN2 ? Math.log(-Math.expm1(gap)) : Math.log1p(-Math.exp(gap)));
}

/** ln(e^x - 1) for x >= 0, also where e^x overflows. */
export function logExpm1(x: number): number {
  return x > 50 ? x : Math.log(Math.expm1(x));
}

/** ln(1 + e^x), also where e^x overflows. */
export function log1pExp(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
