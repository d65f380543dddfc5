// Answers timing requests for our engine, one JSON line each: the twin of reference/vae_step.py.
//
// Request: {"case": "mlp" | "conv", "batch": 128, "threads": 1, "steps": 50}; `--executor` chooses what computes.
// Answer:  {"ms_per_step": median over blocks, "blocks": [...]}. Ends with its standard input.

import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { openEngine } from '../dist/engine/engine.js';
import { childKey, seedKey, uniforms } from '../dist/engine/keys.js';
import { initialParameters } from '../dist/models/initialise.js';
import { vaeOf } from '../dist/models/vae.js';
import { floatExamples } from '../dist/training/examples.js';
import { freshState } from '../dist/training/parameter-slots.js';
import { createTrainer } from '../dist/training/trainer.js';
import { vaeObjective } from '../dist/training/vae-objective.js';
import { median } from './median.mjs';

setFlagsFromString('--no-concurrent-marking'); // as bin/align-fl.mjs does

/** @typedef {'mlp' | 'conv'} Case */
/** @typedef {{ case: Case, batch: number, threads: number, steps: number }} Request */
/** @typedef {(steps: number) => Promise<number[]>} Runner */

const SHAPE = { channels: 1, height: 28, width: 28 };
/** @type {Record<Case, import('../dist/models/architecture.js').Architecture>} */
const MODELS = {
  mlp: { kind: 'mlp', hidden: [512, 256, 128], latent: 2 }, // the paper's: 1,133,844 parameters
  conv: { kind: 'conv', channels: [16, 32], latent: 16 },
};
const WARM_UP_STEPS = 8;
const BLOCKS = 10;
/** @type {import('../dist/training/optimizer.js').OptimizerOptions} */
const OPTIMIZER = { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };

const { values } = parseArgs({ options: { executor: { type: 'string', default: 'onnxruntime' } } });
const executor = /** @type {'onnxruntime' | 'wasm'} */ (values.executor);
/** @type {Map<string, Runner>} */
const prepared = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}

// --- internal ---

/** @param {Request} request */
async function answer({ case: model, batch, threads, steps }) {
  const identity = `${model}/${batch}/${threads}`;
  const runner = prepared.get(identity) ?? (await prepare(model, batch, threads));
  prepared.set(identity, runner);
  const ends = await runner(WARM_UP_STEPS + steps);
  const size = Math.max(1, Math.floor(steps / BLOCKS));
  const blocks = [];
  for (let end = WARM_UP_STEPS + size; end <= WARM_UP_STEPS + steps; end += size) {
    blocks.push((Number(ends[end - 1]) - Number(ends[end - size - 1])) / size);
  }
  return { ms_per_step: median(blocks), blocks };
}

/**
 * A function that trains for some steps and gives the time at the end of each, in milliseconds. Gathering the batch and
 * drawing the noise are part of the step.
 * @param {Case} model
 * @param {number} batchSize
 * @param {number} threads
 * @returns {Promise<Runner>}
 */
async function prepare(model, batchSize, threads) {
  const engine = await openEngine({ executor, threads });
  const vae = vaeOf(MODELS[model], SHAPE);
  const objective = vaeObjective('bench', vae, { reconstruction: 'mse', klWeight: 1 });
  /** @type {import('../dist/training/trainer.js').TrainingOptions} */
  const training = { epochs: 1, batchSize, optimizer: OPTIMIZER, schedule: { kind: 'constant' } };
  const trainer = await createTrainer(engine, objective, training);
  const key = seedKey('bench');
  const parameters = initialParameters(vae.parameters, childKey(key, 'init'));
  const images = Float32Array.from(uniforms(childKey(key, 'images'), 12_000 * vae.pixels));
  const pool = floatExamples(images, vae.pixels);
  return async (steps) => {
    // One epoch of exactly `steps` batches, over the same 12,000 images again and again.
    const examples = {
      count: steps * batchSize,
      size: vae.pixels,
      /** @param {ArrayLike<number>} rows @param {Float32Array} out */
      read: (rows, out) =>
        pool.read(
          Array.from(rows, (row) => row % pool.count),
          out,
        ),
    };
    /** @type {number[]} */
    const ends = [];
    const onStep = () => ends.push(performance.now());
    await trainer.train({ examples, start: freshState(parameters), key: childKey(key, 'train') }, { onStep });
    return ends;
  };
}
