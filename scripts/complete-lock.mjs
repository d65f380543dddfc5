// Completes package-lock.json after `npm install` from a registry mirror that does not carry the native packages of every
// system: npm leaves those out of the lock file then, and `npm ci` refuses such a lock. Run: node scripts/complete-lock.mjs

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMain } from './is-main.mjs';

/**
 * The optional packages that others ask for by exact version and the lock file lacks, as entries to add. They carry no
 * integrity, as nobody here has seen them; npm installs them on their own system only.
 * @param {Record<string, any>} packages the `packages` of a lock file
 * @returns {Record<string, any>}
 */
export function missingOptionals(packages) {
  /** @type {Record<string, any>} */
  const missing = {};
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (packages[`${path}/node_modules/${name}`] !== undefined || packages[`node_modules/${name}`] !== undefined)
        continue;
      const system = systemOf(name);
      if (system === null || !/^\d+\.\d+\.\d+\S*$/.test(version)) continue; // not a native package: npm knows how to get it
      missing[`node_modules/${name}`] = { version, ...system, ...(entry.dev ? { dev: true } : {}), optional: true };
    }
  }
  return missing;
}

// --- internal ---

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];

/**
 * `{ os, cpu, libc }` as npm's lock file writes them, from names such as `@oxlint/binding-linux-x64-musl`.
 * @param {string} name
 */
function systemOf(name) {
  const words = name.split(/[/-]/);
  const at = words.findIndex((word) => SYSTEMS.includes(word));
  const [os, cpu, abi = ''] = words.slice(at);
  if (at < 0 || os === undefined || cpu === undefined) return null;
  const libc =
    os !== 'linux' ? undefined : abi.startsWith('musl') ? 'musl' : abi.startsWith('gnu') ? 'glibc' : undefined;
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }) };
}

if (isMain(import.meta.url)) {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const missing = missingOptionals(lock.packages);
  const entries = Object.entries({ ...lock.packages, ...missing }).sort(([a], [b]) => a.localeCompare(b, 'en'));
  if (Object.keys(missing).length > 0) {
    writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(entries) }, null, 2)}\n`);
  }
  console.log(`align-fl: ${Object.keys(missing).length} entries added to package-lock.json.`);
}
