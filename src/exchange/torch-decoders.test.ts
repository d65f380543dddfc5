import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { inspectDecoder } from './inspect.ts';
import { probeDecoder } from './probe.ts';

// The command that made them stands in test/reference/torch-decoders.py.
const DECODERS = JSON.parse(
  readFileSync(new URL('../../test/reference/torch-decoders.json', import.meta.url), 'utf8'),
) as {
  name: string;
  free: boolean;
  classes: number | null;
  onnx: string;
  z: number[];
  shape: [number, number, number, number];
  x: number[];
}[];

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

describe.each(DECODERS)('$name, exported by PyTorch,', (decoder) => {
  const bytes = new Uint8Array(Buffer.from(decoder.onnx, 'base64'));
  const { classes } = decoder;
  const [n, channels, height, width] = decoder.shape;
  const latent = decoder.z.length / n;
  const shape = { channels, height, width };

  test('passes inspection and the trial draw', async () => {
    const contract = inspectDecoder(bytes, { shape, classes: decoder.classes });
    expect(contract).toMatchObject({
      latent,
      shape,
      batch: decoder.free ? null : n,
      sizeBytes: bytes.length,
      classes: decoder.classes,
    });
    await probeDecoder(engine, bytes, contract, { key: seedKey('torch') });
  });

  test('draws the images that PyTorch draws', async () => {
    const program = await engine.openModel(bytes, {
      label: 'decoder',
      inputs: [
        { name: 'z', dtype: 'float32', shape: [n, latent] },
        ...(classes === null ? [] : [{ name: 'class', dtype: 'float32', shape: [n, classes] } as const]),
      ],
      outputs: [{ name: 'x', dtype: 'float32', shape: decoder.shape }],
    });
    const x = new Float32Array(decoder.x.length);
    const labels = Float32Array.from({ length: n * (classes ?? 0) }, (_, i) => {
      const [row, label] = [Math.floor(i / (classes ?? 1)), i % (classes ?? 1)];
      return row % (classes ?? 1) === label ? 1 : 0;
    });
    await program.bind({ z: Float32Array.from(decoder.z), ...(classes !== null && { class: labels }) }, { x })();
    const difference = x.map((value, i) => Math.abs(value - (decoder.x[i] as number)));
    expect(Math.max(...difference)).toBeLessThan(1e-5);
  });
});
