// A long-lived process that answers timing requests as JSON lines: ours, or PyTorch's.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Starts a timer. `ask` sends one request and waits for its answer; `close` ends the process.
 * @param {string} command
 * @param {readonly string[]} args
 */
export function startTimer(command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** @param {object} request */
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ${args.join(' ')} ended without an answer.`);
      const answer = JSON.parse(value);
      if (answer.error) throw new Error(`${command} ${args.join(' ')}: ${answer.error}`);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}
