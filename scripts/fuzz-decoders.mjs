// Fuzzes what comes from outside, for as long as it is told, and prints what it saw: docs/untrusted-decoders.md.
//
//     node scripts/fuzz-decoders.mjs --minutes 10 --seed 1 [--what decoders|messages|both]
//
// Of both, messages get a sixth of the time.
// Exits with 1 where something happened that must not; the cases lie in --out, each with how to make it again.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { decoderCase } from './fuzz/decoder-mutations.mjs';
import { openJudge } from './fuzz/judge-decoder.mjs';
import { judgeMessage } from './fuzz/judge-message.mjs';
import { messageCase } from './fuzz/message-mutations.mjs';
import { CLASSES, realDecoders, SHAPE } from './fuzz/real-decoders.mjs';
import { createUser } from '@nats-io/nkeys';
import { isMain } from './is-main.mjs';
import { setUpOrExit } from './set-up.mjs';

const LIMITS = { timeoutMs: 5000, memoryBytes: 2 ** 29 };

/** The compiled product. */
async function product() {
  const modules = [
    'engine/keys',
    'errors',
    'exchange/inspect',
    'exchange/lipschitz-certificate',
    'exchange/allowed-operators',
    'models/conditional-vae',
    'models/decoder-export',
    'models/initialise',
    'models/labelled-decoder',
    'models/linear-gaussian',
    'models/vae',
    'server/guarded-trial',
  ];
  const loaded = await Promise.all(modules.map((name) => import(`../dist/${name}.js`)));
  return Object.assign({}, ...loaded);
}

/**
 * @param {{ minutes: number, seed: number, out: string, from: number, cases: number }} options
 * @returns {Promise<boolean>} whether nothing happened that must not
 */
async function fuzzDecoders({ minutes, seed, out, from, cases }) {
  const made = await product();
  const decoders = realDecoders(made);
  const operators = [...made.ALLOWED_OPERATORS.keys()];
  mkdirSync(out, { recursive: true });
  const judge = openJudge(made, { folder: out, shape: SHAPE, classes: CLASSES, limits: LIMITS });
  const counts = new Map();
  const slowest = {
    inspection: { ms: 0, index: 0, bytes: 0 },
    certificate: { ms: 0, index: 0, bytes: 0 },
    trial: { ms: 0, index: 0, bytes: 0 },
  };
  const start = performance.now();
  let faults = 0;
  let index = from;
  for (; performance.now() - start < minutes * 60_000 && index - from < cases; index++) {
    const one = decoderCase(seed, index, decoders, operators);
    const verdict = await judge.judge(one, { tries: true, certificate: index % 4 === 0 });
    counts.set(verdict.outcome, (counts.get(verdict.outcome) ?? 0) + 1);
    for (const name of /** @type {const} */ (['inspection', 'certificate', 'trial'])) {
      const ms = verdict[`${name}Ms`];
      if (ms > slowest[name].ms) slowest[name] = { ms, index, bytes: one.bytes.length };
    }
    if (verdict.fault === null && verdict.outcome !== 'tried: trial-crashed') continue;
    if (verdict.fault !== null) faults++;
    const name = join(out, `${verdict.fault === null ? 'crash' : 'fault'}-${seed}-${index}`);
    writeFileSync(`${name}.onnx`, one.bytes);
    const again = `node scripts/fuzz-decoders.mjs --what decoders --seed ${seed} --from ${index} --cases 1`;
    writeFileSync(
      `${name}.txt`,
      `${again}\n${one.decoder.name}: ${one.changes.join(', ')}\n${verdict.outcome}\n${verdict.fault ?? ''}\n`,
    );
    if (verdict.fault !== null) console.log(`fault in case ${index}: ${verdict.fault.split('\n')[0]}`);
  }
  await judge.close();
  const total = index - from;
  console.log(
    `decoders: ${total} cases of seed ${seed} in ${((performance.now() - start) / 60_000).toFixed(1)} minutes`,
  );
  for (const [outcome, count] of [...counts].sort(([, a], [, b]) => b - a))
    console.log(`${String(count).padStart(8)}  ${outcome}`);
  for (const [name, { ms, index: at, bytes }] of Object.entries(slowest))
    console.log(`slowest ${name}: ${Math.round(ms)} ms (case ${at}, ${bytes} bytes)`);
  console.log(
    `largest process for trials: ${Math.round(judge.peakBytes() / 2 ** 20)} MiB of ${LIMITS.memoryBytes / 2 ** 20}; this one: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
  );
  console.log(`what must not happen: ${faults}`);
  return faults === 0;
}

/**
 * @param {{ minutes: number, seed: number, out: string, from: number, cases: number }} options
 * @returns {Promise<boolean>} whether nothing happened that must not
 */
async function fuzzMessages({ minutes, seed, out, from, cases }) {
  const [envelope, messages, errors] = await Promise.all(
    ['net/envelope', 'net/messages', 'errors'].map((name) => import(`../dist/${name}.js`)),
  );
  const judges = { ...envelope, ...messages, ...errors };
  const pair = createUser();
  const sender = { publicKey: pair.getPublicKey(), sign: (/** @type {Uint8Array} */ bytes) => pair.sign(bytes) };
  mkdirSync(out, { recursive: true });
  const counts = new Map();
  let slowest = { ms: 0, index: 0 };
  let faults = 0;
  let index = from;
  const start = performance.now();
  for (; performance.now() - start < minutes * 60_000 && index - from < cases; index++) {
    const one = messageCase(seed, index, { protocol: messages.PROTOCOL, sign: sender.sign });
    const { outcome, ms, fault } = judgeMessage(judges, sender, one);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (ms > slowest.ms) slowest = { ms, index };
    if (fault === null) continue;
    faults++;
    const name = join(out, `message-${seed}-${index}`);
    writeFileSync(`${name}.bin`, one.bytes);
    writeFileSync(`${name}.txt`, `${one.kind}, ${one.layer}: ${one.changes.join(', ')}\n${outcome}\n${fault}\n`);
    console.log(`fault in message ${index}: ${fault.split('\n')[0]}`);
  }
  console.log(
    `messages: ${index - from} cases of seed ${seed} in ${((performance.now() - start) / 60_000).toFixed(1)} minutes`,
  );
  for (const [outcome, count] of [...counts].sort(([, a], [, b]) => b - a))
    console.log(`${String(count).padStart(8)}  ${outcome}`);
  console.log(`slowest: ${Math.round(slowest.ms)} ms (case ${slowest.index}); what must not happen: ${faults}`);
  return faults === 0;
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string', default: 'fuzz-cases' },
      from: { type: 'string', default: '0' },
      cases: { type: 'string', default: 'Infinity' },
      what: { type: 'string', default: 'both' },
    },
  });
  await setUpOrExit();
  const { what, out } = values;
  const minutes = Number(values.minutes);
  const rest = { out, seed: Number(values.seed), from: Number(values.from), cases: Number(values.cases) };
  const ofMessages =
    what === 'decoders' || (await fuzzMessages({ ...rest, minutes: what === 'both' ? minutes / 6 : minutes }));
  const ofDecoders =
    what === 'messages' || (await fuzzDecoders({ ...rest, minutes: what === 'both' ? (minutes * 5) / 6 : minutes }));
  if (!ofMessages || !ofDecoders) process.exitCode = 1;
}
