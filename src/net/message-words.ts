// Words that go into a message: bounded, and plain.

import { plainLine } from '../exchange/plain-text.ts';

/** What `text` says, for a message: 500 characters at most, with spaces in place of what may not go into one. */
export function plainWords(text: string): string {
  return plainLine(text.slice(0, 500));
}
