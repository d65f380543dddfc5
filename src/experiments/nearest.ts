// "Did you mean": the known words nearest to a mistyped one.

/**
 * Candidates within a third of `word`'s length in edits (at least one edit), the nearest first, at most `limit` of them.
 * Small and capital letters count as equal.
 */
export function nearest(word: string, candidates: readonly string[], limit = 1): string[] {
  const tolerance = Math.max(1, Math.floor(word.length / 3));
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, edits: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= tolerance)
    .sort((a, b) => a.edits - b.edits) // stable: equal ones stay in the order given
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

/** `; did you mean "a" or "b"?`, or nothing where no candidate is near. */
export function didYouMean(word: string, candidates: readonly string[], limit = 1): string {
  const near = nearest(word, candidates, limit).map((candidate) => `"${candidate}"`);
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
 * Words beyond 200 letters are compared by their first 200.
 */
export function editDistance(a: string, b: string): number {
  const [from, to] = [a.slice(0, 200), b.slice(0, 200)];
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (swapped) best = Math.min(best, at(beforeLast, j - 2) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, to.length);
}

// --- internal ---

function at(row: readonly number[], index: number): number {
  return row[index] as number;
}
