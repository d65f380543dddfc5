import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runOn } from '../../test/twins.ts';
import { drawDigits } from '../data/drawn-digits.ts';
import { selectImages } from '../data/image-set.ts';
import { float32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { initialParameters } from '../models/initialise.ts';
import { type Parameters, sigmoid } from '../models/layers.ts';
import { vaeOf } from '../models/vae.ts';
import { createGlobalEvaluator } from './global-evaluator.ts';
import { probeCodes } from './probe.ts';

const KEY = seedKey('global-evaluator');
const IMAGES = drawDigits({ key: childKey(KEY, 'digits'), count: 1007, classes: [0, 1, 2] });
const VAE = vaeOf({ kind: 'mlp', hidden: [8], latent: 2 }, IMAGES.shape);
const PARAMETERS = initialParameters(VAE.parameters, childKey(KEY, 'init'));

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

const evaluator = (count: number, splits = 2) => {
  const test = selectImages(
    IMAGES,
    Array.from({ length: count }, (_, i) => i),
  );
  return createGlobalEvaluator({ engine, vae: VAE, test, classes: 3, key: KEY, splits });
};

/** Codes and reconstructions of all images at once. */
async function atOnce() {
  const x = Float32Array.from(IMAGES.images, (byte) => byte / 255);
  const named = Object.fromEntries(Object.entries(PARAMETERS).map(([name, values]) => [`parameters.${name}`, values]));
  const f = ({ parameters, x: batch }: { parameters: Parameters; x: Parameters[string] }) => {
    const { mean, logVariance } = VAE.encode(parameters, batch);
    logVariance.dispose();
    return { mean: mean.ref, pixels: sigmoid(VAE.decode(parameters, mean)) };
  };
  const specs = { parameters: VAE.parameters, x: float32(IMAGES.labels.length, VAE.pixels) };
  return runOn(engine, 'all at once', { f, specs, inputs: { ...named, x } });
}

describe('the judgement of a global model', () => {
  test.each([3, 500, 1007])(
    'codes and reconstructs each of %i images in its place, whatever the chunks',
    async (count) => {
      const { codes, reconstructions } = await (await evaluator(count)).encode(PARAMETERS);
      const whole = await atOnce();
      expect([codes.length, reconstructions.length]).toEqual([count * 2, count * 784]);
      const largest = (found: Float32Array, wanted: unknown) =>
        found.reduce((most, value, i) => Math.max(most, Math.abs(value - ((wanted as Float32Array)[i] as number))), 0);
      expect(largest(codes, whole['mean'])).toBeLessThan(1e-5);
      expect(largest(reconstructions, whole['pixels'])).toBeLessThan(1e-5);
    },
  );

  test('is the probe on the codes, and the mean squared error per pixel', async () => {
    const count = 60;
    const judge = await evaluator(count);
    const { codes, reconstructions } = await judge.encode(PARAMETERS);
    const { probe, reconstruction } = await judge.judge(PARAMETERS);
    const labels = IMAGES.labels.subarray(0, count);
    expect(probe).toEqual(probeCodes({ codes, dim: 2, labels, classes: 3, key: KEY, seeds: 2 }));
    let squares = 0;
    for (const [i, pixel] of reconstructions.entries()) squares += ((IMAGES.images[i] as number) / 255 - pixel) ** 2;
    expect(reconstruction.perPixel).toBeCloseTo(squares / reconstructions.length, 6);
  });

  test('is of the parameters it is given each time, and the same for the same', async () => {
    const judge = await evaluator(60);
    const first = await judge.judge(PARAMETERS);
    const other = await judge.judge(initialParameters(VAE.parameters, childKey(KEY, 'other')));
    expect(await judge.judge(PARAMETERS)).toEqual(first);
    expect(other).not.toEqual(first);
  });
});
