// A short portion of what scripts/fuzz-decoders.mjs does with messages, always the same: they are valid, or dropped.

import { createUser } from '@nats-io/nkeys';
import { expect, test } from 'vitest';
import { judgeMessage } from '../scripts/fuzz/judge-message.mjs';
import { messageCase } from '../scripts/fuzz/message-mutations.mjs';
import { MessageError } from '../src/errors.ts';
import { openMessage, sealMessage } from '../src/net/envelope.ts';
import { MESSAGES, PROTOCOL } from '../src/net/messages.ts';

const SEED = 20_251_213;
const CASES = 100;
const pair = createUser();
const sender = { publicKey: pair.getPublicKey(), sign: (bytes: Uint8Array) => pair.sign(bytes) };

test(`of ${CASES} messages that were changed, each is opened as it was signed, or dropped with a reason`, () => {
  const outcomes = new Set<string>();
  const kinds = new Set<string>();
  for (let index = 0; index < CASES; index++) {
    const one = messageCase(SEED, index, { protocol: PROTOCOL, sign: sender.sign });
    const { outcome, fault } = judgeMessage({ openMessage, sealMessage, MESSAGES, MessageError }, sender, one);
    expect(fault, `case ${index}, ${one.kind}, ${one.layer}: ${one.changes.join(', ')}`).toBe(null);
    outcomes.add(outcome);
    kinds.add(one.kind);
  }
  expect(kinds).toEqual(new Set(Object.keys(MESSAGES)));
  expect(outcomes.size).toBeGreaterThan(6); // the changes reach well behind the first check
});
