// Texts of others that people are shown: on a terminal, a control character could hide or forge what stands around it.
//
// One rule for what is declared, sent, shown and written down. It has no unassigned characters in it, as which these are
// depends on the version of Node.

/** Text without control characters, line ends, what turns or hides other characters, and half characters. */
export const PLAIN_TEXT = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u;

/** What `text` says in one line, of any length, with spaces in place of what is not plain. */
export function plainLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ');
}

/** Whether every text in a statement or a plan is plain, names of fields too. */
export function isPlain(value: unknown): boolean {
  const left = [value]; // not by recursion: a stranger decides how deep it is
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === 'string' && !PLAIN_TEXT.test(one)) return false;
    if (typeof one !== 'object' || one === null) continue;
    for (const [key, of] of Object.entries(one)) {
      if (!PLAIN_TEXT.test(key)) return false;
      left.push(of);
    }
  }
  return true;
}
