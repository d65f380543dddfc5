import { expect, test } from 'vitest';
import { float32 } from '../engine/array-spec.ts';
import { SpecError } from '../errors.ts';
import { weightAverage } from './weight-average.ts';

const PARAMETERS = { a: float32(2), b: float32(1) };

function averaged(decay: number, values: readonly number[]) {
  const projection = weightAverage(PARAMETERS, decay);
  const memory = Object.fromEntries(
    Object.entries(projection.memory).map(([name, length]) => [name, new Float32Array(length).fill(7)]),
  );
  projection.begin(memory);
  for (const value of values) {
    const parameters = { a: Float32Array.of(value, -value), b: Float32Array.of(2 * value) };
    projection.step(parameters, memory);
    expect(parameters.a).toEqual(Float32Array.of(value, -value)); // training itself goes on undisturbed
  }
  return projection.finish({ a: Float32Array.of(0, 0), b: Float32Array.of(0) }, memory);
}

test('by hand: the first step counts whole, the second for 10 of 11, from then on up to the decay', () => {
  const [a] = averaged(0.5, [1, 2])['a'] as Float32Array;
  expect(a).toBeCloseTo(1 + (10 / 11) * (2 - 1), 6);
  // keep at step n is (n - 1) / (n + 9), which reaches 1/2 at n = 11
  const many = Array.from({ length: 12 }, (_, i) => i + 1);
  const wanted = many.reduce((mean, value, i) => mean + (1 - Math.min(0.5, i / (i + 10))) * (value - mean), 0);
  expect(averaged(0.5, many)['a']?.[0]).toBeCloseTo(wanted, 5);
});

test('a decay of zero is the last weights, and constant weights are their own average', () => {
  expect(averaged(0, [5, 3])).toEqual({ a: Float32Array.of(3, -3), b: Float32Array.of(6) });
  expect(averaged(0.999, [4, 4, 4])).toEqual({ a: Float32Array.of(4, -4), b: Float32Array.of(8) });
});

test.each([-0.1, 1, Number.NaN])('a decay of %d is refused', (decay) => {
  expect(() => weightAverage(PARAMETERS, decay)).toThrow(SpecError);
});
