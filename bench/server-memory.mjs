// Memory of a server by the number and size of the decoders that come: `node bench/server-memory.mjs --silos 50 --megabytes 20`.
//
// One run of ALIGN-FL whose silos are elsewhere and answer at once, each with a file of its own; the server inspects every
// decoder, draws images, measures slopes, learns and keeps everything. `--json` prints one object: the resident memory of this
// process in MiB before the run and at its peak, the size of all decoders together, and the seconds of all stages.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { childKey, seedKey } from '../dist/engine/keys.js';
import { inspectDecoder } from '../dist/exchange/inspect.js';
import { NO_PRIVACY } from '../dist/exchange/privacy-statement.js';
import { parseSpec } from '../dist/experiments/parse-spec.js';
import { openRunFolder } from '../dist/experiments/run-folder.js';
import { runExperiment } from '../dist/experiments/run.js';
import { exportDecoder } from '../dist/models/decoder-export.js';
import { initialParameters } from '../dist/models/initialise.js';
import { vaeOf } from '../dist/models/vae.js';
import { readSameFile } from '../dist/storage/same-file.js';

setFlagsFromString('--no-concurrent-marking'); // as bin/align-fl.mjs does

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    silos: { type: 'string', default: '50' },
    megabytes: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '2' },
  },
});
const MIB = 2 ** 20;
const SHAPE = { channels: 1, height: 28, width: 28 };
const silos = Array.from({ length: Number(flags.silos) }, (_, i) => `silo-${i}`);
const rounds = Number(flags.rounds);
const folder = mkdtempSync(join(tmpdir(), 'align-fl-memory-'));

let peak = 0;
const look = () => {
  peak = Math.max(peak, process.memoryUsage.rss());
};
const looking = setInterval(look, 20);
try {
  // Two hidden layers of w: 4 (w^2 + 784 w) bytes and a little more.
  const width = Math.round(-392 + Math.sqrt(392 ** 2 + (Number(flags.megabytes) * MIB) / 4));
  const vae = vaeOf({ kind: 'mlp', hidden: [width, width], latent: 2 }, SHAPE);
  const files = new Map();
  for (const silo of silos) {
    const onnx = exportDecoder(vae, initialParameters(vae.parameters, childKey(seedKey('memory'), silo)), SHAPE);
    const { sha256, sizeBytes, latent } = inspectDecoder(onnx, { shape: SHAPE });
    const path = join(folder, `${silo}.onnx`);
    writeFileSync(path, onnx);
    const bytes = () => readSameFile(path, { sizeBytes, sha256 });
    files.set(silo, { bytes, sha256, sizeBytes, latent, shape: SHAPE, classes: null });
  }
  globalThis.gc?.(); // with node --expose-gc
  const before = process.memoryUsage.rss();
  peak = before;
  const spec = parseSpec({
    name: 'memory',
    rounds,
    data: { source: { kind: 'at-silos', shape: SHAPE, classes: 10 }, partition: { kind: 'at-silos' } },
    silos: silos.map((name) => ({ name })),
    model: { kind: 'mlp', hidden: [64], latent: 2 },
    server: { epochs: 1, batchSize: 16, images: 20 },
    privacy: { mechanism: 'none' },
    evaluation: { gridImages: 0 },
  });
  const summary = await runExperiment({
    folder: await openRunFolder({ path: join(folder, 'run'), spec }),
    remote: {
      port: (silo) => ({
        name: silo,
        play: async ({ round }) => ({ kind: 'decoder', silo, round, decoder: files.get(silo), privacy: NO_PRIVACY }),
      }),
      closing: { quorum: 1, deadlineMs: 60_000 },
      onCommitted: async () => {},
    },
  });
  const decodersBytes = [...files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const found = {
    silos: silos.length,
    decoderMiB: Math.round(decodersBytes / silos.length / MIB),
    allDecodersMiB: Math.round(decodersBytes / MIB),
    beforeMiB: Math.round(before / MIB),
    peakMiB: Math.round(peak / MIB),
    seconds: summary.strategies[0]?.secondsPerStage,
  };
  console.log(flags.json ? JSON.stringify(found) : found);
} finally {
  clearInterval(looking);
  rmSync(folder, { recursive: true, force: true });
}
