// The command line in this process, and what it says.

import { vi } from 'vitest';
import { main } from '../src/cli/main.ts';

/** Runs a command line; returns its exit code and what it printed. */
export async function said(...argv: readonly string[]) {
  const text = { stdout: '', stderr: '' };
  const keep = (name: keyof typeof text) => (part: unknown) => {
    text[name] += String(part);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(keep('stdout'));
  vi.spyOn(process.stderr, 'write').mockImplementation(keep('stderr'));
  try {
    return { code: await main(argv), ...text };
  } finally {
    vi.restoreAllMocks();
  }
}
