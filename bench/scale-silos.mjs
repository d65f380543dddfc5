// All silos of the scale benchmark in one process: real agents with a connection, an outbox and a log of departures each, that
// answer every task at once with a decoder of the asked size. Prints, as JSON, how long its stages took at a silo.

import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { addressesOf, readSettings, serverLayout } from '../dist/deployment/server-folder.js';
import { seedKey } from '../dist/engine/keys.js';
import { NO_PRIVACY } from '../dist/exchange/privacy-statement.js';
import { packageVersion } from '../dist/experiments/version.js';
import { exportDecoder } from '../dist/models/decoder-export.js';
import { initialParameters } from '../dist/models/initialise.js';
import { vaeOf } from '../dist/models/vae.js';
import { connectNats } from '../dist/net/connect.js';
import { openDepartures } from '../dist/net/departures.js';
import { loadIdentity } from '../dist/net/identity.js';
import { siloInbox } from '../dist/net/nats-permissions.js';
import { openOutbox } from '../dist/net/outbox.js';
import { runSiloAgent } from '../dist/net/silo-agent.js';
import { contentHash } from '../dist/storage/content-hash.js';
import { median } from './median.mjs';

const [, , serverRoot = '', root = '', megabytes = '1'] = process.argv;
const SHAPE = { channels: 1, height: 28, width: 28 };
const stop = new AbortController();
setMaxListeners(0, stop.signal); // one for each silo
process.on('SIGTERM', () => stop.abort());

const template = decoderOf(Number(megabytes));
const layout = serverLayout(serverRoot);
const server = (await loadIdentity(layout.identity)).publicKey;
const address = { servers: addressesOf(await readSettings(layout)), ca: readFileSync(layout.authority, 'utf8') };
/** @type {Record<string, number[]>} */
const stages = {};
while (!existsSync(layout.nats.pid)) await new Promise((later) => setTimeout(later, 20));
await Promise.all(readdirSync(root).map(silo));
console.log(JSON.stringify(Object.fromEntries(Object.entries(stages).map(([name, all]) => [name, median(all)]))));

// --- internal ---

/** @param {string} name */
async function silo(name) {
  const home = join(root, name);
  const identity = await loadIdentity(join(home, 'silo.nk'));
  const nc = await connected(name, identity);
  let [plan, done] = [/** @type {string | null} */ (null), 0];
  let at = 0;
  await runSiloAgent({
    ...{ nc, identity, silo: name, server, instance: randomUUID(), version: packageVersion(), signal: stop.signal },
    home: {
      outbox: openOutbox(join(home, 'outbox')),
      departures: await openDepartures(join(home, 'departures.jsonl'), () => new Date()),
    },
    state: () => ({ plan, round: done === 0 ? null : done }),
    seals: async () => [],
    agree: async (welcome) => {
      plan = welcome.plan;
    },
    play: async (round) => {
      done = round;
      return release(name, round);
    },
    emit(event) {
      const now = performance.now();
      if (event.kind === 'task') at = now;
      if (['kept', 'uploaded', 'delivered', 'committed'].includes(event.kind)) {
        if (!('round' in event) || event.round === 1) return;
        const all = stages[event.kind] ?? [];
        stages[event.kind] = [...all, now - at];
        at = now;
      }
      if (event.kind === 'message-dropped' || event.kind === 'retry' || event.kind === 'failed') {
        process.stderr.write(`${name}: ${JSON.stringify(event)}\n`);
      }
    },
  });
  await nc.close();
}

/** Two hundred handshakes at once take a moment on two cores. @param {string} name @param {import('../dist/net/identity.js').Identity} identity */
async function connected(name, identity) {
  for (let tries = 1; ; tries++) {
    try {
      return await connectNats(address, {
        ...{ identity, inboxPrefix: siloInbox(name), name, signal: stop.signal, timeoutMs: 30_000 },
      });
    } catch (error) {
      if (tries === 20 || stop.signal.aborted) throw error;
      await new Promise((later) => setTimeout(later, 500));
    }
  }
}

/**
 * Another decoder for each silo and round, the same whenever it is asked for: one weight differs.
 * @param {string} name
 * @param {number} round
 * @returns {import('../dist/exchange/release.js').ReceivedRelease}
 */
function release(name, round) {
  const onnx = new Uint8Array(template.onnx);
  const [digits] = [Number.parseInt(contentHash(`${name}/${round}`).slice(0, 6), 16)];
  new DataView(onnx.buffer).setFloat32(template.weightAt, digits / 2 ** 26, true);
  const about = { sha256: contentHash(onnx), sizeBytes: onnx.length, latent: 2, shape: SHAPE, classes: null };
  return { kind: 'decoder', silo: name, round, privacy: NO_PRIVACY, decoder: { ...about, bytes: async () => onnx } };
}

/**
 * The decoder of an untrained VAE of about this size, and where in its file a weight lies.
 * @param {number} wanted
 */
function decoderOf(wanted) {
  const weights = (wanted * 2 ** 20) / 4;
  // hidden layers n, n: n * n + n * 784 weights
  const n = Math.max(4, Math.round(weights > 500_000 ? (-784 + Math.sqrt(784 ** 2 + 4 * weights)) / 2 : weights / 800));
  const vae = vaeOf({ kind: 'mlp', hidden: weights > 500_000 ? [n, n] : [n], latent: 2 }, SHAPE);
  const parameters = initialParameters(vae.parameters, seedKey('scale'));
  const onnx = exportDecoder(vae, parameters, SHAPE);
  const [values] = Object.entries(parameters).flatMap(([name, of]) => (name.startsWith('decoder.') ? [of] : []));
  if (!values) throw new Error('a decoder without weights');
  const weightAt = Buffer.from(onnx).indexOf(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return { onnx, weightAt };
}
