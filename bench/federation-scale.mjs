// `npm run bench:federation`: a server with 5, 50 and 200 silos, and with decoders of 1 to 50 MB, over a real nats-server with
// TLS: seconds a round and a silo, the most memory that each process held, bytes on disk.
//
// Silos do not train: they answer at once with a small real decoder, so what is measured is the way there and the server's own
// work. All of them live in one process (scale-silos.mjs), the server in another (scale-server.mjs), as in a federation.
// `--json` prints a line of JSON for each federation, as soon as it has ended.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeNatsConfig } from '../dist/deployment/authority.js';
import { initServer } from '../dist/deployment/init-server.js';
import { inviteSilo } from '../dist/deployment/invitations.js';
import { loopbackSettings } from '../dist/deployment/laptop.js';
import { serverLayout } from '../dist/deployment/server-folder.js';
import { readRegistry, saveRegistry, withKey } from '../dist/deployment/silo-registry.js';
import { parseSpec } from '../dist/experiments/parse-spec.js';
import { createIdentity, saveIdentity } from '../dist/net/identity.js';
import { needNatsServer, startNatsServer } from '../dist/net/nats-process.js';
import { textTable } from '../dist/report/text-table.js';
import { median } from './median.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    silos: { type: 'string', default: '5,50,200' },
    megabytes: { type: 'string', default: '0.05' },
    rounds: { type: 'string', default: '4' },
    /** `silo`: every silo gives 50 images to the pool; `total`: all together give 2,000. */
    pool: { type: 'string', default: 'total' },
    keep: { type: 'boolean', default: false },
  },
});

/** @typedef {{ round: number, seconds: number, asked: number, here: number, kept: number, learnt: number, judged: number, told: number }} RoundTimes */
/** @typedef {{ silos: number, megabytes: number, inviteSeconds: number, startSeconds: number, rounds: RoundTimes[], stages: Record<string, number>, bytes: Record<Role, number>, cpuSeconds: Record<Role, number>, disk: Record<string, number>, load: number[] }} Row */
/** @typedef {'server' | 'nats' | 'trial' | 'silos'} Role */

/** Of a round at a silo: from its task to the file in the outbox, to the parts, to the notice kept, to `committed`. */
const STAGES = ['kept', 'uploaded', 'delivered', 'committed'];

const ROLES = /** @type {const} */ (['server', 'nats', 'trial', 'silos']);

needNatsServer();
/** @type {Row[]} */
const rows = [];
for (const silos of numbers(flags.silos)) {
  for (const megabytes of numbers(flags.megabytes)) {
    process.stderr.write(`${silos} silos, decoders of ${megabytes} MB\n`);
    const row = await measure(silos, megabytes);
    rows.push(row);
    if (flags.json) console.log(JSON.stringify(row));
  }
}
if (!flags.json) print();

// --- internal ---

/** @param {string} text */
function numbers(text) {
  return text.split(',').map(Number);
}

/**
 * One federation, from its folder to its last round.
 * @param {number} silos
 * @param {number} megabytes
 * @returns {Promise<Row>}
 */
async function measure(silos, megabytes) {
  const root = mkdtempSync(join(tmpdir(), 'align-fl-scale-'));
  const before = loadavg()[0] ?? Number.NaN;
  try {
    const names = Array.from({ length: silos }, (_, i) => `silo-${String(i + 1).padStart(3, '0')}`);
    const layout = await folders(root, names);
    const inviteSeconds = await invites(layout, names);
    const server = startRole('scale-server.mjs', [layout.root]);
    const agents = startRole('scale-silos.mjs', [layout.root, join(root, 'silos'), String(megabytes)]);
    const watch = watchProcesses({
      server: () => server.pid,
      silos: () => agents.pid,
      nats: () => pidIn(layout.nats.pid),
      trial: () => childOf(server.pid, 'trial-process'),
    });
    let served;
    let stages;
    try {
      [served, stages] = await Promise.all([server.result, agents.result]);
    } finally {
      server.stop();
      agents.stop();
      watch.stop();
    }
    const { startSeconds, rounds } = /** @type {{ startSeconds: number, rounds: RoundTimes[] }} */ (served);
    const disk = {
      broker: bytesBelow(layout.nats.store),
      run: bytesBelow(layout.run),
      incoming: bytesBelow(layout.incoming),
      silos: bytesBelow(join(root, 'silos')),
    };
    const load = [before, loadavg()[0] ?? Number.NaN];
    return {
      ...{
        silos,
        megabytes,
        inviteSeconds,
        startSeconds,
        rounds,
        stages: /** @type {Record<string, number>} */ (stages),
      },
      ...{ bytes: watch.bytes(), cpuSeconds: watch.cpuSeconds(), disk, load },
    };
  } finally {
    if (flags.keep) process.stderr.write(`Kept: ${root}\n`);
    else rmSync(root, { recursive: true, force: true });
  }
}

/**
 * A server and silos that have enrolled already: their keys are in its registry.
 * @param {string} root
 * @param {readonly string[]} names
 */
async function folders(root, names) {
  const layout = serverLayout(join(root, 'server'));
  const spec = parseSpec({
    name: 'scale',
    rounds: Number(flags.rounds),
    data: {
      source: { kind: 'at-silos', shape: { channels: 1, height: 28, width: 28 }, classes: 10, testSource: null },
      partition: { kind: 'at-silos' },
    },
    silos: names.map((name) => ({ name })),
    model: { kind: 'mlp', hidden: [16], latent: 2 },
    local: { epochs: 1, batchSize: 64 },
    server: { epochs: 1, batchSize: 64, images: flags.pool === 'silo' ? 50 : 2000, imagesPer: flags.pool },
    strategies: ['align'],
    privacy: { mechanism: 'none' },
  });
  const settings = await loopbackSettings();
  await initServer({ layout, spec, settings, now: new Date() });
  let registry = await readRegistry(layout.registry);
  for (const name of names) {
    const { identity, seed } = createIdentity();
    mkdirSync(join(root, 'silos', name), { recursive: true });
    await saveIdentity(join(root, 'silos', name, 'silo.nk'), seed);
    registry = withKey(registry, name, identity.publicKey);
  }
  await saveRegistry(layout.registry, registry);
  return layout;
}

/**
 * Seconds to invite one silo more, with a NATS server that has the others in its configuration and reads it again.
 * @param {import('../dist/deployment/server-folder.js').ServerLayout} layout
 * @param {readonly string[]} names
 */
async function invites(layout, names) {
  await writeNatsConfig(layout);
  const { config, log, pid } = layout.nats;
  const nats = await startNatsServer({ config, log, pidFile: pid });
  try {
    const seconds = [];
    for (const name of names.slice(0, 3)) {
      const before = performance.now();
      await inviteSilo(layout, name, { again: true });
      seconds.push((performance.now() - before) / 1000);
    }
    return median(seconds);
  } finally {
    await nats.close();
  }
}

/**
 * A process of this benchmark. Its result is the last line that it prints, as JSON.
 * @param {string} file
 * @param {string[]} args
 */
function startRole(file, args) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let last = 'null';
  const reading = (async () => {
    for await (const line of createInterface({ input: child.stdout })) last = line;
  })();
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve(null) : reject(new Error(`${file} ended with ${code}`))));
  });
  const result = Promise.all([ended, reading]).then(() => JSON.parse(last));
  result.catch(() => {});
  return { pid: child.pid ?? 0, result, stop: () => child.kill('SIGTERM') };
}

/**
 * What processes were seen to hold at most, and what they took of processors in all. Where the process of a role changes, the
 * most of all of them, and the sum.
 * @param {Record<Role, () => number | null>} pids
 */
function watchProcesses(pids) {
  const roles = /** @type {Role[]} */ (Object.keys(pids));
  const most = new Map(roles.map((role) => [role, 0]));
  /** @type {Map<string, number>} */
  const seconds = new Map();
  const timer = setInterval(() => {
    for (const role of roles) {
      const pid = pids[role]();
      if (pid === null) continue;
      most.set(role, Math.max(most.get(role) ?? 0, peakOf(pid)));
      seconds.set(`${role} ${pid}`, cpuSecondsOf(pid) ?? seconds.get(`${role} ${pid}`) ?? 0);
    }
  }, 50);
  const sum = (/** @type {Role} */ role) =>
    [...seconds].reduce((total, [key, value]) => total + (key.startsWith(`${role} `) ? value : 0), 0);
  const each = (/** @type {(role: Role) => number} */ value) =>
    /** @type {Record<Role, number>} */ (Object.fromEntries(roles.map((role) => [role, value(role)])));
  return {
    bytes: () => each((role) => most.get(role) ?? 0),
    cpuSeconds: () => each(sum),
    stop: () => clearInterval(timer),
  };
}

/** @param {number} pid */
function peakOf(pid) {
  try {
    const [, kibibytes] = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** @param {number} pid */
function cpuSecondsOf(pid) {
  try {
    const words = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    return (Number(words[11]) + Number(words[12])) / 100; // user and system, in ticks
  } catch {
    return null;
  }
}

/** @param {string} file */
function pidIn(file) {
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : null;
}

/** @param {number} parent @param {string} word */
function childOf(parent, word) {
  try {
    const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1').trim().split(' ');
    const isIt = (/** @type {string} */ pid) => pid && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word);
    const found = children.find(isIt);
    return found ? Number(found) : null;
  } catch {
    return null;
  }
}

/** @param {string} path @returns {number} */
function bytesBelow(path) {
  if (!existsSync(path)) return 0;
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  return entries.reduce(
    (sum, one) => sum + (one.isFile() ? statSync(join(one.parentPath, one.name)).blocks * 512 : 0),
    0,
  );
}

function print() {
  const mega = (/** @type {number} */ bytes) => (bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0);
  const cells = rows.map(({ silos, megabytes, rounds, bytes, cpuSeconds, disk, load, startSeconds, inviteSeconds }) => {
    const of = (/** @type {(round: RoundTimes) => number} */ value) => median(rounds.slice(1).map(value));
    const a = (/** @type {(round: RoundTimes) => number} */ value) => ((1000 * of(value)) / silos).toFixed(1);
    return [
      String(silos),
      String(megabytes),
      inviteSeconds.toFixed(2),
      startSeconds.toFixed(1),
      rounds[0]?.seconds.toFixed(2) ?? null,
      of(({ seconds }) => seconds).toFixed(2),
      a(({ seconds }) => seconds),
      a(({ here }) => here),
      a(({ kept }) => kept),
      a(({ learnt }) => learnt),
      a(({ judged }) => judged),
      a(({ told }) => told),
      ...ROLES.map((role) => ((1000 * cpuSeconds[role]) / silos / rounds.length).toFixed(1)),
      ...ROLES.map((role) => mega(bytes[role])),
      ...[disk['broker'], disk['run'], disk['silos']].map((bytes) => mega(bytes ?? 0)),
      load.map((one) => one.toFixed(1)).join('-'),
    ];
  });
  console.log(
    textTable(
      [
        ...[
          'silos',
          'MB',
          'invite s',
          'start s',
          'round 1 s',
          'round s',
          'ms/silo',
          'here',
          'kept',
          'learnt',
          'judged',
          'told',
        ],
        ...ROLES.map((role) => `${role} cpu`),
        ...ROLES.map((role) => `${role} MB`),
        ...['broker disk', 'run disk', 'silo disk', 'load'],
      ],
      cells,
    ),
  );
  const stages = rows.map(({ silos, megabytes, stages: of }) => [
    String(silos),
    String(megabytes),
    ...STAGES.map((name) => (of[name] ?? Number.NaN).toFixed(0)),
  ]);
  console.log(
    `\nAt a silo, milliseconds, median of all its rounds but the first\n${textTable(['silos', 'MB', ...STAGES], stages)}`,
  );
}
