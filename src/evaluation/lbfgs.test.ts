// The minimiser against functions whose minimum is known, and against SciPy's.

import { describe, expect, it } from 'vitest';
import { NumericalError } from '../errors.ts';
import { minimise, type Objective } from './lbfgs.ts';

/** Sum of weight_i * (x_i - i)^2 / 2: minimum 0 at 0, 1, 2, ... */
function bowl(weights: readonly number[]): Objective {
  return (point, gradient) =>
    weights.reduce((sum, weight, i) => {
      const off = (point[i] as number) - i;
      gradient[i] = weight * off;
      return sum + 0.5 * weight * off * off;
    }, 0);
}

const rosenbrock: Objective = (x, gradient) => {
  gradient.fill(0);
  let value = 0;
  for (let i = 0; i + 1 < x.length; i++) {
    const a = x[i] as number;
    const b = (x[i + 1] as number) - a * a;
    value += 100 * b * b + (1 - a) ** 2;
    gradient[i] = (gradient[i] as number) - 400 * a * b - 2 * (1 - a);
    gradient[i + 1] = (gradient[i + 1] as number) + 200 * b;
  }
  return value;
};

describe('minimise', () => {
  it('finds the bottom of a stretched bowl', () => {
    const found = minimise(bowl([1, 10, 1000, 0.1]), { start: new Float64Array(4).fill(9), gradientTolerance: 1e-9 });
    expect(found.converged).toBe(true);
    expect(found.gradientMax).toBeLessThanOrEqual(1e-9);
    expect(found.iterations).toBeLessThan(20); // 15; twice as many when the first loop forgets a term
    [0, 1, 2, 3].forEach((x, i) => expect(found.point[i]).toBeCloseTo(x, 7));
  });

  it('follows the bent valley of Rosenbrock in about as many steps as SciPy', () => {
    // scipy 1.10.1: minimize(rosen, [-1.2, 1, -1.2, 1], jac=rosen_der, method='L-BFGS-B',
    //   options=dict(gtol=1e-8, ftol=0)) -> x = [1, 1, 1, 1], 42 iterations, 48 evaluations
    const found = minimise(rosenbrock, { start: Float64Array.of(-1.2, 1, -1.2, 1), gradientTolerance: 1e-8 });
    expect(found.converged).toBe(true);
    for (const x of found.point) expect(x).toBeCloseTo(1, 7);
    expect(found.iterations).toBeLessThan(50);
    expect(found.evaluations).toBeLessThan(60);
  });

  it('needs a single step when the preconditioner is the inverse Hessian', () => {
    const weights = [1, 10, 1000, 0.1];
    const found = minimise(bowl(weights), {
      start: new Float64Array(4).fill(9),
      precondition: (vector) => weights.forEach((weight, i) => (vector[i] = (vector[i] as number) / weight)),
    });
    expect(found.iterations).toBe(1);
    [0, 1, 2, 3].forEach((x, i) => expect(found.point[i]).toBeCloseTo(x, 12));
  });

  it('does nothing at a minimum, and leaves the start as it was', () => {
    const start = Float64Array.of(0, 1);
    const found = minimise(bowl([1, 1]), { start });
    expect(found).toMatchObject({ iterations: 0, evaluations: 1, converged: true, value: 0 });
    expect(minimise(bowl([3, 1]), { start: start.fill(5) }).point).not.toBe(start);
    expect([...start]).toEqual([5, 5]);
  });

  it('says that it has not converged when the iterations run out', () => {
    const found = minimise(rosenbrock, { start: Float64Array.of(-1.2, 1), maxIterations: 3 });
    expect(found).toMatchObject({ iterations: 3, converged: false });
  });

  it('comes back from steps into values that are not finite', () => {
    // x - log x is NaN below 0 and has its minimum, 1, at 1.
    const barrier: Objective = (point, gradient) => {
      const x = point[0] as number;
      gradient[0] = 1 - 1 / x;
      return x - Math.log(x);
    };
    const found = minimise(barrier, {
      start: Float64Array.of(50),
      precondition: (v) => v.forEach((g, i) => (v[i] = 400 * g)),
    });
    expect(found.point[0]).toBeCloseTo(1, 4);
  });

  it('ends, unconverged, where the gradient lies', () => {
    const lying: Objective = (point, gradient) => {
      gradient[0] = -1; // claims that more is better, while the value grows
      return point[0] as number;
    };
    expect(minimise(lying, { start: Float64Array.of(0) })).toMatchObject({ iterations: 0, converged: false });
  });

  it('refuses a start that is not a number', () => {
    expect(() => minimise(bowl([1]), { start: Float64Array.of(Number.NaN) })).toThrow(NumericalError);
  });
});
