// `npm run bench:privacy`: one step of DP-SGD beside our own plain step, taking turns in one process, on one thread; and
// beside both, in the same turns, PyTorch with every example's gradient in memory and its own plain step.
//
// The private step draws its noise from secret keys, as `noise: secure` does. `--json` prints
// { "rows": [{ "name", "batch", "plainMs", "privateMs", "ratio" }], "skipped": [{ "name", "batch", "why" }] }: medians over
// the turns, and the ratio of these medians.

import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
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
import { findTorch } from './find-torch.mjs';
import { median } from './median.mjs';
import { startTimer } from './timer-process.mjs';

setFlagsFromString('--no-concurrent-marking'); // as bin/align-fl.mjs does

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    turns: { type: 'string', default: '7' },
    batches: { type: 'string', default: '128,1024' },
    clippings: { type: 'string', default: 'auto-s,adaptive' },
    python: { type: 'string' },
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

const TORCH = 'PyTorch, materialised';

/** @typedef {{ name: string, batch: number, plainMs: number, privateMs: number, ratio: number }} Row */
/** @typedef {{ plainMs: number[], privateMs: number[] }} Times */
/** @typedef {{ name: string, turn: (i: number) => Promise<{ plainMs: number, privateMs: number }> }} Contender */

/** @type {Row[]} */
const rows = [];
/** @type {{ name: string, batch: number, why: string }[]} */
const skipped = [];
const python = findTorch(flags.python);
for (const batch of flags.batches.split(',').map(Number)) await race(batch);
if (flags.json) console.log(JSON.stringify({ rows, skipped }, null, 2));
else print();

// --- internal ---

/**
 * All contenders in turn, so that a busy moment meets each of them.
 * @param {number} batch
 */
async function race(batch) {
  const engine = await openEngine({ executor: 'onnxruntime', threads: 1 });
  const torch = python
    ? startTimer(python, [fileURLToPath(new URL('reference/private_step_torch.py', import.meta.url))])
    : null;
  try {
    /** @type {Contender[]} */
    const contenders = [];
    for (const clipping of flags.clippings.split(',')) {
      contenders.push(await ours(engine, batch, /** @type {'auto-s'} */ (clipping)));
    }
    if (torch) {
      const first = await torch.ask({ kind: 'private', batch, threads: 1, steps: 1 });
      if (first.skipped) skipped.push({ name: TORCH, batch, why: first.skipped });
      else contenders.push(torchs(torch, batch));
    } else skipped.push({ name: TORCH, batch, why: 'no Python with torch was found (Debian: python3-torch)' });
    /** @type {Times[]} */
    const times = contenders.map(() => ({ plainMs: [], privateMs: [] }));
    for (let turn = 0; turn < Number(flags.turns); turn++) {
      process.stderr.write(`batch ${batch}, turn ${turn + 1} of ${flags.turns}\n`);
      for (const [i, contender] of contenders.entries()) {
        const { plainMs, privateMs } = await contender.turn(turn);
        times[i]?.plainMs.push(plainMs);
        times[i]?.privateMs.push(privateMs);
      }
    }
    for (const [i, { name }] of contenders.entries()) {
      const plainMs = median(times[i]?.plainMs ?? []);
      const privateMs = median(times[i]?.privateMs ?? []);
      rows.push({ name, batch, plainMs, privateMs, ratio: privateMs / plainMs });
    }
  } finally {
    torch?.close();
    await engine.close();
  }
}

/**
 * @param {import('../dist/engine/engine.js').Engine} engine
 * @param {number} batch
 * @param {'auto-s' | 'adaptive' | 'fixed'} clipping
 * @returns {Promise<Contender>}
 */
async function ours(engine, batch, clipping) {
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
    noise: 'secure',
    averaging: null,
    physicalBatch: null,
  });
  const plan = {
    samplingRate: batch / RECORDS,
    expectedBatch: batch,
    stepsPerEpoch: WARM_UP_STEPS + steps,
    noiseMultiplier: 0.8,
    steps: WARM_UP_STEPS + steps,
  };
  // The plain trainer's epoch is one pass: so many images that it has as many steps.
  const many = {
    ...images,
    count: (WARM_UP_STEPS + steps) * batch,
    read: (/** @type {ArrayLike<number>} */ picked, /** @type {Float32Array} */ out) =>
      images.read(
        Array.from(picked, (row) => row % RECORDS),
        out,
      ),
  };
  return {
    name: `ours, ${clipping}`,
    turn: async (i) => ({
      plainMs: await timed(plain, many, childKey(seedKey('turn'), i)),
      privateMs: await timed(trainers(plan), images, secretKey(`turn-${i}`)),
    }),
  };
}

/**
 * @param {ReturnType<typeof startTimer>} timer
 * @param {number} batch
 * @returns {Contender}
 */
function torchs(timer, batch) {
  const ask = async (/** @type {'plain' | 'private'} */ kind, /** @type {number} */ steps) =>
    (await timer.ask({ kind, batch, threads: 1, steps })).ms_per_step;
  return {
    name: TORCH,
    turn: async () => ({
      plainMs: await ask('plain', Math.max(12, Math.round(4000 / batch))),
      privateMs: await ask('private', Math.max(1, Math.round(512 / batch))),
    }),
  };
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

function print() {
  const cells = rows.map(({ name, batch, plainMs, privateMs, ratio }) => [
    name,
    String(batch),
    plainMs.toFixed(1),
    privateMs.toFixed(1),
    ratio.toFixed(2),
  ]);
  console.log(
    textTable([{ header: 'step', align: 'left' }, 'batch', 'plain, ms', 'private, ms', 'private / plain'], cells),
  );
  for (const { name, batch, why } of skipped) console.log(`Skipped: ${name}, batch ${batch}: ${why}.`);
}
