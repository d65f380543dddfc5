import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { normals, seedKey } from '../engine/keys.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { createPriorSampler } from './prior-samples.ts';

const KEY = seedKey('prior');

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

test('images are the decoder of z ~ N(0, I), by hand for one layer, whatever the rows of a run', async () => {
  const vae = vaeOf({ kind: 'mlp', hidden: [], latent: 2 }, { channels: 1, height: 1, width: 3 });
  const parameters = initialParameters(vae.parameters, seedKey('model'));
  const weight = parameters['decoder.0.weight'] ?? new Float32Array(0);
  const bias = parameters['decoder.0.bias'] ?? new Float32Array(0);
  const z = normals(KEY, 10);
  const byHand = Array.from({ length: 15 }, (_, at) => {
    const [n, d] = [Math.floor(at / 3), at % 3];
    const logit = [0, 1].reduce((sum, l) => sum + z[2 * n + l]! * weight[3 * l + d]!, bias[d]!);
    return 1 / (1 + Math.exp(-logit));
  });
  for (const rows of [2, 5, 8]) {
    const sample = await createPriorSampler(engine, vae, rows);
    const images = await sample(parameters, { count: 5, key: KEY });
    expect(images).toHaveLength(15);
    images.forEach((pixel, at) => expect(pixel).toBeCloseTo(byHand[at]!, 5));
  }
});
