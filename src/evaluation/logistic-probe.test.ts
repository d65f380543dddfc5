// The probe's fit against scikit-learn, against its own definition done slowly, and at its edges.

import { describe, expect, it } from 'vitest';
import { childKey, normals, permutation, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import { fitLogisticRegression, type LogisticModel, predictClasses } from './logistic-probe.ts';

/** 60 examples, three features, three classes that overlap. In Python (numpy 1.24.2, scikit-learn 1.2.1):
 *
 * i = np.arange(60); y = i % 3
 * X = np.stack([np.sin(1.7*i) + 0.8*(y==1), np.cos(2.3*i) - 0.9*(y==2), 0.5*np.sin(0.9*i*i)], 1)
 * X = X.astype(np.float32).astype(np.float64)
 * m = LogisticRegression(C=1, max_iter=1000, tol=1e-10, solver='newton-cg').fit(X, y)
 * m.coef_, m.intercept_, m.score(X, y)
 *
 * (Its default solver stops 1e-5 away, where the loss no longer changes by more than 2e-9 of itself.)
 */
const labels = Uint8Array.from({ length: 60 }, (_, i) => i % 3);
const features = Float32Array.from({ length: 180 }, (_, at) => {
  const i = Math.floor(at / 3);
  if (at % 3 === 0) return Math.sin(1.7 * i) + (i % 3 === 1 ? 0.8 : 0);
  return at % 3 === 1 ? Math.cos(2.3 * i) - (i % 3 === 2 ? 0.9 : 0) : 0.5 * Math.sin(0.9 * i * i);
});
const tight = { features, dim: 3, labels, classes: 3, gradientTolerance: 1e-10 };

function expectRows(model: LogisticModel, coefficients: readonly (readonly number[])[]): void {
  coefficients.forEach((row, c) => {
    row.forEach((value, d) => expect(model.weights[d * model.classes + c]).toBeCloseTo(value, 6));
  });
}

function accuracy(model: LogisticModel, truth: ArrayLike<number> = labels): number {
  return predictClasses(model, features).filter((c, i) => c === truth[i]).length / 60;
}

describe('the logistic probe', () => {
  it('has the coefficients of scikit-learn', () => {
    const model = fitLogisticRegression(tight);
    expect(model.converged).toBe(true);
    expectRows(model, [
      [-0.5326011, 0.5153363, -0.4244566],
      [0.9543494, 0.4986839, 0.5385101],
      [-0.4217484, -1.0140202, -0.1140535],
    ]);
    [0.4247777, -0.1627885, -0.2619892].forEach((b, c) => expect(model.intercepts[c]).toBeCloseTo(b, 6));
    expect(accuracy(model)).toBeCloseTo(0.6333333, 7);
  });

  it('has those coefficients to three digits at its default tolerance', () => {
    const model = fitLogisticRegression({ features, dim: 3, labels, classes: 3 });
    const exact = fitLogisticRegression(tight);
    model.weights.forEach((w, i) => expect(Math.abs(w - (exact.weights[i] as number))).toBeLessThan(1e-3));
  });

  it('has the coefficients of scikit-learn under a stronger penalty', () => {
    // The same with C=0.1.
    const model = fitLogisticRegression({ ...tight, inverseRegularisation: 0.1 });
    expectRows(model, [
      [-0.2931329, 0.2644707, -0.0921756],
      [0.4779716, 0.2539709, 0.1092255],
      [-0.1848388, -0.5184417, -0.0170499],
    ]);
    [0.1930059, -0.0654376, -0.1275683].forEach((b, c) => expect(model.intercepts[c]).toBeCloseTo(b, 6));
  });

  it('fits two classes as the single sigmoid of scikit-learn', () => {
    // k = y < 2; LogisticRegression(C=1, max_iter=1000, tol=1e-10, solver='newton-cg').fit(X[k], y[k])
    //   -> coef_ [[1.2714761, 0.0854947, 0.6292077]], intercept_ [-0.5008983]
    const rows = Array.from(labels.keys()).filter((i) => (labels[i] as number) < 2);
    const model = fitLogisticRegression({ ...tight, rows });
    const sigmoid = [1.2714761, 0.0854947, 0.6292077];
    expectRows(model, [sigmoid.map((w) => -w / 2), sigmoid.map((w) => w / 2)]);
    expect((model.intercepts[1] as number) - (model.intercepts[0] as number)).toBeCloseTo(-0.5008983, 6);
  });

  it('stands where the gradient of its objective, by central differences, is zero', () => {
    const model = fitLogisticRegression(tight);
    const objective = (weights: Float64Array, intercepts: Float64Array): number => {
      let loss = weights.reduce((sum, w) => sum + 0.5 * w * w, 0); // C = 1, not divided by n
      for (let i = 0; i < 60; i++) {
        const scores = [0, 1, 2].map((c) =>
          [0, 1, 2].reduce(
            (sum, d) => sum + (features[i * 3 + d] as number) * (weights[d * 3 + c] as number),
            intercepts[c] as number,
          ),
        );
        loss += Math.log(scores.reduce((sum, s) => sum + Math.exp(s), 0)) - (scores[labels[i] as number] as number);
      }
      return loss;
    };
    const nudged = (values: Float64Array, at: number, by: number): Float64Array => {
      return values.map((value, i) => (i === at ? value + by : value));
    };
    const { weights, intercepts } = model;
    for (let i = 0; i < 9; i++) {
      const [up, down] = [1e-4, -1e-4].map((by) => objective(nudged(weights, i, by), intercepts)) as [number, number];
      expect((up - down) / 2e-4).toBeCloseTo(0, 6);
    }
    for (let c = 0; c < 3; c++) {
      const [up, down] = [1e-4, -1e-4].map((by) => objective(weights, nudged(intercepts, c, by))) as [number, number];
      expect((up - down) / 2e-4).toBeCloseTo(0, 6);
    }
  });

  it('knows only how frequent the classes are when the features say nothing', () => {
    const model = fitLogisticRegression({
      features: new Float32Array(8),
      dim: 2,
      labels: [0, 0, 0, 1],
      classes: 2,
      gradientTolerance: 1e-12,
    });
    expect([...model.weights]).toEqual([0, 0, 0, 0]);
    expect((model.intercepts[0] as number) - (model.intercepts[1] as number)).toBeCloseTo(Math.log(3), 10);
  });

  it('never predicts a class that it has not met, and fits the others as if it did not exist', () => {
    const spread = labels.map((label) => [0, 2, 5][label] as number);
    const model = fitLogisticRegression({ ...tight, labels: spread, classes: 7 });
    const plain = fitLogisticRegression(tight);
    expect([...model.intercepts].map((b) => Number.isFinite(b))).toEqual([
      true,
      false,
      true,
      false,
      false,
      true,
      false,
    ]);
    expect(accuracy(model, spread)).toBe(accuracy(plain));
    expect(model.weights[2]).toBe(plain.weights[1]);
    const single = fitLogisticRegression({ ...tight, labels: labels.map(() => 4), classes: 7 });
    expect(new Set(predictClasses(single, features))).toEqual(new Set([4]));
  });

  it('learns from the given rows only, and predicts given rows in their order', () => {
    const rows = permutation(seedKey('rows'), 60).subarray(0, 30);
    const model = fitLogisticRegression({ ...tight, rows });
    const copied = fitLogisticRegression({
      ...tight,
      features: Float32Array.from([...rows].flatMap((row) => [...features.subarray(row * 3, row * 3 + 3)])),
      labels: rows.map((row) => labels[row] as number),
    });
    expect(model.weights).toEqual(copied.weights);
    const all = predictClasses(model, features);
    expect([...predictClasses(model, features, rows)]).toEqual([...rows].map((row) => all[row]));
  });

  it('finds the same optimum by the diagonal that wide features get', () => {
    // A thousand and more zeros behind each example change nothing but the preconditioner.
    const dim = 1100;
    const wide = new Float32Array(60 * dim);
    for (let i = 0; i < 60; i++) wide.set(features.subarray(i * 3, i * 3 + 3), i * dim);
    const model = fitLogisticRegression({ ...tight, features: wide, dim });
    const plain = fitLogisticRegression(tight);
    for (let i = 0; i < 9; i++) expect(model.weights[i]).toBeCloseTo(plain.weights[i] as number, 7);
  });

  it('copes with scales that a plain descent would crawl on', () => {
    const x = normals(childKey(seedKey('scales'), 'x'), 4000);
    const scaled = x.map((value, i) => (i % 2 === 0 ? value * 1000 : value / 1000));
    const own = Uint8Array.from({ length: 2000 }, (_, i) => ((x[2 * i] as number) > 0.5 ? 1 : 0));
    const model = fitLogisticRegression({ features: scaled, dim: 2, labels: own, classes: 2 });
    expect(model.converged).toBe(true);
    const right = predictClasses(model, scaled).filter((c, i) => c === own[i]).length;
    expect(right).toBeGreaterThan(1990);
  });

  it('says so when the iterations run out', () => {
    expect(fitLogisticRegression({ ...tight, maxIterations: 1 })).toMatchObject({ iterations: 1, converged: false });
  });

  it('refuses what does not fit', () => {
    expect(() => fitLogisticRegression({ ...tight, labels: labels.subarray(1) })).toThrow(ShapeError);
    expect(() => fitLogisticRegression({ ...tight, classes: 2 })).toThrow(/Label 2 is not one of 2 classes/);
    expect(() => fitLogisticRegression({ ...tight, rows: [] })).toThrow(ShapeError);
    const broken = features.slice();
    broken[7] = Number.NaN;
    expect(() => fitLogisticRegression({ ...tight, features: broken })).toThrow(NumericalError);
  });
});
