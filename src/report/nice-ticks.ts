// Where an axis has its marks: at round numbers.

/**
 * Multiples of 1, 2 or 5 times a power of ten, about `target` of them, the first at or below `low` and the last at or
 * above `high`. `whole`: no fractions. Equal ends are widened.
 */
export function niceTicks(
  { low, high }: { readonly low: number; readonly high: number },
  { target = 5, whole = false }: { readonly target?: number; readonly whole?: boolean } = {},
): readonly number[] {
  const from = low === high ? low - (Math.abs(low) / 2 || 0.5) : low;
  const to = low === high ? high + (Math.abs(high) / 2 || 0.5) : high;
  const rough = (to - from) / target;
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * (1 - 1e-9)) as number;
  const step = whole ? Math.max(1, Math.round(nice)) : nice;
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(to / step - 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(digits)));
}
