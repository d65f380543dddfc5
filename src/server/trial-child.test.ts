import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test, vi } from 'vitest';
import { startTrialChild, type TrialChild, type TrialLimits } from './trial-child.ts';
import type { TrialRequest } from './trial-messages.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'align-fl-child-'));
const LIMITS: TrialLimits = { timeoutMs: 20_000, memoryBytes: 2 ** 28, trialsPerProcess: 4 };
const REQUEST = { file: '/nowhere' } as TrialRequest; // our programs below read nothing of it
const started: TrialChild[] = [];
afterAll(async () => {
  await Promise.all(started.map((child) => child.end()));
  rmSync(FOLDER, { recursive: true, force: true });
});

/** A process that says it is ready, and then does `code` with `say` at hand. */
function childThat(code: string): TrialChild {
  const file = join(FOLDER, `${started.length}.mjs`);
  const say = `const say = (text) => { for (let at = 0; at < text.length; at += 65536) writeSync(3, text.slice(at, at + 65536)); };`;
  const start = `say('{"kind":"ready"}\\n');\nprocess.stdin.on('data', () => {});\n`;
  writeFileSync(file, `import { writeFileSync, writeSync } from 'node:fs';\n${say}\n${start}${code}`);
  const child = startTrialChild({ engine: {} }, LIMITS, pathToFileURL(file));
  started.push(child);
  return child;
}

async function answerOf(child: TrialChild, timeoutMs = LIMITS.timeoutMs) {
  expect(await child.ready(LIMITS)).toEqual({ kind: 'ready' });
  return child.ask(REQUEST, { timeoutMs });
}
const onRequest = (code: string) => `let told = 0; process.stdin.on('data', () => { ${code} });`;

test.each<readonly [string, string, object]>([
  ['exits', 'process.exit(3)', { kind: 'ended', why: 'crashed', detail: 'exit code 3' }],
  ['is killed by native code', 'process.kill(process.pid, "SIGSEGV")', { why: 'crashed', detail: 'signal SIGSEGV' }],
  [
    'throws',
    'throw new Error("of its own")',
    { why: 'crashed', detail: expect.stringContaining('of its own') as string },
  ],
  ['says what is no JSON', 'say("hello\\n")', { why: 'crashed' }],
  ['says what is no answer', 'say(`{"kind":"okay"}\\n`)', { why: 'crashed' }],
  ['says more than it was asked', 'say(`{"kind":"ok","and":"more"}\\n`)', { why: 'crashed' }],
  ['talks without an end', 'say("x".repeat(1 << 22))', { why: 'crashed' }],
  ['fills its heap', 'const all = []; for (;;) all.push(new Array(1000).fill(all.length))', { why: 'memory' }],
  [
    'fills memory elsewhere',
    'const all = []; setInterval(() => all.push(Buffer.alloc(1 << 24, 1)), 1)',
    { why: 'memory' },
  ],
])('a process that %s has ended, and its parent lives', async (_, code, expected) => {
  const child = childThat(onRequest(code));
  expect(await answerOf(child)).toMatchObject(expected);
  await vi.waitFor(() => expect(child.isAlive()).toBe(false));
});

test('a process that does not answer is killed when its time is over', async () => {
  const child = childThat(onRequest('for (;;);'));
  expect(await answerOf(child, 100)).toMatchObject({ kind: 'ended', why: 'timeout' });
});

test('a process has no environment, and can write no file', async () => {
  vi.stubEnv('ALIGN_FL_SECRET', 'hush');
  const file = join(FOLDER, 'written');
  const child = childThat(
    onRequest(`let wrote = 'nothing';
    process.on('SIGXFSZ', () => {});
    try { writeFileSync(${JSON.stringify(file)}, 'x'.repeat(100_000)); wrote = 'a file'; } catch (error) { wrote = error.code; }
    say(JSON.stringify({ kind: 'failed', device: false, message: [wrote, ...Object.keys(process.env)].join() }) + '\\n');`),
  );
  const answer = await answerOf(child);
  const [wrote, ...names] = ('message' in answer ? answer.message : '').split(',');
  expect(names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_', 'LD_LIBRARY_PATH'].includes(name))).toEqual([]);
  if (process.platform === 'linux') expect(wrote).toBe('EFBIG');
});
