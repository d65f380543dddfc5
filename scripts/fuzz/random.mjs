// Seeded random choices for fuzzing: the same seed gives the same cases on every machine.

/**
 * @typedef {object} Random
 * @property {() => number} unit in [0, 1)
 * @property {(count: number) => number} below a whole number from 0 to count - 1
 * @property {(share: number) => boolean} chance
 * @property {<T>(list: readonly T[]) => T} pick of a list that is not empty
 * @property {(length: number) => Uint8Array} bytes
 */

/**
 * Mulberry32: 32 bits of state, which is plenty for choosing cases.
 * @param {number} seed
 * @returns {Random}
 */
export function randomFrom(seed) {
  let state = seed >>> 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (/** @type {number} */ count) => Math.floor(unit() * count);
  return {
    unit,
    below,
    chance: (share) => unit() < share,
    pick: (list) => /** @type {any} */ (list[below(list.length)]),
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}

/**
 * The seed of one case of a run: knowing it, the case can be made alone.
 * @param {number} seed of the run
 * @param {number} index
 */
export function caseSeed(seed, index) {
  return (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35)) >>> 0;
}
