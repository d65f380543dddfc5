// Starts another program and collects what it says, so that it is silent unless something goes wrong.

import { spawn } from 'node:child_process';

/**
 * Exit code (null where a signal ended it, 127 where it could not be started) and all output, both streams in order.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, shell?: boolean, onStart?: (pid: number) => void }} options
 * @returns {Promise<{ code: number | null, output: string }>}
 */
export function runProgram(program, args, { cwd, env = process.env, shell = false, onStart }) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env, shell, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid !== undefined) onStart?.(child.pid);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ code, output }));
  });
}
