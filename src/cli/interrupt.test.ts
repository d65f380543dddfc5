// Against the compiled module, in processes of their own: a signal that ends a process would end the tests.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';

const COMPILED = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'interrupt.js');
/** Works until it is stopped, and a moment longer; tells what happens. */
const PROGRAM = `
import { onInterrupt } from ${JSON.stringify(COMPILED)};
import { writeSync } from 'node:fs';
const say = (word) => writeSync(1, word + '\\n');
process.on('exit', () => say('exit'));
const work = setInterval(() => {}, 1000);
const abort = new AbortController();
if (process.argv[1] === 'late') await new Promise((done) => process.once('disconnect', done));
const stopListening = onInterrupt(abort, () => say('asked'));
abort.signal.addEventListener('abort', () => setTimeout(() => { say('stopped'); stopListening(); clearInterval(work); }, 100));
say('works');
`;

describe.skipIf(process.platform === 'win32')('a command that is asked to stop', () => {
  const living = new Set<ChildProcess>();
  afterEach(() => {
    for (const child of living) child.kill('SIGKILL');
    living.clear();
  });
  const begun = async (...args: readonly string[]) => {
    const execArgv = ['--input-type=module', '--eval', PROGRAM];
    const child = fork('-', args, { execArgv, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    living.add(child);
    let text = '';
    const said = new Promise<string>((done) =>
      child.stdout?.on('data', (part) => (text += part)).on('end', () => done(text)),
    );
    const until = async (word: string) => {
      while (!text.includes(word)) await once(child.stdout as NodeJS.ReadableStream, 'data');
    };
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
    return { child, until, end: async () => ({ how: await ended, words: (await said).trim().split('\n') }) };
  };

  const toldTwice = async (signal: 'SIGINT' | 'SIGHUP') => {
    const { child, until, end } = await begun();
    for (const word of ['works', 'asked']) {
      await until(word);
      child.kill(signal);
    }
    return end();
  };

  test.each(['SIGINT', 'SIGTERM'] as const)('by %s stops cleanly', async (signal) => {
    const { child, until, end } = await begun();
    await until('works');
    child.kill(signal);
    expect(await end()).toEqual({ how: [0, null], words: ['works', 'asked', 'stopped', 'exit'] });
  });

  test('a second time ends at once, by that signal, but not without what its exit has to clean up', async () => {
    expect(await toldTwice('SIGINT')).toEqual({ how: [null, 'SIGINT'], words: ['works', 'asked', 'exit'] });
  });

  test('by a terminal that is closed, which some say twice, stops cleanly and ends by SIGHUP', async () => {
    expect(await toldTwice('SIGHUP')).toEqual({ how: [null, 'SIGHUP'], words: ['works', 'asked', 'stopped', 'exit'] });
  });

  test.each(['in time', 'late'])('by the end of who started it stops cleanly, when it listens %s', async (when) => {
    const { child, until, end } = await begun(when);
    if (when === 'in time') await until('works');
    child.disconnect();
    expect(await end()).toEqual({ how: [0, null], words: ['works', 'asked', 'stopped', 'exit'] });
  });
});
