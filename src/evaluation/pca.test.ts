// Principal components by hand, by scikit-learn, and by the full covariance matrix.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import { fitPca, projectOnto } from './pca.ts';
import { symmetricEigen } from '../models/symmetric-eigen.ts';

const key = seedKey('pca');

function covariance(features: Float32Array, dim: number): Float64Array {
  const count = features.length / dim;
  const out = new Float64Array(dim * dim);
  const at = (row: number, d: number): number => features[row * dim + d] as number;
  const mean = Array.from({ length: dim }, (_, d) => {
    let sum = 0;
    for (let row = 0; row < count; row++) sum += at(row, d);
    return sum / count;
  });
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j < dim; j++) {
      let sum = 0;
      for (let row = 0; row < count; row++)
        sum += (at(row, i) - (mean[i] as number)) * (at(row, j) - (mean[j] as number));
      out[i * dim + j] = sum / (count - 1);
    }
  }
  return out;
}

describe('fitPca', () => {
  it('finds the line that points lie on', () => {
    // (1, 2) + t * (0.6, -0.8) for t = -1, 0, 1: variance 1 along it, none across; the larger entry is made positive.
    const features = Float32Array.of(0.4, 2.8, 1, 2, 1.6, 1.2);
    const pca = fitPca({ features, dim: 2, components: 2 });
    [-0.6, 0.8].forEach((x, d) => expect(pca.axes[d]).toBeCloseTo(x, 6));
    expect(pca.variances[0]).toBeCloseTo(1, 6);
    expect(pca.variances[1]).toBeCloseTo(0, 6);
    [1, 0, -1].forEach((t, row) => expect(projectOnto(pca, features)[2 * row]).toBeCloseTo(t, 6));
  });

  it('has the components of scikit-learn, up to its signs', () => {
    // numpy 1.24.2, scikit-learn 1.2.1: X as in logistic-probe.test.ts; q = PCA(2, svd_solver='full').fit(X);
    // q.components_, q.explained_variance_, q.mean_, q.transform(X)[:2]
    const features = Float32Array.from({ length: 180 }, (_, at) => {
      const i = Math.floor(at / 3);
      if (at % 3 === 0) return Math.sin(1.7 * i) + (i % 3 === 1 ? 0.8 : 0);
      return at % 3 === 1 ? Math.cos(2.3 * i) - (i % 3 === 2 ? 0.9 : 0) : 0.5 * Math.sin(0.9 * i * i);
    });
    const pca = fitPca({ features, dim: 3, components: 2 });
    const near = (actual: ArrayLike<number>, expected: readonly number[]): void => {
      expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 6));
    };
    near(pca.axes, [0.5068207, 0.861654, -0.0261757, 0.8596663, -0.5074426, -0.058956]);
    near(pca.variances, [0.7104095, 0.6210648]);
    near(pca.mean, [0.2649534, -0.3006309, 0.0497436]);
    near(projectOnto(pca, features), [0.987712, -0.8848344, 0.4497594, 1.4778481]);
  });

  it('agrees with the full covariance matrix when it looks at a small part of the space', () => {
    // 64 features, variances falling off slowly, half of the entries zero, mixed with their neighbours.
    const dim = 64;
    const count = 200;
    const raw = normals(childKey(key, 'mixed'), count * dim).map((x, at) => (x > 0 ? x / (1 + (at % dim) / 8) : 0));
    const features = raw.map((x, at) => x + 0.5 * (raw[at - 1] ?? 0));
    const pca = fitPca({ features, dim, components: 8 });
    const full = symmetricEigen(covariance(features, dim), dim);
    for (let j = 0; j < 8; j++) {
      expect(pca.variances[j]).toBeCloseTo(full.values[j] as number, 10);
      const axis = pca.axes.subarray(j * dim, (j + 1) * dim);
      const overlap = axis.reduce((sum, v, d) => sum + v * (full.vectors[j * dim + d] as number), 0);
      expect(Math.abs(overlap)).toBeCloseTo(1, 9);
      const largest = axis.reduce((best, v) => (Math.abs(v) > Math.abs(best) ? v : best), 0);
      expect(largest).toBeGreaterThan(0);
    }
    expect(fitPca({ features, dim, components: 8 })).toEqual(pca);
  });

  it('finds components of equal variance, and zeros behind the last', () => {
    // The corners of a cross in three of forty dimensions: variance 2/5 along each of the three, none elsewhere.
    const dim = 40;
    const features = new Float32Array(6 * dim);
    for (let row = 0; row < 6; row++) features[row * dim + 10 * (row >> 1)] = row % 2 === 0 ? 1 : -1;
    const pca = fitPca({ features, dim, components: 5 });
    [0.4, 0.4, 0.4, 0, 0].forEach((variance, j) => expect(pca.variances[j]).toBeCloseTo(variance, 12));
    for (let j = 0; j < 5; j++) {
      const axis = pca.axes.subarray(j * dim, (j + 1) * dim);
      expect(axis.reduce((sum, v) => sum + v * v, 0)).toBeCloseTo(1, 12);
    }
  });

  it('has no variance to report for examples that are all alike', () => {
    const pca = fitPca({ features: new Float32Array(12).fill(0.5), dim: 4, components: 2 });
    pca.variances.forEach((variance) => expect(variance).toBeCloseTo(0, 12));
  });

  it('refuses more components than there are, and what is not a number', () => {
    const features = normals(childKey(key, 'few'), 12);
    expect(() => fitPca({ features, dim: 4, components: 4 })).toThrow(ShapeError);
    expect(() => fitPca({ features, dim: 4, components: 0 })).toThrow(ShapeError);
    expect(() => fitPca({ features, dim: 12, components: 1 })).toThrow(ShapeError);
    expect(() => fitPca({ features: features.fill(Number.NaN, 3, 4), dim: 4, components: 2 })).toThrow(NumericalError);
  });
});
