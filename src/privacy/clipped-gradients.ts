// The heart of DP-SGD (Abadi et al. 2016): each example's gradient is made small before it is added to the others.
//
// One forward and one backward pass give, for every layer, its input and the gradient at its output. From these follow the
// norm of every example's whole gradient, then a factor for every example, then the sum of the scaled gradients.

import { grad, numpy as np } from '@jax-js/jax';
import { LoweringError } from '../errors.ts';
import type { LayerCall } from '../models/layers.ts';
import type { Objective } from '../training/objective.ts';
import { type LayerTrace, scaledSum, squaredNorms } from './layer-gradients.ts';

type Arrays = Record<string, np.Array>;

/** How gradients are scaled. */
export interface ClippingRule {
  /** Whether the gradient of a parameter is clipped and noised. Norms are taken over all of these together: flat clipping. */
  readonly isProtected: (parameter: string) => boolean;
  /** What becomes of the other parameters: their plain sum, or no gradient at all. */
  readonly others: 'plain' | 'none';
  /** Factors [B] from squared norms [B] of the protected gradients. Traced. */
  readonly factors: (squaredNorms: np.Array) => np.Array;
}

/** What a batch gives. B includes padding rows, whose mask is 0. */
export interface ClippedGradients {
  /** Sums over the batch, by parameter. */
  readonly gradients: Arrays;
  /** [B] squared L2 norms of the protected gradient, before clipping. Private: never to leave without noise. */
  readonly squaredNorms: np.Array;
  /** [B, tensors] the same for each protected tensor alone. */
  readonly tensorSquaredNorms: np.Array;
  /** [B] each. Private likewise. */
  readonly terms: Arrays;
}

/**
 * Sums of scaled per-example gradients of `objective`. Rows where `mask [B]` is 0 contribute nothing.
 * Throws LoweringError where a parameter is used by no layer, or by more than one: its norm would be wrong.
 */
export function clippedGradients(
  objective: Objective,
  inputs: { readonly parameters: Arrays; readonly x: np.Array; readonly bits: np.Array; readonly mask: np.Array },
  rule: ClippingRule,
): ClippedGradients {
  const { parameters, x, bits, mask } = inputs;
  const { signals, traced, terms } = backward(objective, parameters, { x, bits });
  const shapeOf = (name: string) => objective.parameters[name]?.shape ?? [];
  const traces = Object.entries(traced).map(
    ([layer, { kind, input }]): LayerTrace => ({ layer, kind, input, signal: signals[`${layer}.bias`] as np.Array }),
  );
  const guarded = traces.filter(({ layer }) => rule.isProtected(`${layer}.weight`));
  const perTensor = guarded.flatMap((trace) => {
    const { weight, bias } = squaredNorms(trace);
    return [weight, bias];
  });
  const tensorSquaredNorms = np.stack(perTensor, 1); // [B, tensors]
  const whole = tensorSquaredNorms.ref.sum(1); // [B]
  const factors = rule.factors(whole.ref).mul(mask.ref); // [B]
  const gradients: Arrays = {};
  for (const trace of traces) {
    const { layer } = trace;
    const isGuarded = rule.isProtected(`${layer}.weight`);
    if (!isGuarded && rule.others === 'none') continue;
    const shapes = { weight: shapeOf(`${layer}.weight`), bias: shapeOf(`${layer}.bias`) };
    const { weight, bias } = scaledSum(trace, isGuarded ? factors.ref : mask.ref, shapes);
    gradients[`${layer}.weight`] = weight;
    gradients[`${layer}.bias`] = bias;
  }
  return { gradients, squaredNorms: whole, tensorSquaredNorms, terms };
}

// --- internal ---

type Traced = Record<string, Pick<LayerCall, 'kind' | 'input'>>;

/** One backward pass: gradients of the summed loss at every layer's output [B, ...], and what the layers were given. */
function backward(
  objective: Objective,
  parameters: Arrays,
  batch: { readonly x: np.Array; readonly bits: np.Array },
): { signals: Arrays; traced: Traced; terms: Arrays } {
  const layers = layersOf(objective, parameters, batch);
  const rows = batch.x.shape[0] as number;
  // A bias of its own for every example: adding it changes nothing, and its gradient is the gradient at the output.
  const biases = Object.fromEntries(
    layers.map(({ layer, outputShape }) => {
      const bias = (parameters[`${layer}.bias`] as np.Array).ref;
      return [`${layer}.bias`, np.broadcastTo(bias, [rows, ...outputShape])];
    }),
  );
  const summedLoss = (own: Arrays) => {
    const inputs: Arrays = {};
    const { loss, ...others } = objective.terms({ ...parameters, ...own }, batch, ({ layer, input }) => {
      inputs[layer] = input;
    });
    return [loss.ref.sum(), { inputs, terms: { loss, ...others } }] as [np.Array, { inputs: Arrays; terms: Arrays }];
  };
  const [signals, { inputs, terms }] = grad(summedLoss, { hasAux: true })(biases) as unknown as [
    Arrays,
    { inputs: Arrays; terms: Arrays },
  ];
  const traced = Object.fromEntries(
    layers.map(({ layer, kind }) => [layer, { kind, input: inputs[layer] as np.Array }]),
  );
  return { signals, traced, terms };
}

/** The layers that an objective uses, in order. */
function layersOf(
  objective: Objective,
  parameters: Arrays,
  { x, bits }: { readonly x: np.Array; readonly bits: np.Array },
): Omit<LayerCall, 'input'>[] {
  const calls: Omit<LayerCall, 'input'>[] = [];
  const terms = objective.terms(parameters, { x: x.ref, bits: bits.ref }, ({ input, ...call }) => {
    input.dispose();
    calls.push(call);
  });
  for (const term of Object.values(terms)) term.dispose();
  const used = calls.flatMap(({ layer }) => [`${layer}.weight`, `${layer}.bias`]);
  const wrong = Object.keys(objective.parameters).find((name) => used.filter((other) => other === name).length !== 1);
  if (wrong === undefined && used.length === Object.keys(objective.parameters).length) return calls;
  throw new LoweringError(
    `'${objective.label}': per-example gradients need every parameter to be the weight or bias of exactly one layer of ` +
      `models/layers.ts that reports itself, but '${wrong ?? used.join(', ')}' is not.`,
    { label: objective.label, parameter: wrong ?? null },
  );
}
