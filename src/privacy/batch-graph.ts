// The graph of a private step for one physical batch size: rows in, the sum of their clipped gradients out.

import type { numpy as np } from '@jax-js/jax';
import type { Arena } from '../engine/arena.ts';
import { allocate, float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, fillBits, type Key } from '../engine/keys.ts';
import { NumericalError } from '../errors.ts';
import type { Examples } from '../training/examples.ts';
import type { Objective } from '../training/objective.ts';
import { type Layout, prefixed } from '../training/parameter-slots.ts';
import { type ClippingRule, clippedGradients } from './clipped-gradients.ts';
import type { NormObservation } from './clipping.ts';

export interface BatchGraphParts {
  readonly engine: Engine;
  readonly objective: Objective;
  readonly layout: Layout;
  /** Has the vectors `parameter` and `gradient`, which the graph reads and writes in place, and `x` for its rows. */
  readonly arena: Arena;
  readonly rule: Pick<ClippingRule, 'isProtected' | 'others'>;
  /** Factors [B] from squared norms [B] and the bound. Traced. */
  readonly factors: (squaredNorms: np.Array, bound: np.Array) => np.Array;
  /** Whether squared norms of single tensors are wanted too. */
  readonly perTensor: boolean;
}

/** What a pass saw. Private. */
export interface PassOutcome extends NormObservation {
  /** Sums of the objective's terms over the examples. */
  readonly terms: Readonly<Record<string, number>>;
}

export interface BatchGraph {
  readonly rows: number;
  /**
   * Puts the sum of clipped gradients of the picked examples, at most `rows` of them, into the arena's `gradient`.
   * An example whose gradient is not finite counts as zero. Throws NumericalError where the model itself is broken.
   */
  run(job: {
    readonly examples: Examples;
    readonly picked: Uint32Array;
    readonly bound: number;
    readonly key: Key;
  }): Promise<PassOutcome>;
}

/** Compiles the graph for `rows` rows. */
export async function compileBatchGraph(parts: BatchGraphParts, rows: number): Promise<BatchGraph> {
  const { engine, objective, layout, arena, rule, factors, perTensor } = parts;
  const bitsSpec = objective.bits(rows);
  const program = await engine.compile(
    `${objective.label} private step of ${rows}`,
    ({ bound: limit, ...inputs }: GraphInputs) => {
      const clipped = clippedGradients(objective, inputs, { ...rule, factors: (squares) => factors(squares, limit) });
      const { gradients, squaredNorms, tensorSquaredNorms, terms } = clipped;
      return { gradients, squaredNorms, ...(perTensor && { tensorSquaredNorms }), terms };
    },
    {
      parameters: objective.parameters,
      x: float32(rows, objective.exampleSize),
      bits: bitsSpec,
      mask: float32(rows),
      bound: float32(),
    },
  );
  const x = arena.vector('x').subarray(0, rows * objective.exampleSize);
  const bits = allocate(bitsSpec) as Uint32Array;
  const mask = new Float32Array(rows);
  const limit = new Float32Array(1);
  const gradients = prefixed('gradients.', layout.named(arena, 'gradient'));
  const outputs = Object.fromEntries(
    program.outputs.map((port) => [port.name, gradients[port.name] ?? allocate(port)]),
  ) as Record<string, Float32Array>;
  const run = program.bind(
    { ...prefixed('parameters.', layout.named(arena, 'parameter')), x, bits, mask, bound: limit },
    outputs,
  );
  const squaredNorms = outputs['squaredNorms'] as Float32Array;

  return {
    rows,
    async run({ examples, picked, bound, key }) {
      const count = picked.length;
      examples.read(picked, x);
      x.fill(0, count * objective.exampleSize); // padding: public, and masked
      mask.fill(0).fill(1, 0, count);
      limit[0] = bound;
      fillBits(childKey(key, 'latent'), bits);
      await run();
      if (!squaredNorms.every(Number.isFinite)) {
        for (let row = 0; row < count; row++) {
          if (Number.isFinite(squaredNorms[row])) continue;
          mask[row] = 0; // would not be enough: zero times infinity is not zero
          x.fill(0, row * objective.exampleSize, (row + 1) * objective.exampleSize);
        }
        await run();
        if (!squaredNorms.every(Number.isFinite)) throw brokenModel(objective, key);
      }
      return outcomeOf(outputs, mask, count);
    },
  };
}

// --- internal ---

interface GraphInputs {
  readonly parameters: Record<string, np.Array>;
  readonly x: np.Array;
  readonly bits: np.Array;
  readonly mask: np.Array;
  readonly bound: np.Array;
}

/** Examples that were dropped count as not there. */
function outcomeOf(outputs: Readonly<Record<string, Float32Array>>, mask: Float32Array, count: number): PassOutcome {
  const kept = Array.from({ length: count }, (_, row) => row).filter((row) => mask[row] === 1);
  const norms = outputs['squaredNorms'] as Float32Array;
  const tensors = outputs['tensorSquaredNorms'];
  const width = tensors ? tensors.length / norms.length : 0;
  const terms = Object.entries(outputs).flatMap(([name, values]) =>
    name.startsWith(TERM)
      ? [[name.slice(TERM.length), kept.reduce((sum, row) => sum + (values[row] as number), 0)]]
      : [],
  );
  return {
    squaredNorms: kept.map((row) => norms[row] as number),
    tensorSquaredNorms: tensors ? kept.flatMap((row) => [...tensors.subarray(row * width, (row + 1) * width)]) : [],
    terms: Object.fromEntries(terms),
  };
}

const TERM = 'terms.';

function brokenModel(objective: Objective, key: Key): NumericalError {
  return new NumericalError(
    `${objective.label}: the model's own parameters give no finite gradients any more (key ${key.path}). Lower the learning ` +
      'rate, or allow a larger epsilon: its noise may be too much for this model.',
    { key: key.path },
  );
}
