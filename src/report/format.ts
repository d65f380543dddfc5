// Numbers with units, as people read them in tables and progress lines.

/** `0.42 s`, `8.1 s`, `2 min 05 s`, `1 h 02 min`. Not a number gives `–`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return UNKNOWN;
  const sign = seconds < 0 ? '-' : '';
  const size = Math.abs(seconds);
  if (size < 9.995) return `${sign}${size.toFixed(size < 0.9995 ? 2 : 1)} s`;
  const whole = Math.round(size);
  if (whole < 60) return `${sign}${whole} s`;
  if (whole < 3600) return `${sign}${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s`;
  const minutes = Math.round(size / 60);
  return `${sign}${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** `812 B`, `2.27 MB`: powers of 1,000, three digits. Not a number gives `–`. */
export function formatBytes(sizeBytes: number): string {
  if (!Number.isFinite(sizeBytes)) return UNKNOWN;
  const unit = BYTE_UNITS.find(({ size }) => Math.abs(sizeBytes) >= 0.9995 * size);
  if (unit === undefined) return `${Math.round(sizeBytes)} B`;
  const value = sizeBytes / unit.size;
  const digits = Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${unit.name}`;
}

/** 0.7425 -> `74.3 %`; a standard deviation beside it -> `74.3 ± 0.6 %`. Not a number gives `–`. */
export function formatPercent(
  share: number,
  options: { readonly digits?: number; readonly std?: number | null } = {},
): string {
  if (!Number.isFinite(share)) return UNKNOWN;
  const { digits = 1, std = null } = options;
  const deviation = std === null ? '' : ` ± ${(100 * std).toFixed(digits)}`;
  return `${(100 * share).toFixed(digits)}${deviation} %`;
}

// --- internal ---

const UNKNOWN = '–';

const BYTE_UNITS = [
  { name: 'TB', size: 1e12 },
  { name: 'GB', size: 1e9 },
  { name: 'MB', size: 1e6 },
  { name: 'kB', size: 1e3 },
];

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
