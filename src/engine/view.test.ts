import { describe, expect, it } from 'vitest';
import {
  alignTo,
  type Base,
  broadcastView,
  reshapeView,
  tensorInOrder,
  transposeView,
  varyingAxes,
  wholeView,
} from './view.ts';

/** A base that tells in which order it was asked for. */
const base = (...shape: number[]): Base => ({ shape, inOrder: (order) => `x(${order.join()})` });
const view = (...shape: number[]) => wholeView(base(...shape), 'float32');
const noReshape = () => {
  throw new Error('no reshape expected');
};

describe('views', () => {
  it('count axes of length one as constant', () => {
    expect(view(2, 1, 3).axes).toEqual([0, null, 2]);
    expect(varyingAxes(view(2, 1, 3))).toEqual([0, 2]);
  });

  it('transpose by renaming axes', () => {
    const moved = transposeView(view(2, 3, 4), [2, 0, 1]);
    expect(moved).toMatchObject({ axes: [2, 0, 1], shape: [4, 2, 3] });
    expect(tensorInOrder(moved, [0, 1, 2], noReshape)).toBe('x(2,0,1)');
    expect(tensorInOrder(moved, [1, 2, 0], noReshape)).toBe('x(0,1,2)');
  });

  it('broadcast by constant axes: new ones, leading ones, and those of length one', () => {
    expect(broadcastView(view(3), [2, 3], [0])).toMatchObject({ axes: [null, 0], shape: [2, 3] });
    expect(broadcastView(view(2, 3), [2, 5, 3], [1])).toMatchObject({ axes: [0, null, 1], shape: [2, 5, 3] });
    expect(alignTo(view(1, 3), [7, 4, 3])).toMatchObject({ axes: [null, null, 1], shape: [7, 4, 3] });
  });

  it('reshape where only axes of length one come and go, and not where elements would move', () => {
    expect(reshapeView(view(2, 1, 3), [2, 3, 1])).toMatchObject({ axes: [0, 2, null], shape: [2, 3, 1] });
    expect(reshapeView(transposeView(view(2, 3), [1, 0]), [3, 1, 2])).toMatchObject({ axes: [1, null, 0] });
    expect(reshapeView(broadcastView(view(3), [2, 3], [0]), [2, 1, 3])).toMatchObject({ axes: [null, null, 0] });
    expect(reshapeView(view(2, 3), [3, 2])).toBeNull();
    expect(reshapeView(view(2, 3), [6])).toBeNull();
  });

  it('reshape the base only to drop its axes of length one', () => {
    const asked: number[][] = [];
    const reshape = (tensor: string, shape: readonly number[]) => {
      asked.push([...shape]);
      return `reshaped ${tensor}`;
    };
    expect(tensorInOrder(view(2, 1, 3), [0, 2], reshape)).toBe('reshaped x(0,1,2)');
    expect(tensorInOrder(view(2, 1, 3), [2, 0], reshape)).toBe('reshaped x(2,0,1)');
    expect(asked).toEqual([
      [2, 3],
      [3, 2],
    ]);
  });
});
