import { expect, test } from 'vitest';
import { numpy as np } from '@jax-js/jax';
import { seedKey, uniforms } from '../engine/keys.ts';
import { lowPass } from './low-pass.ts';

const SHAPE = { channels: 2, height: 4, width: 6 };
const image = () => Float32Array.from(uniforms(seedKey('low-pass'), 96));
const filtered = async (x: Float32Array, frequencies: number) => {
  const out = lowPass(np.array(x, { shape: [2, 48] }), SHAPE, frequencies);
  return Float32Array.from((await out.data()) as Float32Array);
};

test('with all frequencies an image stays as it is', async () => {
  const x = image();
  const y = await filtered(x, 6);
  for (const [i, value] of y.entries()) expect(value).toBeCloseTo(x[i] as number, 5);
});

test('with one frequency each channel is its mean everywhere', async () => {
  const x = image();
  const y = await filtered(x, 1);
  for (let plane = 0; plane < 4; plane++) {
    const own = x.subarray(plane * 24, (plane + 1) * 24);
    const mean = own.reduce((sum, value) => sum + value, 0) / 24;
    for (const value of y.subarray(plane * 24, (plane + 1) * 24)) expect(value).toBeCloseTo(mean, 5);
  }
});

test('done twice it does no more', async () => {
  const once = await filtered(image(), 3);
  const twice = await filtered(once, 3);
  for (const [i, value] of twice.entries()) expect(value).toBeCloseTo(once[i] as number, 5);
});
