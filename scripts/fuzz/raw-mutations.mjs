// Changes of a file's bytes that know how protobuf writes: lengths that lie, numbers that do not end, parts without number.

/** @typedef {import('./random.mjs').Random} Random */

/** @type {Readonly<Record<string, (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array>>} */
export const RAW_MUTATIONS = {
  overwrite: (random, bytes) => {
    const edited = bytes.slice();
    const times = 1 + random.below(8);
    for (let i = 0; i < times; i++)
      edited[random.below(edited.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
    return edited;
  },
  truncate: (random, bytes) => bytes.slice(0, random.below(bytes.length)),
  cut: (random, bytes) => spliced(bytes, random.below(bytes.length), 1 + random.below(40), new Uint8Array()),
  insert: (random, bytes) => spliced(bytes, random.below(bytes.length), 0, random.bytes(1 + random.below(20))),
  double: (random, bytes) => {
    const at = random.below(bytes.length);
    return spliced(bytes, at, 0, bytes.slice(at, at + 1 + random.below(200)));
  },
  graft: (random, bytes, other) => {
    const at = random.below(other.length);
    return spliced(bytes, random.below(bytes.length), random.below(60), other.slice(at, at + 1 + random.below(300)));
  },
  'endless number': (random, bytes) =>
    spliced(
      bytes,
      random.below(bytes.length),
      0,
      new Uint8Array(1 + random.below(random.pick([4, 11, 300]))).fill(random.pick([0x80, 0xff])),
    ),
  'long length': (random, bytes) => {
    const at = random.below(bytes.length);
    return spliced(
      bytes,
      at,
      1,
      Uint8Array.of(0xff, 0xff, 0xff, random.pick([0x7f, 0xff, 0x07]), random.pick([0x0f, 0x07, 0x7f])),
    );
  },
  'random bytes': (random) => random.bytes(random.below(600)),
  'deep nesting': (random) => nested(random, random.pick([10, 15, 17, 100, 5000])),
  'many empty parts': (random, bytes) =>
    joined(
      bytes,
      repeated(
        random.pick([
          [0x3a, 2, 0x0a, 0],
          [0x3a, 2, 0x2a, 0],
          [0xa2, 1, 0],
          [0x42, 0],
          [0x3a, 4, 0x0a, 2, 0x2a, 0],
        ]),
        random.pick([100, 70_000, 300_000]),
      ),
    ),
  'many numbers': (random, bytes) => {
    // graph { initializer { int64_data: packed } }
    const count = random.pick([1000, 2 ** 20 - 1, 2 ** 20 + 1, 2 ** 21]);
    const list = new Uint8Array(count).fill(random.pick([0, 1, 0x7f]));
    return joined(
      bytes,
      part(0x3a, part(0x2a, joined(Uint8Array.of(0x08, ...varint(count), 0x10, 7), part(0x3a, list)))),
    );
  },
  'long text': (random, bytes) =>
    joined(
      bytes,
      part(
        random.pick([0x12, 0x32]),
        new Uint8Array(random.pick([1000, 2 ** 20, 2 ** 23])).fill(random.pick([0x41, 0x80, 0xff])),
      ),
    ),
  'second graph': (_, bytes, other) => joined(bytes, other), // parts of the same number are merged, and lists joined
};

/** @param {Uint8Array} bytes @param {number} at @param {number} removed @param {Uint8Array} added */
function spliced(bytes, at, removed, added) {
  return joined(bytes.subarray(0, at), added, bytes.subarray(Math.min(bytes.length, at + removed)));
}

/** @param {Uint8Array[]} parts */
function joined(...parts) {
  return new Uint8Array(Buffer.concat(parts));
}

/** @param {readonly number[]} piece @param {number} times */
function repeated(piece, times) {
  return new Uint8Array(Buffer.alloc(piece.length * times, Uint8Array.from(piece)));
}

/** @param {number} value @returns {number[]} */
function varint(value) {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** A part with its length before it. @param {number} tag @param {Uint8Array} content */
function part(tag, content) {
  return joined(Uint8Array.of(tag, ...varint(content.length)), content);
}

/** Graphs within attributes of nodes of graphs. @param {Random} random @param {number} depth */
function nested(random, depth) {
  let inner = random.bytes(2);
  for (let i = 0; i < depth; i++) inner = part(0x0a, part(0x2a, part(0x32, inner))); // node { attribute { g } }
  return joined(Uint8Array.of(0x08, 8), part(0x3a, inner));
}
