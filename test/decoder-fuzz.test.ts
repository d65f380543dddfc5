// A short portion of scripts/fuzz-decoders.mjs, always the same: files made of real decoders are refused or sound.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { decoderCase } from '../scripts/fuzz/decoder-mutations.mjs';
import { openJudge } from '../scripts/fuzz/judge-decoder.mjs';
import { CLASSES, realDecoders, SHAPE } from '../scripts/fuzz/real-decoders.mjs';
import { normals, seedKey } from '../src/engine/keys.ts';
import { AlignError, ReleaseError } from '../src/errors.ts';
import { ALLOWED_OPERATORS } from '../src/exchange/allowed-operators.ts';
import { inspectDecoder } from '../src/exchange/inspect.ts';
import { lipschitzCertificate } from '../src/exchange/lipschitz-certificate.ts';
import { conditionalVaeOf } from '../src/models/conditional-vae.ts';
import { exportDecoder } from '../src/models/decoder-export.ts';
import { initialParameters } from '../src/models/initialise.ts';
import { exportLabelledDecoder } from '../src/models/labelled-decoder.ts';
import { linearGaussianOf } from '../src/models/linear-gaussian.ts';
import { vaeOf } from '../src/models/vae.ts';
import { openDecoderTrials } from '../src/server/guarded-trial.ts';

const SEED = 20_251_213;
const CASES = 120;
const TRIALS = 12; // of those that inspection lets through: a trial takes longer than all else

const makers = { vaeOf, conditionalVaeOf, linearGaussianOf, initialParameters, exportDecoder, exportLabelledDecoder };
const decoders = realDecoders({ ...makers, seedKey, normals });
const operators = [...ALLOWED_OPERATORS.keys()];
const caseAt = (index: number) => decoderCase(SEED, index, decoders, operators);

const folder = mkdtempSync(join(tmpdir(), 'align-fl-fuzz-'));
const judge = openJudge(
  { inspectDecoder, lipschitzCertificate, openDecoderTrials, AlignError, ReleaseError, seedKey },
  { folder, shape: SHAPE, classes: CLASSES, limits: { timeoutMs: 5000, memoryBytes: 2 ** 29 } },
);
afterAll(async () => {
  await judge.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each(decoders)('$name: the decoder that cases are made of is sound', async (decoder) => {
  const unchanged = { bytes: decoder.bytes, decoder, changes: [] };
  expect(await judge.judge(unchanged, { tries: true, certificate: true })).toMatchObject({
    outcome: 'accepted, and sound',
    fault: null,
  });
});

test('a case is the same whenever it is made', () => {
  for (const index of [0, 7, 99]) expect(caseAt(index)).toEqual(caseAt(index));
});

test(`of ${CASES} decoders that were changed, each is refused in time or sound, and nobody is hurt`, async () => {
  const outcomes = new Set<string>();
  let trials = 0;
  for (let index = 0; index < CASES; index++) {
    const one = caseAt(index);
    const { outcome, fault } = await judge.judge(one, { tries: trials < TRIALS, certificate: index % 4 === 0 });
    expect(fault, `case ${index}, ${one.decoder.name}: ${one.changes.join(', ')}`).toBe(null);
    outcomes.add(outcome);
    if (/^tried|sound$/.test(outcome)) trials++;
  }
  expect(outcomes.size).toBeGreaterThan(10); // the changes reach well behind the first check
  expect([...outcomes].some((outcome) => outcome.startsWith('tried: '))).toBe(true);
});
