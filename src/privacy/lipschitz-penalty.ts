// The paper's LCD-VAE and stricter relatives: penalties on the slope of a decoder between two latent codes.

import { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import { gaussianBits, gaussianFromBits } from '../engine/gaussian.ts';
import { childKey, fillBits, type Key, normals, permutation, uniforms } from '../engine/keys.ts';
import type { ConditionalVae } from '../models/conditional-vae.ts';
import {
  imageFunction,
  type ImageFunction,
  pixelSumGradient,
  spectralNorm,
  squaredFrobeniusNorm,
} from '../models/jacobian.ts';
import type { Vae } from '../models/vae.ts';
import type { Regulariser } from '../training/regulariser.ts';
import type { LipschitzControl } from './lipschitz-options.ts';

/** A control that is a penalty. */
export type LipschitzPenalty = Extract<LipschitzControl, { readonly weight: number }>;

/**
 * Where slopes are looked at: between codes that the batch's examples were given (`posterior`, as in the paper), or between
 * draws from N(0, I) (`prior`).
 *
 * Under DP-SGD it must be `prior`: pairs of codes mix the examples of a batch, so one example would move the gradients of
 * others and the bound on its influence would not hold. Draws from the prior look at no example, so the penalty's gradient
 * is post-processing of noised parameters and costs no privacy.
 */
export type PenaltyLatents = 'posterior' | 'prior';

/** A conditional autoencoder, and the classes whose images are looked at: those that its silo offers. */
export interface LabelledSubject {
  readonly vae: ConditionalVae;
  /** Class numbers, at least one; declared or paid for, never read from the batch. */
  readonly offered: readonly number[];
}

/** What a slope is controlled of: the map from codes to images, of a conditional decoder at each of its classes. */
export type SlopeSubject = Vae | LabelledSubject;

/**
 * Where a control looks, given where it may. Only the paper's penalty looks between codes of the batch. The penalties on the
 * Jacobian always look between draws from the prior: that is where the server will draw, and an encoder that may move the
 * codes would rather leave steep places than have them flattened.
 */
export function latentsOf(control: LipschitzPenalty, allowed: PenaltyLatents): PenaltyLatents {
  return control.form === 'paper-penalty' ? allowed : 'prior';
}

/**
 * The penalty of a form at z~ = a z + (1 - a) z', with a ~ U(0, 1) for each row and z' another code. x is the image after
 * the sigmoid, J = dx/dz~.
 *
 * - `paper-penalty`: mean((sqrt(|g|^2 + 1e-7) - 1)^2) with g = J^T 1, the gradient of the sum of all pixels; z from the
 *   posterior of the batch, z' the same codes in a random order, and the gradient flows through z too. This is NO
 *   Lipschitz bound: where some pixels grow as others fade, g can be 0 however large J is.
 * - `jacobian-spectral`: mean(max(0, ||J||_2 - bound)^2), by power iteration.
 * - `jacobian-frobenius`: mean(max(0, ||J||_F - bound)^2), by random projections; ||J||_F is at least ||J||_2, and at most
 *   sqrt(L) times that. The estimate scatters, so it also pulls a little below the bound.
 *
 * A conditional decoder is looked at in a class drawn anew for each z~ among those offered, whatever the batch shows.
 */
export function lipschitzRegulariser(
  subject: SlopeSubject,
  control: LipschitzPenalty,
  latents: PenaltyLatents,
): Regulariser {
  const { latent, pixels } = 'offered' in subject ? subject.vae : subject;
  const isPrior = latents === 'prior';
  const own = ingredients(control, { latent, pixels });
  const classes = 'offered' in subject ? subject.vae.classes : 0;
  return {
    name: 'lipschitz',
    weight: control.weight,
    layer: isPrior ? null : 'decoder.0', // what enters it is z
    draws: (rows) => ({
      ...(isPrior
        ? { code: float32(rows, latent) }
        : { mix: float32(rows), partner: { shape: [rows], dtype: 'int32' } }),
      ...(classes > 0 && { class: float32(rows, classes) }),
      ...own.draws(rows),
    }),
    draw(key, { mix, partner, code, class: drawnClass, ...others }) {
      if ('offered' in subject) drawClasses(childKey(key, 'class'), drawnClass as Float32Array, subject);
      if (code) {
        code.set(
          between(normals(childKey(key, 'first'), code.length), normals(childKey(key, 'second'), code.length), {
            shares: uniforms(childKey(key, 'mix'), code.length / latent),
            latent,
          }),
        );
      }
      mix?.set(uniforms(childKey(key, 'mix'), mix.length));
      partner?.set(permutation(childKey(key, 'partner'), partner.length));
      own.draw(key, others as Readonly<Record<string, Float32Array | Uint32Array>>);
    },
    penalty(parameters, { mix, partner, code, class: y, ...others }, input) {
      const codes = code ?? interpolated(input as np.Array, mix as np.Array, partner as np.Array); // [B, L]
      if (!('offered' in subject)) return own.penalty(imageFunction(subject, parameters), codes, others);
      const given = y as np.Array; // [B, C]
      const decode: Vae['decode'] = (values, z) => subject.vae.decode(values, { z, y: given.ref });
      const penalties = own.penalty(imageFunction({ decode }, parameters), codes, others);
      given.dispose();
      return penalties;
    },
  };
}

// --- internal ---

/** Under the root of the paper's penalty, which so has a derivative at zero. */
const UNDER_ROOT = 1e-7;

/** Two steps from a random start find the norm within a few percent; see `spectralNorm`. */
const POWER_ITERATIONS = 2;

/** Random projections for each code. */
const PROJECTIONS = 2;

/** What a form adds: its own draws, and the penalty at codes [B, L]. */
interface Ingredients {
  draws(rows: number): ReturnType<Regulariser['draws']>;
  draw(key: Key, buffers: Readonly<Record<string, Float32Array | Uint32Array>>): void;
  penalty(images: ImageFunction, codes: np.Array, draws: Readonly<Record<string, np.Array>>): np.Array;
}

function ingredients(control: LipschitzPenalty, { latent, pixels }: Pick<Vae, 'latent' | 'pixels'>): Ingredients {
  switch (control.form) {
    case 'paper-penalty':
      return {
        draws: () => ({}),
        draw: () => {},
        penalty: (images, codes) => {
          const square = np.square(pixelSumGradient(images, codes)).sum(1); // [B]
          return np.square(np.sqrt(square.add(UNDER_ROOT)).sub(1));
        },
      };
    case 'jacobian-spectral':
      return {
        draws: (rows) => ({ start: float32(rows, latent) }),
        draw: (key, { start }) => start?.set(normals(childKey(key, 'start'), start.length)),
        penalty: (images, codes, { start }) =>
          excess(
            spectralNorm(images, codes, { start: start as np.Array, iterations: POWER_ITERATIONS }),
            control.bound,
          ),
      };
    case 'jacobian-frobenius':
      return {
        draws: (rows) => ({ projections: gaussianBits(PROJECTIONS, rows, pixels) }),
        draw: (key, { projections }) => fillBits(childKey(key, 'projections'), projections as Uint32Array),
        penalty: (images, codes, { projections }) => {
          const square = squaredFrobeniusNorm(images, codes, gaussianFromBits(projections as np.Array)); // [B]
          return excess(np.sqrt(square.add(UNDER_ROOT)), control.bound);
        },
      };
  }
}

/** One-hot rows of classes, each among those offered with the same chance. */
function drawClasses(key: Key, out: Float32Array, { vae: { classes }, offered }: LabelledSubject): void {
  out.fill(0);
  uniforms(key, out.length / classes).forEach((u, row) => {
    out[row * classes + (offered[Math.floor(u * offered.length)] as number)] = 1;
  });
}

/** max(0, norm - bound)^2 */
function excess(norms: np.Array, bound: number): np.Array {
  return np.square(np.maximum(norms.sub(bound), 0));
}

/** a z + (1 - a) z[partner], traced. */
function interpolated(z: np.Array, mix: np.Array, partner: np.Array): np.Array {
  const share = mix.reshape([mix.shape[0] as number, 1]);
  const others = z.ref.slice(partner); // [B, L]
  return others.ref.add(share.mul(z.sub(others)));
}

/** a first + (1 - a) second, row by row. */
function between(
  first: Float32Array,
  second: Float32Array,
  { shares, latent }: { readonly shares: Float64Array; readonly latent: number },
): Float32Array {
  return first.map((value, i) => {
    const share = shares[Math.floor(i / latent)] as number;
    return share * value + (1 - share) * (second[i] as number);
  });
}
