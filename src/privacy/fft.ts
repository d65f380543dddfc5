// The Fourier transform of real sequences whose length is a power of two, for convolving distributions with themselves.
//
// Frequencies stay in the order in which the transform leaves them (bits reversed): what is done to each on its own does
// not need another, and the way back starts from the same order.

import { ShapeError } from '../errors.ts';

/** X_k = sum over n of x_n e^(2 pi i k n / N) for k up to N/2, the rest being conjugates. */
export interface Spectrum {
  /** Real parts, [N/2]; at 0 the sum of the sequence (k = 0). */
  readonly re: Float64Array;
  /** Imaginary parts, [N/2]; at 0, where there is none, X at k = N/2, which is real too. */
  readonly im: Float64Array;
}

/** The Fourier transform of `signal`, [N], N a power of two of at least 4. Throws ShapeError for other lengths. */
export function spectrumOf(signal: Float64Array): Spectrum {
  const half = halfOf(signal.length);
  const re = new Float64Array(half);
  const im = new Float64Array(half);
  for (let i = 0; i < half; i++) {
    re[i] = signal[2 * i] as number;
    im[i] = signal[2 * i + 1] as number;
  }
  const roots = rootTable(half);
  transform(re, im, roots);
  separate(re, im, roots);
  return { re, im };
}

/** The sequence, [N], whose transform is `spectrum`. Overwrites the spectrum. */
export function signalOf({ re, im }: Spectrum): Float64Array {
  const half = halfOf(2 * re.length);
  const roots = rootTable(half);
  join(re, im, roots);
  transformBack(re, im, roots);
  const signal = new Float64Array(2 * half);
  for (let i = 0; i < half; i++) {
    signal[2 * i] = (re[i] as number) / half;
    signal[2 * i + 1] = (im[i] as number) / half;
  }
  return signal;
}

// --- internal ---

/** e^(i pi r(b)), r(b) being the fraction whose binary digits are those of b, lowest first. */
interface RootTable {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

function halfOf(length: number): number {
  if (length >= 4 && Number.isInteger(Math.log2(length))) return length / 2;
  throw new ShapeError(`A Fourier transform needs a length of 4, 8, 16, ... numbers, not ${length}.`, { length });
}

/** By doubling, one product an entry: errors grow with the number of doublings only. */
function rootTable(size: number): RootTable {
  const cos = new Float64Array(size);
  const sin = new Float64Array(size);
  cos[0] = 1;
  for (let done = 1; done < size; done *= 2) {
    const c = Math.cos(Math.PI / (2 * done));
    const s = Math.sin(Math.PI / (2 * done));
    for (let b = 0; b < done; b++) {
      const cb = cos[b] as number;
      const sb = sin[b] as number;
      cos[done + b] = cb * c - sb * s;
      sin[done + b] = cb * s + sb * c;
    }
  }
  return { cos, sin };
}

/**
 * In place. A sequence is a polynomial; its value at all n-th roots of unity is what remains of it modulo x^n - 1, and each
 * pass splits every modulus x^(2m) - w^2 into x^m - w and x^m + w. One root a block, memory in order.
 */
function transform(re: Float64Array, im: Float64Array, { cos, sin }: RootTable): void {
  const size = re.length;
  for (let block = size; block > 1; block /= 2) {
    const m = block / 2;
    for (let start = 0, b = 0; start < size; start += block, b++) {
      const wr = cos[b] as number;
      const wi = sin[b] as number;
      for (let i = start; i < start + m; i++) {
        const hr = re[i + m] as number;
        const hi = im[i + m] as number;
        const lr = re[i] as number;
        const li = im[i] as number;
        const tr = hr * wr - hi * wi;
        const ti = hr * wi + hi * wr;
        re[i] = lr + tr;
        im[i] = li + ti;
        re[i + m] = lr - tr;
        im[i + m] = li - ti;
      }
    }
  }
}

/** In place, times the length. */
function transformBack(re: Float64Array, im: Float64Array, { cos, sin }: RootTable): void {
  const size = re.length;
  for (let block = 2; block <= size; block *= 2) {
    const m = block / 2;
    for (let start = 0, b = 0; start < size; start += block, b++) {
      const wr = cos[b] as number;
      const wi = sin[b] as number;
      for (let i = start; i < start + m; i++) {
        const ar = re[i] as number;
        const ai = im[i] as number;
        const br = re[i + m] as number;
        const bi = im[i + m] as number;
        const dr = ar - br;
        const di = ai - bi;
        re[i] = ar + br;
        im[i] = ai + bi;
        re[i + m] = dr * wr + di * wi;
        im[i + m] = di * wr - dr * wi;
      }
    }
  }
}

/**
 * From the transform Z of even entries plus i times odd ones to X = E + e^(2 pi i k / N) O. With bits reversed, frequency
 * n - k of the one at p in [2^j, 2^(j+1)) lies at 3 * 2^j - 1 - p, and the root of p is entry p of the table.
 */
function separate(re: Float64Array, im: Float64Array, { cos, sin }: RootTable): void {
  const first = re[0] as number;
  const last = im[0] as number;
  re[0] = first + last;
  im[0] = first - last;
  for (let low = 1; low < re.length; low *= 2) {
    for (let p = low, mirror = 2 * low - 1; p <= mirror; p++, mirror--) {
      const evenRe = ((re[p] as number) + (re[mirror] as number)) / 2;
      const evenIm = ((im[p] as number) - (im[mirror] as number)) / 2;
      const oddRe = ((im[p] as number) + (im[mirror] as number)) / 2;
      const oddIm = ((re[mirror] as number) - (re[p] as number)) / 2;
      const turnedRe = oddRe * (cos[p] as number) - oddIm * (sin[p] as number);
      const turnedIm = oddRe * (sin[p] as number) + oddIm * (cos[p] as number);
      re[mirror] = evenRe - turnedRe; // X_(n-k) is the conjugate of E_k - turned O_k
      im[mirror] = turnedIm - evenIm;
      re[p] = evenRe + turnedRe;
      im[p] = evenIm + turnedIm;
    }
  }
}

function join(re: Float64Array, im: Float64Array, { cos, sin }: RootTable): void {
  const first = re[0] as number;
  const last = im[0] as number;
  re[0] = (first + last) / 2;
  im[0] = (first - last) / 2;
  for (let low = 1; low < re.length; low *= 2) {
    for (let p = low, mirror = 2 * low - 1; p <= mirror; p++, mirror--) {
      const evenRe = ((re[p] as number) + (re[mirror] as number)) / 2;
      const evenIm = ((im[p] as number) - (im[mirror] as number)) / 2;
      const turnedRe = ((re[p] as number) - (re[mirror] as number)) / 2;
      const turnedIm = ((im[p] as number) + (im[mirror] as number)) / 2;
      const oddRe = turnedRe * (cos[p] as number) + turnedIm * (sin[p] as number);
      const oddIm = turnedIm * (cos[p] as number) - turnedRe * (sin[p] as number);
      re[mirror] = evenRe + oddIm; // E and O of n - k are the conjugates of E and O of k
      im[mirror] = oddRe - evenIm;
      re[p] = evenRe - oddIm;
      im[p] = evenIm + oddRe;
    }
  }
}
