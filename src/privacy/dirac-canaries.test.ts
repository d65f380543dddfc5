import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTwins, runOn, type Twins } from '../../test/twins.ts';
import { allocate, float32, sizeOf } from '../engine/array-spec.ts';
import { ShapeError } from '../errors.ts';
import { clippedGradients } from './clipped-gradients.ts';
import { canaryCoordinates, canaryExamples, canaryObjective } from './dirac-canaries.ts';

const CANARIES = 6;
const ROWS = 3;
type Inputs = { parameters: Record<string, np.Array>; x: np.Array; bits: np.Array; mask: np.Array };

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

/** One batch of canaries 4, 0 and (masked) 2, scaled by `factor`, wherever training stands. */
async function batch(gradientNorm: number, factor: number, at: number) {
  const objective = canaryObjective({ canaries: CANARIES, gradientNorm });
  const x = new Float32Array(ROWS * CANARIES).fill(9);
  canaryExamples(CANARIES, [0, 2, 4]).read([2, 0, 1], x);
  const parameters = Object.fromEntries(
    Object.entries(objective.parameters).map(([name, spec]) => [
      `parameters.${name}`,
      new Float32Array(sizeOf(spec)).fill(at),
    ]),
  );
  const f = (inputs: Inputs) => {
    const { gradients, squaredNorms, tensorSquaredNorms, terms } = clippedGradients(objective, inputs, {
      isProtected: () => true,
      others: 'none',
      factors: (squares) => squares.mul(0).add(factor),
    });
    tensorSquaredNorms.dispose();
    terms['loss']?.dispose();
    return { gradients, squaredNorms };
  };
  const outputs = await runOn(twins.native, 'canaries', {
    f: f as never,
    specs: {
      parameters: objective.parameters,
      x: float32(ROWS, CANARIES),
      bits: objective.bits(ROWS),
      mask: float32(ROWS),
    },
    inputs: { ...parameters, x, bits: allocate(objective.bits(ROWS)) as Uint32Array, mask: Float32Array.of(1, 1, 0) },
  });
  const sum = Object.fromEntries(
    Object.keys(objective.parameters).map((name) => [name, outputs[`gradients.${name}`] as Float32Array]),
  );
  return { sum, squaredNorms: outputs['squaredNorms'] as Float32Array };
}

describe('canaries', () => {
  it.each([
    [10, 0],
    [3, -7],
  ])('have gradients of norm %f, wherever training stands', async (gradientNorm, at) => {
    const { squaredNorms } = await batch(gradientNorm, 1, at);
    for (const square of squaredNorms) expect(Math.sqrt(square)).toBeCloseTo(gradientNorm, 4);
  });

  it('show in their own coordinate what clipping left of them, and in no other', async () => {
    const clipNorm = 2;
    const { sum } = await batch(10, clipNorm / 10, 0);
    const seen = canaryCoordinates(sum, clipNorm);
    const expected = [1, 0, 0, 0, 1, 0];
    expected.forEach((value, i) => expect(seen[i]).toBeCloseTo(value, 5));
  });

  it('spread over two layers, so that clipping each of them alone lets too much through', () => {
    // both tensors at the bound: (1 + 1) / sqrt 2
    const one = Float32Array.of(1);
    const seen = canaryCoordinates({ 'decoder.first.weight': one, 'decoder.second.weight': one }, 1);
    expect(seen[0]).toBeCloseTo(Math.SQRT2, 12);
  });

  it('keep noise as wide as it was: two coordinates of variance 1 become one', () => {
    const seen = (first: number, second: number) =>
      canaryCoordinates(
        { 'decoder.first.weight': Float32Array.of(first), 'decoder.second.weight': Float32Array.of(second) },
        1,
      )[0] as number;
    expect(seen(1, 0) ** 2 + seen(0, 1) ** 2).toBeCloseTo(1, 12);
  });

  it('refuse the gradients of anything else', () => {
    expect(() => canaryCoordinates({ weight: new Float32Array(3) }, 1)).toThrow(ShapeError);
  });
});
