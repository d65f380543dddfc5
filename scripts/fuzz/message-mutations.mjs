// One case of fuzzing what crosses the network: a valid message with something changed, in its body, its envelope or its bytes.

import { caseSeed, randomFrom } from './random.mjs';
import { RAW_MUTATIONS } from './raw-mutations.mjs';
import { TEXTS } from './values.mjs';

/** @typedef {import('./random.mjs').Random} Random */

const HASH = 'ab'.repeat(32);
const ABOUT = { run: 'a run', plan: HASH };
const LIPSCHITZ = {
  form: 'spectral-normalisation',
  weight: null,
  bound: 4,
  latents: null,
  certificate: { bound: 3.5, perLayer: [{ layer: 'decoder.0', norm: 3.5 }] },
};
const STATEMENTS = [
  {
    mechanism: 'none',
    guarantee: 'none',
    epsilon: 'Infinity',
    delta: null,
    text: 'No privacy mechanism was applied. The decoder may reproduce images it was trained on.',
  },
  {
    mechanism: 'declared',
    guarantee: 'none',
    epsilon: null,
    delta: null,
    declaration: 'DP, says its maker',
    text: 'Declared by its maker, not verified by align-fl: "DP, says its maker"',
  },
  {
    mechanism: 'lipschitz',
    guarantee: 'none',
    epsilon: 'Infinity',
    delta: null,
    lipschitz: LIPSCHITZ,
    text:
      "NO formal privacy guarantee, epsilon is infinite. The decoder's weights were limited for a Lipschitz constant of at most 4: a " +
      'bound on the map from codes to images, not on what it tells of training images. The decoder may reproduce images it was ' +
      'trained on. Certificate: no two images differ by more than 3.5 times the distance of their codes, as the weights show.',
  },
  {
    mechanism: 'dp-sgd',
    guarantee: 'epsilon-delta',
    epsilon: 4,
    delta: 1e-5,
    nominalEpsilon: null,
    neighbours: 'zero-out-one',
    unit: 'record',
    accountant: { method: 'min(rdp, pld)', rdp: 4.5, pld: 4 },
    sampling: { kind: 'poisson', rate: 0.01, expectedBatch: 64 },
    clipping: { kind: 'fixed', clipNorm: 1, quantile: null },
    noiseMultiplier: 1.1,
    steps: 100,
    noise: 'secure',
    mode: 'full',
    text:
      'DP-SGD on the whole model: (4, 0.00001)-differential privacy for each record of this silo (a record replaced by an empty ' +
      "one, the number of records being public), over everything that this silo's ledger was charged for. Numerically computed " +
      'upper bound. It does not cover the choice of settings by looking at results, nor several records of one person.',
  },
];
const DECODER = {
  sha256: HASH,
  sizeBytes: 5_000_000,
  latent: 8,
  shape: { channels: 1, height: 28, width: 28 },
  classes: { count: 10, offered: [0, 3] },
};
const PARTS = [
  { sha256: HASH, sizeBytes: 4_194_304 },
  { sha256: HASH, sizeBytes: 805_696 },
];

/** A valid body of every kind. @type {Readonly<Record<import('../../src/net/messages.ts').Kind, (random: Random) => any>>} */
const BODIES = {
  train: () => ({ ...ABOUT, round: 1, nonce: HASH }),
  committed: () => ({ ...ABOUT, round: 1, sha256: HASH }),
  refused: () => ({ ...ABOUT, round: 1, sha256: HASH, code: 'RELEASE', reason: 'not ours' }),
  end: () => ABOUT,
  release: (random) => ({
    ...ABOUT,
    silo: 'a',
    round: 1,
    nonce: HASH,
    decoder: DECODER,
    privacy: random.pick(STATEMENTS),
    parts: PARTS,
  }),
  failed: () => ({ ...ABOUT, silo: 'a', round: 1, task: 1, code: 'PRIVACY', message: 'the budget is spent' }),
  left: () => ({ run: 'a run', silo: 'a', instance: 'one' }),
  hello: () => ({
    silo: 'a',
    instance: 'one',
    version: '0.1.0',
    state: { plan: HASH, round: 2 },
    pending: [{ round: 2, sha256: HASH }],
    seals: [{ round: 1, sha256: HASH }],
  }),
  welcome: () => ({ ...ABOUT, planText: '{"a":1}', federation: 'ours', since: 3 }),
  denied: () => ({ code: 'VERSION', message: 'too old' }),
  status: () => ({ silo: 'a', instance: 'one', state: 'training', round: 1, percent: 40 }),
};

/**
 * @typedef {object} MessageCase
 * @property {Uint8Array} bytes
 * @property {import('../../src/net/messages.ts').Kind} kind what it was
 * @property {'body' | 'envelope' | 'bytes' | 'nothing'} layer what was changed; a changed body was signed again
 * @property {readonly string[]} changes
 * @property {unknown} body what its sender wanted to say
 */

/** The subject of every case. */
export const SUBJECT = 'fl.up.a';

/**
 * Case `index` of the run with `seed`. `sign`: as the sender would; ed25519 is deterministic, so cases are too.
 * @param {number} seed
 * @param {number} index
 * @param {{ protocol: string, sign: (bytes: Uint8Array) => Uint8Array }} sender
 * @returns {MessageCase}
 */
export function messageCase(seed, index, { protocol, sign }) {
  const random = randomFrom(caseSeed(seed, index));
  const kind = random.pick(/** @type {import('../../src/net/messages.ts').Kind[]} */ (Object.keys(BODIES)));
  const layer = random.pick(/** @type {const} */ (['body', 'body', 'body', 'envelope', 'bytes', 'nothing']));
  /** @type {string[]} */
  const changes = [];
  const body = BODIES[kind](random);
  let text = JSON.stringify(layer === 'body' ? changed(random, body, changes) : body) ?? 'null';
  if (layer === 'body' && random.chance(0.1)) {
    changes.push('text');
    text = spoiledText(random, text);
  }
  const signature = Buffer.from(sign(new TextEncoder().encode(`${protocol}\n${SUBJECT}\n${kind}\n${text}`))).toString(
    'base64',
  );
  /** @type {any} */
  let envelope = { v: protocol, kind, body: text, signature };
  if (layer === 'envelope') envelope = changed(random, envelope, changes);
  let json = JSON.stringify(envelope) ?? '';
  if (layer === 'bytes' && random.chance(0.4)) {
    changes.push('text');
    json = spoiledText(random, json);
  }
  let bytes = new TextEncoder().encode(json);
  if (layer === 'bytes' && random.chance(0.6)) {
    const name = random.pick(Object.keys(RAW_MUTATIONS));
    changes.push(name);
    bytes = new Uint8Array(/** @type {any} */ (RAW_MUTATIONS)[name](random, bytes, bytes));
  }
  return { bytes, kind, layer, changes, body };
}

// --- internal ---

const VALUES = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  -0,
  2 ** 53,
  '',
  'Infinity',
  [],
  {},
  [[]],
  ...TEXTS,
  '\ud800',
  'NaN',
  HASH.toUpperCase(),
  'x'.repeat(70_000),
];

/** A copy with one to three things changed somewhere within. @param {Random} random @param {any} value @param {string[]} changes */
function changed(random, value, changes) {
  const copy = { root: structuredClone(value) };
  const times = random.pick([1, 1, 2, 3]);
  for (let i = 0; i < times; i++) {
    const places = placesIn(copy);
    if (places.length === 0) break;
    const [owner, key] = random.pick(places);
    const name = random.pick(Object.keys(CHANGES));
    changes.push(`${String(key)}: ${name}`);
    /** @type {any} */ (CHANGES)[name](random, owner, key);
  }
  return copy.root;
}

/** @type {Readonly<Record<string, (random: Random, owner: any, key: string) => void>>} */
const CHANGES = {
  'another value': (random, owner, key) => void (owner[key] = random.pick(VALUES)),
  'left out': (_, owner, key) => void delete owner[key],
  'one more': (random, owner) => {
    if (Array.isArray(owner)) owner.push(random.pick(VALUES));
    else
      Object.defineProperty(owner, random.pick(['__proto__', 'constructor', 'toString', 'more', '']), {
        value: random.pick(VALUES),
        enumerable: true,
        configurable: true,
        writable: true,
      });
  },
  'many more': (random, owner) => {
    for (let i = 0; i < random.pick([300, 5000]); i++) owner[Array.isArray(owner) ? owner.length : `k${i}`] = i % 7;
  },
  'a level more': (_, owner, key) => void (owner[key] = [owner[key]]),
  'very deep': (random, owner, key) => {
    for (let i = 0; i < random.pick([20, 2000]); i++)
      owner[key] = random.chance(0.5) ? [owner[key]] : { a: owner[key] };
  },
  'number moved': (random, owner, key) => {
    if (typeof owner[key] === 'number')
      owner[key] = random.pick([owner[key] + 1, -owner[key], owner[key] * 1e9, owner[key] + 0.5]);
  },
  'text moved': (random, owner, key) => {
    if (typeof owner[key] === 'string') owner[key] = spoiledText(random, owner[key]);
  },
};

/** Every value within, by its owner and key. @param {any} owner @returns {[any, string][]} */
function placesIn(owner, depth = 0) {
  if (depth > 20) return [];
  return Object.keys(owner).flatMap((key) => {
    const inner = typeof owner[key] === 'object' && owner[key] !== null ? placesIn(owner[key], depth + 1) : [];
    return [/** @type {[any, string]} */ ([owner, key]), ...inner];
  });
}

/** @param {Random} random @param {string} text */
function spoiledText(random, text) {
  const at = random.below(text.length + 1);
  const added = random.pick([
    '"',
    '\\',
    '\\ud800',
    '\ud800',
    '{',
    '}',
    '[',
    ',',
    ' ',
    '\u0000',
    '1e999',
    '[['.repeat(random.pick([10, 20_000])),
    '"a":1,',
    '\u202e',
    text,
  ]);
  return random.chance(0.3) ? text.slice(0, at) : text.slice(0, at) + added + text.slice(at + random.below(3));
}
