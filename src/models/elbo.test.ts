import { type numpy as np, valueAndGrad } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTwins, runOn, type Twins } from '../../test/twins.ts';
import { float32, uint32 } from '../engine/array-spec.ts';
import { childKey, fillBits, seedKey, uniforms } from '../engine/keys.ts';
import { type ElboOptions, negativeElbo } from './elbo.ts';
import { dense, type Parameters, relu } from './layers.ts';
import type { Vae } from './vae.ts';

const KEY = seedKey('elbo');
type Named = Readonly<Record<string, Float32Array>>;

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

/** A model whose codes and logits are parameters: what the terms are of can be written down. */
const GIVEN = {
  encode: ({ mean, logVariance }: Parameters, x: np.Array) => {
    x.dispose();
    return { mean: (mean as np.Array).ref, logVariance: (logVariance as np.Array).ref };
  },
  decode: ({ logits }: Parameters, z: np.Array) => (logits as np.Array).ref.add(z.sum(1, { keepdims: true }).mul(0)),
} as unknown as Vae;

/** Terms and gradients of the loss on both executors, which must agree; those of ONNX Runtime are returned. */
async function elbo(vae: Vae, parameters: Named, batch: { x: Float32Array; bits: Uint32Array }, options: ElboOptions) {
  const rows = batch.bits.length / 2 / LATENT;
  const shapes = (values: Float32Array, name: string) =>
    name in SHAPES ? (SHAPES[name] as number[]) : [rows, values.length / rows];
  const specs = {
    parameters: Object.fromEntries(Object.entries(parameters).map(([n, v]) => [n, float32(...shapes(v, n))])),
    x: float32(rows, batch.x.length / rows),
    bits: uint32(2, rows, LATENT),
  };
  type Inputs = { parameters: Record<string, np.Array>; x: np.Array; bits: np.Array };
  const f = ({ parameters: p, x, bits }: Inputs) => {
    const lossOf = (q: Record<string, np.Array>) => {
      const terms = Object.entries(negativeElbo(vae, q, { x, bits }, options));
      const { loss, ...others } = Object.fromEntries(terms.map(([name, term]) => [name, (term as np.Array).mean()]));
      return [loss, others] as [np.Array, Record<string, np.Array>];
    };
    const [[loss, others], gradients] = valueAndGrad(lossOf, { hasAux: true })(p);
    return { loss, ...others, gradients };
  };
  const inputs = {
    ...Object.fromEntries(Object.entries(parameters).map(([n, v]) => [`parameters.${n}`, v])),
    ...batch,
  };
  const native = await runOn(twins.native, 'elbo', { f, specs, inputs });
  const wasm = await runOn(twins.wasm, 'elbo', { f, specs, inputs });
  for (const name of ['loss', 'reconstruction', 'kl']) {
    expect(native[name]?.[0], name).toBeCloseTo(wasm[name]?.[0] as number, 4);
  }
  const gradients = Object.keys(parameters).map((name) => [name, native[`gradients.${name}`] as Float32Array] as const);
  const [loss, reconstruction, kl] = ['loss', 'reconstruction', 'kl'].map((name) => native[name]?.[0] as number);
  return { loss, reconstruction, kl, gradients: Object.fromEntries(gradients) } as {
    loss: number;
    reconstruction: number;
    kl: number;
    gradients: Named;
  };
}

/** L of the cases here. */
const LATENT = 2;

/** Shapes of parameters that do not belong to a row. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'encoder.weight': [3, 2],
  'encoder.bias': [2],
  'mean.weight': [2, 2],
  'mean.bias': [2],
  'variance.weight': [2, 2],
  'variance.bias': [2],
  'decoder.weight': [2, 2],
  'decoder.bias': [2],
  'out.weight': [2, 3],
  'out.bias': [3],
};

const MSE = { reconstruction: 'mse', klWeight: 1 } as const;
const BERNOULLI = { reconstruction: 'bernoulli', klWeight: 1 } as const;
const zeros = (count: number) => new Float32Array(count);
const bitsOf = (rows: number) => fillBits(childKey(KEY, 'bits', rows), new Uint32Array(2 * rows * LATENT));

describe('the KL term', () => {
  test.each([
    ['a standard normal code', [0, 0], [0, 0], 0],
    ['a mean one off in one of two dimensions', [1, 0], [0, 0], 0.25], // 1/2 * mean(1, 0)
    ['a mean two off in both', [2, -2], [0, 0], 2], // 1/2 * mean(4, 4)
    ['a variance of e in both', [0, 0], [1, 1], (Math.E - 2) / 2], // -1/2 (1 + 1 - e)
    ['a variance of 1/e and a mean of 3', [3, 3], [-1, -1], (9 + 1 / Math.E) / 2], // -1/2 (1 - 1 - 9 - 1/e)
  ])('by hand, of %s', async (_, mean, logVariance, wanted) => {
    const parameters = { mean: Float32Array.from(mean), logVariance: Float32Array.from(logVariance), logits: zeros(3) };
    const { kl } = await elbo(GIVEN, parameters, { x: zeros(3), bits: bitsOf(1) }, MSE);
    expect(kl).toBeCloseTo(wanted, 5);
  });

  test('is averaged over the batch, and enters the loss with its weight', async () => {
    const parameters = { mean: Float32Array.of(2, 2, 0, 0), logVariance: zeros(4), logits: zeros(6) };
    const batch = { x: zeros(6), bits: bitsOf(2) };
    for (const klWeight of [0, 1, 0.5]) {
      const terms = await elbo(GIVEN, parameters, batch, { reconstruction: 'mse', klWeight });
      expect(terms.kl).toBeCloseTo(1, 6); // the mean of 2 and 0
      expect(terms.loss).toBeCloseTo(terms.reconstruction + klWeight, 6);
    }
  });
});

describe('the reconstruction term', () => {
  test('by hand: mse is the sum over pixels, averaged over the batch', async () => {
    const parameters = { mean: zeros(4), logVariance: zeros(4), logits: Float32Array.of(0, 0, 0, Math.log(3), 0, 0) };
    const x = Float32Array.of(1, 0.5, 0, 0.75, 1, 0.5); // errors 1/4 + 0 + 1/4 and 0 + 1/4 + 0
    const { reconstruction } = await elbo(GIVEN, parameters, { x, bits: bitsOf(2) }, MSE);
    expect(reconstruction).toBeCloseTo((0.5 + 0.25) / 2, 6);
  });

  test('by hand: bernoulli is the cross-entropy of the pixels', async () => {
    const parameters = { mean: zeros(2), logVariance: zeros(2), logits: Float32Array.of(0, Math.log(3), 0) };
    const x = Float32Array.of(0.3, 1, 1); // ln 2 whatever the pixel, -ln(3/4), ln 2
    const { reconstruction } = await elbo(GIVEN, parameters, { x, bits: bitsOf(1) }, BERNOULLI);
    expect(reconstruction).toBeCloseTo(2 * Math.LN2 - Math.log(0.75), 6);
  });

  test.each([
    ['mse', MSE, [1, 1, 0.25, 0.25]],
    ['bernoulli', BERNOULLI, [100, 100, 50, 50]],
  ] as const)('%s and its gradient stay finite at logits of +-100 and +-1,000', async (_, options, per) => {
    for (const size of [100, 1000]) {
      const logits = Float32Array.of(size, -size, size, -size, size, -size); // wrong, wrong, half, half, right, right
      const x = Float32Array.of(0, 1, 0.5, 0.5, 1, 0);
      const parameters = { mean: zeros(2), logVariance: zeros(2), logits };
      const { reconstruction, gradients } = await elbo(GIVEN, parameters, { x, bits: bitsOf(1) }, options);
      const scale = options.reconstruction === 'mse' ? 1 : size / 100;
      expect(reconstruction / scale).toBeCloseTo(
        per.reduce((sum, one) => sum + one, 0),
        4,
      );
      const wanted = options.reconstruction === 'mse' ? [0, 0, 0, 0, 0, 0] : [1, -1, 0.5, -0.5, 0, 0];
      for (const [i, slope] of wanted.entries()) expect(gradients['logits']?.[i]).toBeCloseTo(slope, 10);
    }
  });

  test('bernoulli at a logit of zero has the gradient sigmoid(0) - x', async () => {
    const parameters = { mean: zeros(2), logVariance: zeros(2), logits: zeros(3) };
    const x = Float32Array.of(0, 0.25, 1);
    const { gradients } = await elbo(GIVEN, parameters, { x, bits: bitsOf(1) }, BERNOULLI);
    expect([...(gradients['logits'] as Float32Array)]).toEqual([0.5, 0.25, -0.5]);
  });
});

/** A whole model: 3 pixels, one hidden layer of 2 on each side. */
const SMALL = {
  encode: (p: Parameters, x: np.Array) => {
    const h = relu(dense(p, 'encoder', x));
    return { mean: dense(p, 'mean', h.ref), logVariance: dense(p, 'variance', h) };
  },
  decode: (p: Parameters, z: np.Array) => dense(p, 'out', relu(dense(p, 'decoder', z))),
} as unknown as Vae;

/** sqrt(-2 ln u) cos(2 pi v) on the midpoints of a grid of 2^24. */
function noiseOf(bits: Uint32Array): number[] {
  const half = bits.length / 2;
  const unit = (word: number) => ((word >>> 8) + 0.5) / 2 ** 24;
  return Array.from({ length: half }, (_, i) => {
    const [u, v] = [unit(bits[i] as number), unit(bits[half + i] as number)];
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  });
}

describe('the loss of a whole model', () => {
  const bits = Uint32Array.of(0x40000000, 0x80000000, 0xc0000000, 0x20000000, 0x10000000, 0x60000000, 0, 0xa0000000);
  const x = Float32Array.of(0, 0.25, 1, 0.5, 0.75, 0);
  const parameters = Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], n) => [
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7 + n * 3) % 11) / 4 - 1),
    ]),
  );

  test.each(['mse', 'bernoulli'] as const)('is that of PyTorch in float64, gradients included: %s', async (kind) => {
    const terms = await elbo(SMALL, parameters, { x, bits }, { reconstruction: kind, klWeight: 0.5 });
    const torch = TORCH[kind];
    for (const name of ['loss', 'reconstruction', 'kl'] as const) expect(terms[name]).toBeCloseTo(torch[name], 5);
    for (const [name, norm] of Object.entries(torch.gradientNorms)) {
      expect(Math.hypot(...(terms.gradients[name] as Float32Array)), name).toBeCloseTo(norm, 4);
    }
  });

  test.each(['mse', 'bernoulli'] as const)('is that of plain JavaScript, one number at a time: %s', async (kind) => {
    for (const rows of [1, 5]) {
      const images = Float32Array.from(uniforms(childKey(KEY, kind, rows), 3 * rows));
      const found = await elbo(
        SMALL,
        parameters,
        { x: images, bits: bitsOf(rows) },
        { reconstruction: kind, klWeight: 2 },
      );
      const wanted = plainElbo(parameters, images, noiseOf(bitsOf(rows)), { reconstruction: kind, klWeight: 2 });
      for (const name of ['loss', 'reconstruction', 'kl'] as const) expect(found[name]).toBeCloseTo(wanted[name], 4);
    }
  });
});

function plainElbo(parameters: Named, x: Float32Array, noise: readonly number[], options: ElboOptions) {
  const layer = (name: string, input: readonly number[]) => {
    const bias = parameters[`${name}.bias`] as Float32Array;
    const weight = parameters[`${name}.weight`] as Float32Array;
    return Array.from(bias, (b, j) =>
      input.reduce((sum, value, i) => sum + value * (weight[i * bias.length + j] as number), b),
    );
  };
  const positive = (values: readonly number[]) => values.map((value) => Math.max(0, value));
  const rows = x.length / 3;
  let reconstruction = 0;
  let kl = 0;
  for (let row = 0; row < rows; row++) {
    const image = Array.from(x.subarray(3 * row, 3 * row + 3));
    const h = positive(layer('encoder', image));
    const mean = layer('mean', h);
    const logVariance = layer('variance', h);
    const z = mean.map((m, l) => m + Math.exp((logVariance[l] as number) / 2) * (noise[row * LATENT + l] as number));
    const logits = layer('out', positive(layer('decoder', z)));
    for (const [d, logit] of logits.entries()) {
      const pixel = 1 / (1 + Math.exp(-logit));
      const wanted = image[d] as number;
      const entropy = -(wanted * Math.log(pixel) + (1 - wanted) * Math.log(1 - pixel));
      reconstruction += (options.reconstruction === 'mse' ? (wanted - pixel) ** 2 : entropy) / rows;
    }
    for (const [l, m] of mean.entries()) {
      const v = logVariance[l] as number;
      kl -= (1 + v - m * m - Math.exp(v)) / 2 / (rows * LATENT);
    }
  }
  return { loss: reconstruction + options.klWeight * kl, reconstruction, kl };
}

// python3 -c "
// import math, torch; import torch.nn.functional as F; torch.set_default_dtype(torch.float64)
// shapes = {'encoder.weight': (3, 2), 'encoder.bias': (2,), 'mean.weight': (2, 2), 'mean.bias': (2,), 'variance.weight': (2, 2),
//   'variance.bias': (2,), 'decoder.weight': (2, 2), 'decoder.bias': (2,), 'out.weight': (2, 3), 'out.bias': (3,)}
// p = {n: torch.tensor([((i * 7 + k * 3) % 11) / 4 - 1 for i in range(math.prod(s))]).reshape(s).requires_grad_() for k, (n, s) in enumerate(shapes.items())}
// bits = [0x40000000, 0x80000000, 0xc0000000, 0x20000000, 0x10000000, 0x60000000, 0, 0xa0000000]
// u = [((b >> 8) + 0.5) / 2 ** 24 for b in bits]
// noise = torch.tensor([math.sqrt(-2 * math.log(u[i])) * math.cos(2 * math.pi * u[4 + i]) for i in range(4)]).reshape(2, 2)
// x = torch.tensor([[0, 0.25, 1], [0.5, 0.75, 0]]); lin = lambda n, a: a @ p[n + '.weight'] + p[n + '.bias']
// h = F.relu(lin('encoder', x)); m, v = lin('mean', h), lin('variance', h)
// y = lin('out', F.relu(lin('decoder', m + (v / 2).exp() * noise))); kl = -0.5 * (1 + v - m ** 2 - v.exp()).mean()
// for name, r in (('mse', ((y.sigmoid() - x) ** 2).sum(1).mean()), ('bernoulli', F.binary_cross_entropy_with_logits(y, x, reduction='none').sum(1).mean())):
//   g = torch.autograd.grad(r + 0.5 * kl, list(p.values()), retain_graph=True)
//   print(name, (r + 0.5 * kl).item(), r.item(), kl.item(), dict(zip(p, (t.norm().item() for t in g))))"
const TORCH = {
  mse: {
    loss: 3.364563452938086,
    reconstruction: 0.867291025708591,
    kl: 4.99454485445899,
    gradientNorms: {
      'encoder.weight': 1.0869765419870432,
      'encoder.bias': 1.4556455204183827,
      'mean.weight': 2.5100313516672697,
      'mean.bias': 1.0447713975852058,
      'variance.weight': 0.26937919769730867,
      'variance.bias': 0.11953976745713067,
      'decoder.weight': 0.11441021243868173,
      'decoder.bias': 0.019128134395451198,
      'out.weight': 0.34143065630736,
      'out.bias': 0.046324410471647905,
    },
  },
  bernoulli: {
    loss: 7.998020429358014,
    reconstruction: 5.500748002128519,
    kl: 4.99454485445899,
    gradientNorms: {
      'encoder.weight': 2.00116301987819,
      'encoder.bias': 2.670345810742421,
      'mean.weight': 4.854422234253331,
      'mean.bias': 2.159436098938608,
      'variance.weight': 0.8505359077314125,
      'variance.bias': 0.4274413184560717,
      'decoder.weight': 4.212073080361225,
      'decoder.bias': 0.8230376115444498,
      'out.weight': 4.395464859449849,
      'out.bias': 0.6811409237723116,
    },
  },
};
