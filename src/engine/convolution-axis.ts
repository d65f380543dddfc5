// Which elements of a convolution's input, kernel and output meet, along one spatial axis and along all of them.

/**
 * One spatial axis: `out[y]` is the sum of `x[u] * w[k]` over all u and k with
 * `inputStep * u = outputStep * y + tapStep * k - before`. Any two of u, k and y leave at most one choice for the third.
 */
export interface ConvolutionAxis {
  /** Length of x; u counts it. */
  readonly inputs: number;
  /** Length of w; k counts it. */
  readonly taps: number;
  /** Length of the result; y counts it. */
  readonly outputs: number;
  /** Input dilation. */
  readonly inputStep: number;
  /** Kernel dilation. */
  readonly tapStep: number;
  /** Stride. */
  readonly outputStep: number;
  /** Zeros in front of the dilated input; negative where elements are cut off. */
  readonly before: number;
}

/** A grid of positions, row by row; null where nothing meets. Positions and rows run over all axes, the last fastest. */
export type Positions = readonly (number | null)[];

/** For each tap k (row) and output y (column), the u in x that they meet. */
export function inputsByTap(axes: readonly ConvolutionAxis[]): Positions {
  return grid(axes, { rows: (a) => a.taps, columns: (a) => a.outputs, sides: (a) => a.inputs, find: inputAt });
}

/** For each output y (row) and tap k (column), the u in x that they meet. */
export function inputsByOutput(axes: readonly ConvolutionAxis[]): Positions {
  const find = (axis: ConvolutionAxis, y: number, k: number) => inputAt(axis, k, y);
  return grid(axes, { rows: (a) => a.outputs, columns: (a) => a.taps, sides: (a) => a.inputs, find });
}

/** For each output y (row, the last one first) and input u (column), the k in w that they meet. */
export function tapsByReversedOutput(axes: readonly ConvolutionAxis[]): Positions {
  const find = (axis: ConvolutionAxis, row: number, u: number) => tapAt(axis, axis.outputs - 1 - row, u);
  return grid(axes, { rows: (a) => a.outputs, columns: (a) => a.inputs, sides: (a) => a.taps, find });
}

/**
 * All pairs (k, u) that meet in each output y. Row t holds the t-th pair of each y (column), as `k * inputs + u` over
 * all axes; there are as many rows as the busiest y has pairs.
 */
export function pairsByOutput(
  axes: readonly ConvolutionAxis[],
): readonly { readonly k: number; readonly u: number }[][] {
  let rows: { readonly k: number; readonly u: number }[][] = [[{ k: 0, u: 0 }]];
  for (const axis of axes) {
    const own = Array.from({ length: axis.outputs }, (_, y) => pairsAt(axis, y));
    rows = rows.flatMap((pairs) =>
      own.map((more) =>
        pairs.flatMap(({ k, u }) => more.map((next) => ({ k: k * axis.taps + next.k, u: u * axis.inputs + next.u }))),
      ),
    );
  }
  return rows;
}

/** Product over the axes of one of their lengths. */
export function countOf(axes: readonly ConvolutionAxis[], side: 'inputs' | 'taps' | 'outputs'): number {
  return axes.reduce((count, axis) => count * axis[side], 1);
}

// --- internal ---

function inputAt(axis: ConvolutionAxis, k: number, y: number): number | null {
  return quotient(axis.outputStep * y + axis.tapStep * k - axis.before, axis.inputStep, axis.inputs);
}

function tapAt(axis: ConvolutionAxis, y: number, u: number): number | null {
  return quotient(axis.inputStep * u + axis.before - axis.outputStep * y, axis.tapStep, axis.taps);
}

function pairsAt(axis: ConvolutionAxis, y: number): { readonly k: number; readonly u: number }[] {
  return Array.from({ length: axis.taps }, (_, k) => ({ k, u: inputAt(axis, k, y) })).flatMap(({ k, u }) =>
    u === null ? [] : [{ k, u }],
  );
}

/** `dividend / divisor` where it is a whole number from 0 to `count` - 1, else null. */
function quotient(dividend: number, divisor: number, count: number): number | null {
  const inside = dividend >= 0 && dividend % divisor === 0 && dividend / divisor < count;
  return inside ? dividend / divisor : null;
}

interface Grid {
  readonly rows: (axis: ConvolutionAxis) => number;
  readonly columns: (axis: ConvolutionAxis) => number;
  /** Length of what is found. */
  readonly sides: (axis: ConvolutionAxis) => number;
  readonly find: (axis: ConvolutionAxis, row: number, column: number) => number | null;
}

/** The positions along each axis, combined: rows of rows, columns of columns. */
function grid(axes: readonly ConvolutionAxis[], { rows, columns, sides, find }: Grid): Positions {
  let whole: Positions[] = [[0]];
  for (const axis of axes) {
    whole = whole.flatMap((line) =>
      range(rows(axis)).map((row) =>
        line.flatMap((outer) =>
          range(columns(axis)).map((column) => {
            const inner = find(axis, row, column);
            return outer === null || inner === null ? null : outer * sides(axis) + inner;
          }),
        ),
      ),
    );
  }
  return whole.flat();
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
