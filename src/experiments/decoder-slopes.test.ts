import { afterAll, beforeAll, expect, test } from 'vitest';
import { handMadeDecoder, HAND_MADE_SHAPE } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { lipschitzCertificate } from '../exchange/lipschitz-certificate.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import { decoderSlopes } from './decoder-slopes.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

test('every decoder that arrived is measured, below what its weights certify; other uploads have no slope', async () => {
  const onnx = handMadeDecoder();
  const decoder = { bytes: async () => onnx, sha256: '', sizeBytes: onnx.length };
  const uploads = ['north', 'east'].map((silo) => ({ kind: 'decoder', silo, round: 1, decoder, privacy: NO_PRIVACY }));
  const weights = { kind: 'weights', silo: 'west', round: 1, weights: {}, examples: 1, privacy: NO_PRIVACY };
  const measured = (round: number) =>
    decoderSlopes({
      engine,
      uploads: [...uploads, weights] as unknown as readonly ReceivedUpload[],
      round,
      shape: HAND_MADE_SHAPE,
      key: seedKey('slopes'),
    });
  const found = await measured(1);
  expect(Object.keys(found)).toEqual(['north', 'east']);
  const { north, east } = found;
  expect(north?.largest).not.toBe(east?.largest); // each looks at codes of its own
  for (const slope of [north, east]) {
    expect(slope?.draws).toBe(32);
    expect(slope?.largest).toBeGreaterThan(slope?.mean as number);
    expect(slope?.largest).toBeLessThan(lipschitzCertificate(onnx).bound);
  }
  expect(await measured(1)).toEqual(found);
});
