// Text in messages that people are shown: on a terminal, a control character could hide or forge what stands around it.

/** Text without control characters, half characters, and what cannot be seen. */
export const PLAIN_WORDS = /^\P{C}*$/u;

/** What `text` says, for a message: 500 characters at most, with spaces in place of what may not go into one. */
export function plainWords(text: string): string {
  return plainLine(text.slice(0, 500));
}

/** What `text` says in one line, of any length, with spaces in place of what could hide or forge what stands around it. */
export function plainLine(text: string): string {
  return text.replaceAll(/\p{C}/gu, ' ');
}

/** Whether every text in a statement or a plan is plain, names of fields too. */
export function isPlain(value: unknown): boolean {
  const left = [value]; // not by recursion: a stranger decides how deep it is
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === 'string' && !PLAIN_WORDS.test(one)) return false;
    if (typeof one !== 'object' || one === null) continue;
    for (const [key, of] of Object.entries(one)) {
      if (!PLAIN_WORDS.test(key)) return false;
      left.push(of);
    }
  }
  return true;
}
