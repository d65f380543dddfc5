import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConvolutionAxis,
  countOf,
  inputsByOutput,
  inputsByTap,
  pairsByOutput,
  tapsByReversedOutput,
} from './convolution-axis.ts';

/** Kernel of three, stride two, one zero in front: y sees x[2 y - 1], x[2 y], x[2 y + 1]. */
const STRIDED: ConvolutionAxis = {
  inputs: 4,
  taps: 3,
  outputs: 2,
  inputStep: 1,
  tapStep: 1,
  outputStep: 2,
  before: 1,
};

/** Its transpose: a zero between the inputs, and the kernel's middle on the first output. */
const TRANSPOSED: ConvolutionAxis = { ...STRIDED, inputs: 2, outputs: 4, inputStep: 2, outputStep: 1 };

describe('the positions that meet', () => {
  it('are windows at the distance of the stride', () => {
    expect(inputsByTap([STRIDED])).toEqual([null, 1, 0, 2, 1, 3]); // a row for each tap
    expect(inputsByOutput([STRIDED])).toEqual([null, 0, 1, 1, 2, 3]); // a row for each output
  });

  it('are every second tap where the input is dilated', () => {
    expect(pairsByOutput([TRANSPOSED])).toEqual([
      [{ k: 1, u: 0 }],
      [
        { k: 0, u: 0 },
        { k: 2, u: 1 },
      ],
      [{ k: 1, u: 1 }],
      [{ k: 0, u: 1 }],
    ]);
  });

  it('of a transposed convolution, last output first, are those of the strided one that is its gradient', () => {
    // out[y] of the transposed kernel gradient reads w[2 u + before - y]; the strided convolution reads x[2 y + k - 1].
    const images = { inputs: 2, taps: 4, outputs: 3, inputStep: 2, tapStep: 1, outputStep: 1, before: 1 };
    expect(tapsByReversedOutput([images])).toEqual(inputsByTap([STRIDED]));
  });

  it('combine row by row, the last axis fastest', () => {
    const narrow = { ...STRIDED, inputs: 3, taps: 1, outputs: 2, before: 0 }; // y sees x[2 y]
    expect(inputsByTap([STRIDED, narrow])).toEqual([
      ...[null, null, 3, 5], // tap 0: rows -1 and 1, columns 0 and 2 of a 4 x 3 input
      ...[0, 2, 6, 8],
      ...[3, 5, 9, 11],
    ]);
  });

  it('without spatial axes are the one place there is', () => {
    expect(inputsByTap([])).toEqual([0]);
    expect(pairsByOutput([])).toEqual([[{ k: 0, u: 0 }]]);
    expect(countOf([], 'taps')).toBe(1);
  });

  it('are all that satisfy the equation, whichever of the three is sought', () => {
    const size = fc.integer({ min: 1, max: 5 });
    const step = fc.integer({ min: 1, max: 3 });
    const axis = fc.record({
      inputs: size,
      taps: size,
      outputs: size,
      inputStep: step,
      tapStep: step,
      outputStep: step,
      before: fc.integer({ min: -4, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(axis, { maxLength: 2 }), (axes) => {
        const [u, k, y] = [countOf(axes, 'inputs'), countOf(axes, 'taps'), countOf(axes, 'outputs')];
        const meetings = everyMeeting(axes);
        const byTap = inputsByTap(axes).map((at, i) => [at, Math.floor(i / y), i % y]);
        const byOutput = inputsByOutput(axes).map((at, i) => [at, i % k, Math.floor(i / k)]);
        // Reversing every axis reverses the flat order too.
        const byTaps = tapsByReversedOutput(axes).map((at, i) => [i % u, at, y - 1 - Math.floor(i / u)]);
        const inPairs = pairsByOutput(axes).flatMap((pairs, out) => pairs.map((pair) => [pair.u, pair.k, out]));
        for (const all of [byTap, byOutput, byTaps, inPairs]) {
          const found = all.filter((meeting) => !meeting.includes(null));
          expect(found).toHaveLength(meetings.length);
          expect(new Set(found.map(String))).toEqual(new Set(meetings.map(String)));
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

/** [u, k, y] of all that meet, by trying them all. */
function everyMeeting(axes: readonly ConvolutionAxis[]): number[][] {
  return axes.reduce<number[][]>(
    (found, a) =>
      found.flatMap(([u = 0, k = 0, y = 0]) =>
        range(a.inputs).flatMap((v) =>
          range(a.taps).flatMap((tap) =>
            range(a.outputs)
              .filter((out) => a.inputStep * v === a.outputStep * out + a.tapStep * tap - a.before)
              .map((out) => [u * a.inputs + v, k * a.taps + tap, y * a.outputs + out]),
          ),
        ),
      ),
    [[0, 0, 0]],
  );
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
