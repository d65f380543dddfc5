// `npm run bench:privacy`: one step of DP-SGD beside our own plain step, taking turns in one process, on one thread.
//
// The private step draws its noise from secret keys, as `noise: secure` does. `--json` prints
// { "rows": [{ "name", "batch", "plainMs", "privateMs", "ratio" }] }, medians over the turns.

import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { openEngine } from '../dist/engine/engine.js';
import { childKey, secretKey, seedKey, uniforms } from '../dist/engine/keys.js';
import { initialParameters } from '../dist/models/initialise.js';
import { vaeOf } from '../dist/models/vae.js';
import { createDpTrainers } from '../dist/privacy/dp-trainer.js';
import { textTable } from '../dist/report/text-table.js';
import { floatExamples } from '../dist/training/examples.js';
import { freshState } from '../dist/training/parameter-slots.js';
import { createTrainer } from '../dist/training/trainer.js';
import { vaeObjective } from '../dist/training/vae-objective.js';
import { median } from './median.mjs';

setFlagsFromString('--no-concurrent-marking'); // as bin/align-fl.mjs does

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    turns: { type: 'string', default: '7' },
    batches: { type: 'string', default: '128,1024' },
    clippings: { type: 'string', default: 'auto-s,adaptive' },
  },
});

const RECORDS = 12_000;
const WARM_UP_STEPS = 4;
/** @type {import('../dist/training/optimizer.js').OptimizerOptions} */
const OPTIMIZER = { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
const vae = vaeOf({ kind: 'mlp', hidden: [512, 256, 128], latent: 2 }, { channels: 1, height: 28, width: 28 });
const objective = vaeObjective('bench', vae, { reconstruction: 'mse', klWeight: 1 });
const start = freshState(initialParameters(vae.parameters, seedKey('bench')));
const pixels = Float32Array.from(uniforms(seedKey('pixels'), RECORDS * vae.pixels));
const images = floatExamples(pixels, vae.pixels);

const rows = [];
for (const batch of flags.batches.split(',').map(Number)) {
  for (const clipping of flags.clippings.split(',')) {
    rows.push(await compare(batch, /** @type {'auto-s'} */ (clipping)));
  }
}
if (flags.json) console.log(JSON.stringify({ rows }, null, 2));
else {
  const cells = rows.map(({ name, batch, plainMs, privateMs, ratio }) => [
    name,
    String(batch),
    plainMs.toFixed(1),
    privateMs.toFixed(1),
    ratio.toFixed(2),
  ]);
  console.log(textTable(['clipping', 'batch', 'plain, ms', 'private, ms', 'private / plain'], cells));
}

// --- internal ---

/**
 * @param {number} batch
 * @param {'auto-s' | 'adaptive' | 'fixed'} clipping
 */
async function compare(batch, clipping) {
  const engine = await openEngine({ executor: 'onnxruntime', threads: 1 });
  const steps = Math.max(12, Math.round(8000 / batch));
  const training = {
    epochs: 1,
    batchSize: batch,
    optimizer: OPTIMIZER,
    schedule: { kind: /** @type {const} */ ('constant') },
  };
  const plain = await createTrainer(engine, objective, training);
  const trainers = await createDpTrainers(engine, objective, training, {
    clipping,
    clipNorm: 1,
    quantile: 0.5,
    mode: 'full',
    averaging: null,
    physicalBatch: null,
  });
  const plan = {
    samplingRate: batch / RECORDS,
    expectedBatch: batch,
    stepsPerEpoch: WARM_UP_STEPS + steps,
    noiseMultiplier: 0.8,
    steps,
  };
  const plainMs = [];
  const privateMs = [];
  const ratios = [];
  for (let turn = 0; turn < Number(flags.turns); turn++) {
    // The plain trainer's epoch is one pass: so many images that it has as many steps.
    const count = (WARM_UP_STEPS + steps) * batch;
    const many = {
      ...images,
      count,
      read: (/** @type {ArrayLike<number>} */ picked, /** @type {Float32Array} */ out) =>
        images.read(
          Array.from(picked, (row) => row % RECORDS),
          out,
        ),
    };
    const a = await timed(plain, many, childKey(seedKey('turn'), turn));
    const b = await timed(trainers(plan), images, secretKey(`turn-${turn}`));
    plainMs.push(a);
    privateMs.push(b);
    ratios.push(b / a);
  }
  await engine.close();
  return { name: clipping, batch, plainMs: median(plainMs), privateMs: median(privateMs), ratio: median(ratios) };
}

/**
 * Median milliseconds of a step.
 * @param {import('../dist/training/trainer.js').Trainer} trainer
 * @param {import('../dist/training/examples.js').Examples} examples
 * @param {import('../dist/engine/keys.js').Key} key
 */
async function timed(trainer, examples, key) {
  /** @type {number[]} */
  const ends = [];
  await trainer.train({ examples, start, key }, { onStep: () => ends.push(performance.now()) });
  const steps = ends.slice(1).map((end, i) => end - Number(ends[i]));
  return median(steps.slice(WARM_UP_STEPS - 1));
}
