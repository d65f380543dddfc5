// What the walls of the house are: import ranks, bans, sizes. The one place to change when a wall moves; say why in
// docs/decisions/. `check-structure.mjs` enforces it, ARCHITECTURE.md explains it.

/**
 * The rooms of src/ from the ground up. A file may import from its own room and from lower ranks: never sideways, never up.
 * @type {readonly (readonly string[])[]}
 */
export const RANKS = [
  ['errors'], // src/errors.ts: everybody may throw
  ['engine', 'storage'], // traces and runs functions, named random keys; files that are never half written
  ['models'], // networks and losses as pure functions; the size of an image
  ['data', 'training'], // images; the one training loop. Neither knows the other
  ['privacy'], // clipping, noise, ledgers
  ['exchange', 'evaluation'], // what crosses a border, and how good it is
  ['silo', 'server'], // the two sides; neither knows the other
  ['federation'], // a round: brings the two sides together
  ['net'], // the way to a silo on another machine: protocol, identities, NATS
  ['experiments'], // whole runs from a spec
  ['report', 'dashboard', 'deployment'], // readers of the run folder; a run among organisations
  ['cli'], // prints, reads arguments, exits
];

/** Files directly in src/ that are rooms of their own, and the public list, which may import all rooms but is imported by none. */
export const ROOM_FILES = ['errors.ts'];
export const PUBLIC_LIST = 'index.ts';

/** Where a room must not even be reached, by any chain of imports that exist at run time. */
export const NEVER_REACHES = [
  {
    from: 'server',
    to: ['data', 'silo'],
    because: 'the server never meets a real image: move what it needs to a lower room',
  },
];

/** Lines of one file in src, test, bench or scripts. */
export const MAX_LINES = 400;

/** Names that say nothing about the idea inside. */
export const BANNED_NAMES = ['util', 'utils', 'helper', 'helpers', 'common', 'misc'];

/**
 * Words of code that belong to a few places only. `allowed` lists folders (with a slash at the end) and files of src/.
 * @type {readonly { rule: string, pattern: RegExp, allowed: readonly string[], advice: string }[]}
 */
export const RESTRICTED = [
  {
    rule: 'console',
    pattern: /\bconsole\s*\.|\bprocess\s*\.\s*(?:stdout|stderr)\b/g,
    allowed: ['cli/'],
    advice: 'only cli/ prints: return a value, emit an event, or throw',
  },
  {
    rule: 'process',
    pattern: /\bprocess\s*\.\s*(?:exit|exitCode|argv)\b/g,
    allowed: ['cli/'],
    advice: 'only cli/ reads arguments and exits: take a parameter, or throw',
  },
  {
    rule: 'randomness',
    pattern: /\bMath\s*\.\s*random\b/g,
    allowed: [],
    advice: 'take a Key (src/engine/keys.ts), so that a seed repeats the run',
  },
  {
    rule: 'clock',
    pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\b\s*(?:\(\s*\)|(?!\s*\())/g,
    allowed: [
      'experiments/run.ts', // stamps events and the summary; reaches no number
      'silo/silo-account.ts', // dates of a ledger's lines, for people
      'cli/main.ts', // date of a budget, for people
    ],
    advice: 'the time of day must not reach the logic: take it as a parameter',
  },
  {
    rule: 'stopwatch',
    pattern: /\bperformance\s*\.\s*now\b|\bhrtime\b/g,
    allowed: [
      'cli/',
      'federation/silo-thread.ts', // how often progress is told
      'experiments/play-strategy.ts', // seconds per stage, for the summary
      'training/round-training.ts', // how often state is saved; changes no number
    ],
    advice:
      'a duration must not decide any number: take a clock as a parameter, or list the file in scripts/structure-rules.mjs with the reason',
  },
];
