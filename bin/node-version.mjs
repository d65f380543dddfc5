// Says, before anything else is loaded, whether this Node is new enough: an old one fails later with a riddle.
// Written in old syntax on purpose, so that an old Node can read it.

import { readFileSync } from 'node:fs';

/**
 * Null where `version` (such as `20.19.1`) satisfies the package's `engines.node`, else a message with what to do.
 * @param {string} [version]
 * @returns {string | null}
 */
export function nodeProblem(version = process.versions.node) {
  const needed = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).engines.node;
  const least = numbers(needed);
  const have = numbers(version);
  const enough = have[0] > least[0] || (have[0] === least[0] && have[1] >= least[1]);
  if (enough) return null;
  return `align-fl needs Node ${needed}, but this is Node ${version}. Install a newer one from https://nodejs.org (24 is recommended) and run the same command again.`;
}

// --- internal ---

/**
 * Major and minor of `>=20.19` or `20.19.1`.
 * @param {string} text
 * @returns {[number, number]}
 */
function numbers(text) {
  const found = /(\d+)(?:\.(\d+))?/.exec(text) || [];
  return [Number(found[1] || 0), Number(found[2] || 0)];
}
