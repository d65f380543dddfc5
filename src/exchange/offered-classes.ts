// Which classes a decoder may say it offers: those it can be asked for, or the only one that all its images are of.

import type { DecoderContract } from './inspect.ts';
import { refuse } from './refusal.ts';
import type { OfferedClasses } from './release.ts';

/**
 * Throws ReleaseError, `offers`, unless a file of `contract` can give images of the classes offered: ascending, within its C
 * where it takes a class, one where it does not. A file that takes a class must say which it offers.
 */
export function requireOffers(
  { classes }: Pick<DecoderContract, 'classes'>,
  offers: OfferedClasses | null,
  expected = offers?.count,
): asserts offers is OfferedClasses {
  if (offers === null) {
    return refuse('offers', 'It does not say which classes it offers. Name them: all that its training images showed.');
  }
  const { count, offered } = offers;
  const facts = { count, offered: offered.slice(0, 16).join(', ') };
  const isOrdered = offered.every((label, i) => i === 0 || label > (offered[i - 1] as number));
  if (count !== expected) {
    refuse('offers', `It offers some of ${count} classes; expected were the ${expected} of the federation.`, facts);
  }
  if (offered.length === 0 || !isOrdered || !offered.every((label) => isClass(label, count))) {
    refuse('offers', `It offers [${facts.offered}]; expected were classes from 0 to ${count - 1}, ascending.`, facts);
  }
  if (classes === null && offered.length !== 1) {
    refuse('offers', `It takes no class, so it can offer one; it offers [${facts.offered}].`, facts);
  }
  if (classes !== null && classes !== count) {
    refuse('offers', `Its file knows ${classes} classes, but it offers some of ${count}.`, facts);
  }
}

// --- internal ---

function isClass(label: number, count: number): boolean {
  return Number.isInteger(label) && label >= 0 && label < count;
}
