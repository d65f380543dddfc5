// Numbers from the command line, read strictly: what is not wholly a number in range is refused, with what was expected.

import { SpecError } from '../errors.ts';

/** Which numbers an option takes. */
export interface NumberKind {
  /** Completes "expected ...": `a sampling rate above 0 and at most 1`. */
  readonly expected: string;
  /** Completes the next step: `such as 0.01`. */
  readonly example: string;
  readonly accepts: (value: number) => boolean;
}

/** The number that `text` is. `flag` is for the message. Throws SpecError for anything else, such as '', '1e', 'NaN' or '0x1'. */
export function numberArgument(flag: string, text: string, kind: NumberKind): number {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(value) && kind.accepts(value)) return value;
  const came = text === '' ? 'nothing' : `'${text.slice(0, 100)}'`;
  throw new SpecError(`${flag}: expected ${kind.expected}, got ${came}. Give a number, such as ${kind.example}.`, {
    path: flag,
  });
}

export const SAMPLING_RATE: NumberKind = {
  expected: 'a sampling rate above 0 and at most 1',
  example: '0.01',
  accepts: (value) => value > 0 && value <= 1,
};

export const NOISE_MULTIPLIER: NumberKind = {
  expected: 'a noise multiplier (noise deviation over clip norm) from 0 up',
  example: '1.1',
  accepts: (value) => value >= 0,
};

/** A whole number from 1 up, of which `example` is a usual one. */
export function wholeNumber(example: string): NumberKind {
  return {
    expected: 'a whole number from 1 up',
    example,
    accepts: (value) => Number.isSafeInteger(value) && value >= 1,
  };
}

export const WHOLE: NumberKind = wholeNumber('1000');

export const EPOCHS: NumberKind = {
  expected: 'a number of epochs above 0',
  example: '10',
  accepts: (value) => value > 0,
};

export const TARGET_EPSILON: NumberKind = {
  expected: 'an epsilon above 0',
  example: '8',
  accepts: (value) => value > 0,
};

export const DELTA: NumberKind = {
  expected: 'a delta above 0 and below 0.1, best far below one over the number of records',
  example: '1e-5',
  accepts: (value) => value > 0 && value < 0.1,
};

// --- internal ---

const NUMBER = /^-?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i;
