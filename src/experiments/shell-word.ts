// Commands in texts for people, which they may copy into a shell.

/** `text` as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w./@:+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
