// Makes a clone ready to run: dependencies as package-lock.json says, dist/ as src/ says. Quick where nothing is to do.
// Every entrance (npm start, npm test, npx align-fl) passes here first; several at once wait for each other.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeProblem } from '../bin/node-version.mjs';
import { build, isBuilt, LOCK_NAME } from './build.mjs';
import { forgetInstalled, markInstalled, whyNotInstalled } from './installed.mjs';
import { isMain } from './is-main.mjs';
import { withLock } from './lock.mjs';
import { runProgram } from './run-program.mjs';

/**
 * Installs and builds what is missing or stale, saying so in a line each. Throws with the whole output where a step fails.
 * @param {string} root folder of the clone
 * @param {{ say?: (line: string) => void, npm?: readonly string[] }} [options]
 */
export async function setUp(root, { say = (line) => console.error(`align-fl: ${line}`), npm = NPM_CI } = {}) {
  if (whyNotInstalled(root) === null && isBuilt(root)) return;
  const onWait = () => say('another process is setting this clone up; waiting for it.');
  await withLock(
    join(root, LOCK_NAME),
    async (addHolder) => {
      const reason = whyNotInstalled(root); // again: another process may have done it meanwhile
      if (reason !== null) {
        say(`${reason}, so running npm ci (once, about half a minute).`);
        await install(root, npm, addHolder); // an npm that outlives us must not meet a second one
      }
      if (!isBuilt(root)) {
        say('building dist/.');
        await build(root);
      }
    },
    { onWait },
  );
}

/** `setUp` of this clone for a command line: checks Node first, prints problems plainly, and exits on failure. */
export async function setUpOrExit() {
  try {
    const problem = nodeProblem();
    if (problem !== null) throw new Error(problem);
    await setUp(dirname(dirname(fileURLToPath(import.meta.url))));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

// --- internal ---

/** Development tools are needed to build, and many of them live in optional packages, whatever the user's npm is set to. */
const NPM_CI = ['npm', 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];

/**
 * @param {string} root
 * @param {readonly string[]} command
 * @param {(pid: number) => void} onStart
 */
async function install(root, [program = '', ...args], onStart) {
  forgetInstalled(root);
  // The CPU and WebGPU libraries are inside of onnxruntime-node; its install script would only fetch those for CUDA.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const shell = process.platform === 'win32'; // npm is a .cmd file there
  const { code, output } = await runProgram(program, args, { cwd: root, env, shell, onStart });
  if (code !== 0) {
    throw new Error(
      `${[program, ...args].join(' ')} failed (${code === null ? 'stopped by a signal' : `exit code ${code}`}):\n\n${output}\n` +
        'What to do: check that the npm registry can be reached (npm ping), then run the same command again. ' +
        `If package.json was edited, run \`npm install\` in ${root} first, which brings package-lock.json up to date.`,
    );
  }
  markInstalled(root);
}

if (isMain(import.meta.url)) await setUpOrExit();
