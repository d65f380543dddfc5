// Multinomial logistic regression, the linear probe of the paper's metric: the optimum scikit-learn's defaults mean.

import { NumericalError, ShapeError } from '../errors.ts';
import { factoriseInPlace, solveInPlace } from './cholesky.ts';
import {
  addTransposedProduct,
  augmentedGram,
  type CompressedRows,
  compressRows,
  multiplyRows,
} from './compressed-rows.ts';
import { minimise } from './lbfgs.ts';

export interface FitOptions {
  /** [N, D] */
  readonly features: Float32Array;
  /** D */
  readonly dim: number;
  /** [N], each in 0..C-1. */
  readonly labels: ArrayLike<number>;
  /** C. Those without an example to learn from are never predicted. */
  readonly classes: number;
  /** Learn from these examples only; from all by default. */
  readonly rows?: ArrayLike<number>;
  /** scikit-learn's `C`: smaller means a stronger penalty. Default 1. */
  readonly inverseRegularisation?: number;
  /** Default 1,000. */
  readonly maxIterations?: number;
  /** Done when no entry of the gradient of the objective below is larger. Default 1e-5. */
  readonly gradientTolerance?: number;
}

/** Scores of x are weights^T x + intercepts; the largest wins. */
export interface LogisticModel {
  readonly dim: number;
  readonly classes: number;
  /** [D, C]. Each row sums to zero, as do the finite intercepts. */
  readonly weights: Float64Array;
  /** [C], -Infinity for classes without an example. */
  readonly intercepts: Float64Array;
  readonly iterations: number;
  /** False where `maxIterations` came first. */
  readonly converged: boolean;
}

/**
 * Minimises (1/n) * sum of cross-entropies + ||weights||^2 / (2 * C * n), intercepts free, over the n chosen examples:
 * scikit-learn's `LogisticRegression(C=1, max_iter=1000)`, divided by n as its releases from 1.4 on do inside. Those
 * stop at a gradient of 1e-4, which leaves the last digits to the path taken; the default here is ten times tighter.
 *
 * With two classes scikit-learn fits a single sigmoid. A softmax with twice the penalty has the same optimum, its
 * weights being -1/2 and +1/2 times the sigmoid's, so that is what is fitted here.
 *
 * Throws ShapeError where sizes or labels do not fit, NumericalError where a feature is not finite.
 */
export function fitLogisticRegression(options: FitOptions): LogisticModel {
  const { features, dim, classes, inverseRegularisation = 1, maxIterations = 1000, gradientTolerance = 1e-5 } = options;
  const rows = compressRows(features, dim, options.rows);
  const { present, targets } = presentClasses(options, rows.count);
  checkFinite(rows);
  const width = present.length; // classes that occur: P
  const penalty = (width === 2 ? 2 : 1) / (inverseRegularisation * rows.count);
  const problem: Problem = { rows, targets, width, penalty, scores: new Float64Array(rows.count * width) };
  const { point, iterations, converged } = minimise((at, gradient) => meanLoss(problem, at, gradient), {
    start: new Float64Array((dim + 1) * width), // [D + 1, P], intercepts last
    maxIterations,
    gradientTolerance,
    precondition: inverseCurvatureAtZero(problem),
  });

  const weights = new Float64Array(dim * classes);
  const intercepts = new Float64Array(classes).fill(Number.NEGATIVE_INFINITY);
  present.forEach((label, c) => {
    for (let d = 0; d < dim; d++) weights[d * classes + label] = point[d * width + c] as number;
    intercepts[label] = point[dim * width + c] as number;
  });
  return { dim, classes, weights, intercepts, iterations, converged };
}

/** The likeliest class of each chosen row of `features` [N, D], the first of equals. Throws ShapeError. */
export function predictClasses(model: LogisticModel, features: Float32Array, rows?: ArrayLike<number>): Uint8Array {
  const { dim, classes, weights, intercepts } = model;
  const examples = compressRows(features, dim, rows);
  const scores = new Float64Array(examples.count * classes); // [N, C]
  multiplyRows(examples, { factor: weights, width: classes, out: scores });
  return Uint8Array.from({ length: examples.count }, (_, row) => {
    let best = 0;
    for (let c = 1; c < classes; c++) {
      const score = (scores[row * classes + c] as number) + (intercepts[c] as number);
      if (score > (scores[row * classes + best] as number) + (intercepts[best] as number)) best = c;
    }
    return best;
  });
}

// --- internal ---

interface Problem {
  readonly rows: CompressedRows;
  /** [N], positions in the list of classes that occur. */
  readonly targets: Uint8Array;
  /** P */
  readonly width: number;
  /** Weight of ||weights||^2 / 2 beside the mean cross-entropy. */
  readonly penalty: number;
  /** [N, P], room to work in. */
  readonly scores: Float64Array;
}

/** Above this many features a full matrix costs more than it saves. */
const MAX_FULL_CURVATURE = 1024;

function meanLoss(problem: Problem, point: Float64Array, gradient: Float64Array): number {
  const { rows, targets, width, penalty, scores } = problem;
  const { count, dim } = rows;
  const weightCount = dim * width;
  multiplyRows(rows, { factor: point, width, out: scores }); // [N, P]; the intercepts come last in `point`
  gradient.fill(0);
  let crossEntropy = 0;
  for (let r = 0; r < count; r++) {
    const from = r * width;
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < width; c++) {
      const score = (scores[from + c] as number) + (point[weightCount + c] as number);
      scores[from + c] = score;
      if (score > max) max = score;
    }
    const target = from + (targets[r] as number);
    const targetScore = scores[target] as number;
    let sum = 0;
    for (let c = from; c < from + width; c++) {
      const share = Math.exp((scores[c] as number) - max);
      scores[c] = share;
      sum += share;
    }
    crossEntropy += max + Math.log(sum) - targetScore;
    const toMean = 1 / (sum * count);
    for (let c = from; c < from + width; c++) scores[c] = (scores[c] as number) * toMean;
    scores[target] = (scores[target] as number) - 1 / count; // (softmax - one-hot) / N
    for (let c = 0; c < width; c++) {
      gradient[weightCount + c] = (gradient[weightCount + c] as number) + (scores[from + c] as number);
    }
  }
  addTransposedProduct(rows, { factor: scores, width, out: gradient }); // [D, P]
  let squares = 0;
  for (let i = 0; i < weightCount; i++) {
    const weight = point[i] as number;
    squares += weight * weight;
    gradient[i] = (gradient[i] as number) + penalty * weight;
  }
  return crossEntropy / count + 0.5 * penalty * squares;
}

/**
 * Inverse of the Hessian at zero, where all P classes are equally likely: second moments of [x, 1] times 1/P, plus the
 * penalty, the same block for each class (exact for directions that sum to zero over the classes, and all do).
 */
function inverseCurvatureAtZero({ rows, width, penalty }: Problem): (vector: Float64Array) => void {
  const { dim, count } = rows;
  const size = dim + 1;
  if (dim > MAX_FULL_CURVATURE) return inverseDiagonal(rows, width, penalty);
  const curvature = augmentedGram(rows, 1 / (width * count));
  for (let d = 0; d < dim; d++) curvature[d * size + d] = (curvature[d * size + d] as number) + penalty;
  curvature[size * size - 1] = (curvature[size * size - 1] as number) * (1 + 1e-9); // a constant feature is no obstacle
  const factor = factoriseInPlace(curvature, size);
  return (vector) => solveInPlace(factor, vector, width);
}

function inverseDiagonal(rows: CompressedRows, width: number, penalty: number): (vector: Float64Array) => void {
  const diagonal = new Float64Array(rows.dim + 1).fill(penalty);
  const share = 1 / (width * rows.count);
  rows.columns.forEach((column, u) => {
    diagonal[column] = (diagonal[column] as number) + share * (rows.values[u] as number) ** 2;
  });
  diagonal[rows.dim] = 1 / width;
  return (vector) => {
    for (let i = 0; i < vector.length; i++) {
      vector[i] = (vector[i] as number) / (diagonal[Math.floor(i / width)] as number);
    }
  };
}

function presentClasses(options: FitOptions, count: number): { present: readonly number[]; targets: Uint8Array } {
  const { features, dim, labels, classes, rows } = options;
  if (labels.length * dim !== features.length) {
    throw new ShapeError(`${features.length / dim} rows of features have ${labels.length} labels.`, {
      labels: labels.length,
    });
  }
  if (count === 0) throw new ShapeError('Cannot fit a probe to no examples.');
  const own = Array.from({ length: count }, (_, r) => labels[rows?.[r] ?? r] as number);
  const stray = own.find((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
  if (stray !== undefined) {
    throw new ShapeError(`Label ${stray} is not one of ${classes} classes (0 to ${classes - 1}).`, {
      label: stray,
      classes,
    });
  }
  const present = [...new Set(own)].sort((a, b) => a - b);
  const position = new Map(present.map((label, c) => [label, c]));
  return { present, targets: Uint8Array.from(own, (label) => position.get(label) as number) };
}

function checkFinite(rows: CompressedRows): void {
  const at = rows.values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new NumericalError(
    `Feature ${rows.columns[at]} of an example is ${rows.values[at]}; the model that made it has probably diverged.`,
    { feature: rows.columns[at] as number },
  );
}
