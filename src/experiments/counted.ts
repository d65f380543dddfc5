// A number of things in words.

/** `1 silo`, `3 silos`; `what` is the word for one. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
