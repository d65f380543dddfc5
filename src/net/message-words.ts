// Text in messages that people are shown: on a terminal, a control character could hide or forge what stands around it.

import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';

/** Text without control characters, half characters, and what cannot be seen. */
export const PLAIN_WORDS = /^\P{C}*$/u;

/** What `text` says, for a message: 500 characters at most, with spaces in place of what may not go into one. */
export function plainWords(text: string): string {
  return text.slice(0, 500).replaceAll(/\p{C}/gu, ' ');
}

/** Whether every text in a statement is plain. */
export function isPlain(value: unknown): boolean {
  if (typeof value === 'string') return PLAIN_WORDS.test(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isPlain);
}

/**
 * Whether the text of a statement without guarantee is what its fields say. A text of training under a mechanism cannot be made
 * again from its fields alone: it is the claim of its silo.
 */
export function saysWhatItsFieldsSay(privacy: PrivacyStatement): boolean {
  if (privacy.mechanism === 'none') return privacy.text === NO_PRIVACY.text;
  if (privacy.mechanism !== 'declared') return true;
  const { declaration, text } = privacy;
  return declaration.trim() === declaration && text === declaredStatement(declaration).text;
}
