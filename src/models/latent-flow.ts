// A latent prior that is learnt: a flow that carries noise to where an encoder puts its codes, class by class.
//
// Flow matching on straight conditional paths (Lipman et al. 2023, arXiv 2210.02747, section 4.1 with sigma_min = 0):
// u_t = (1 - t) e + t z runs from noise e to a code z, and v(u_t, t, y) learns its direction z - e. Draws follow v from t = 0
// to 1 by Euler's method, unrolled, so that they need no loop in a file.

import { lax, numpy as np } from '@jax-js/jax';
import {
  classSpecs,
  dense,
  denseSpecs,
  type Observe,
  type Parameters,
  type ParameterSpecs,
  relu,
  sigmoid,
} from './layers.ts';

export interface LatentFlowOptions {
  /** Widths of the velocity's hidden layers. */
  readonly hidden: readonly number[];
  /** Euler steps of a draw. A file has some ten operators for each. */
  readonly steps: number;
}

export interface LatentFlow {
  /** Named `decoder.prior.*`: they belong to the generator and leave with it. */
  readonly parameters: ParameterSpecs;
  /** `e [B, L] from N(0, I), classes y [B, C] -> codes [B, L]`. Keeps `parameters` alive. */
  carry(parameters: Parameters, e: np.Array, y: np.Array): np.Array;
  /**
   * |v(u_t, t, y) - (z - e)|^2 [B], summed over the latent dimensions. No gradient flows into z.
   * @param example z and noise e [B, L], y [B, C], and `time [B, 1]` from N(0, 1), whose sigmoid is t: most of the weight is
   * on the middle of the path (Esser et al. 2024, arXiv 2403.03206, section 3.1)
   */
  loss(
    parameters: Parameters,
    example: { readonly z: np.Array; readonly e: np.Array; readonly time: np.Array; readonly y: np.Array },
    observe?: Observe,
  ): np.Array;
}

/** A flow over L latent dimensions and C classes; ReLU layers that see u, t and the class in the first of them. */
export function latentFlow({ hidden, steps }: LatentFlowOptions, latent: number, classes: number): LatentFlow {
  const widths = [latent, ...hidden, latent];
  const first = widths[1] as number;
  const layers = widths.slice(1).map((width, i) => denseSpecs(`${PRIOR}.${i}`, widths[i] as number, width));
  const ofClass = (parameters: Parameters, y: np.Array, observe?: Observe) =>
    dense(parameters, `${PRIOR}.class`, y, observe); // [B, first]
  /** v [B, L] from u [B, L], t [B, 1] or [1, 1], and what the class gives [B, first]. */
  const velocity = (parameters: Parameters, [u, t, given]: [np.Array, np.Array, np.Array], observe?: Observe) => {
    const own = dense(parameters, `${PRIOR}.0`, u, observe).add(dense(parameters, `${PRIOR}.time`, t, observe));
    return hidden.reduce(
      (h, _, i) => dense(parameters, `${PRIOR}.${i + 1}`, relu(h), observe),
      own.add(given), // [B, first]
    );
  };
  return {
    parameters: Object.assign(
      {},
      ...layers,
      denseSpecs(`${PRIOR}.time`, 1, first),
      classSpecs(`${PRIOR}.class`, classes, first),
    ),
    carry(parameters, e, y) {
      const given = ofClass(parameters, y); // [B, first]
      let u = e;
      for (let k = 0; k < steps; k++) {
        const v = velocity(parameters, [u.ref, np.array([[k / steps]]), given.ref]);
        u = u.add(v.mul(1 / steps)); // [B, L]
      }
      given.dispose();
      return u;
    },
    loss(parameters, { z: code, e, time, y }, observe) {
      const z = lax.stopGradient(code);
      const t = sigmoid(time); // [B, 1]
      const u = e.ref.add(t.ref.mul(z.ref.sub(e.ref))); // [B, L]
      const v = velocity(parameters, [u, t, ofClass(parameters, y, observe)], observe);
      return np.square(v.sub(z.sub(e))).sum(1); // [B]
    },
  };
}

// --- internal ---

const PRIOR = 'decoder.prior';
