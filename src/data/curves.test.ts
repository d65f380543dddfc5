import { describe, expect, it } from 'vitest';
import { boundingBox, chainThrough, type Point } from './curves.ts';

const CORNERS: readonly Point[] = [
  [0, 0],
  [2, 0],
  [2, 2],
  [0, 2],
];

describe('a line through points', () => {
  it('keeps its corners when straight', () => {
    expect([...chainThrough('straight', CORNERS)]).toEqual(CORNERS.flat());
  });

  it('passes through every point when curved, from the first to the last', () => {
    const chain = chainThrough('curve', CORNERS, 4);
    expect(chain).toHaveLength(2 * (3 * 4 + 1));
    CORNERS.forEach(([x, y], i) => expect([chain[8 * i], chain[8 * i + 1]]).toEqual([x, y]));
  });

  it('has the middle of a Catmull-Rom span by hand', () => {
    // (-p0 + 9 p1 + 9 p2 - p3) / 16 = ((0 + 18 + 18 - 0) / 16, (0 + 0 + 18 - 2) / 16)
    const chain = chainThrough('curve', CORNERS, 2);
    expect([chain[6], chain[7]]).toEqual([2.25, 1]);
  });

  it('comes back to its start as a loop, round all corners alike', () => {
    const chain = chainThrough('loop', CORNERS, 2);
    expect(chain).toHaveLength(2 * (4 * 2 + 1));
    expect([...chain.slice(-2)]).toEqual([0, 0]);
    const { left, right, top, bottom } = boundingBox([chain]);
    expect([left, right, top, bottom]).toEqual([-0.25, 2.25, -0.25, 2.25]);
  });

  it('stays on the line when its points do, at even distances', () => {
    const chain = chainThrough(
      'curve',
      [
        [0, 0],
        [1, 2],
        [2, 4],
        [3, 6],
      ],
      4,
    );
    for (let i = 0; i < chain.length; i += 2) expect(chain[i + 1]).toBeCloseTo(2 * (chain[i] as number), 12);
    expect([chain[10], chain[12]]).toEqual([1.25, 1.5]);
  });

  it('is straight through two points', () => {
    expect([
      ...chainThrough('curve', [
        [0, 1],
        [2, 3],
      ]),
    ]).toEqual([0, 1, 2, 3]);
  });
});
