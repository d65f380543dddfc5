// Just enough WebAssembly binary format for modules of one function, such as one SIMD loop over float32 vectors.
// Encoding: https://webassembly.github.io/spec/core/binary/ (opcodes of the fixed-width SIMD extension).

/** Bytes of an expression that leaves one v128 on the stack, given where inputs, scalars and locals live. */
export type VectorCode = (places: Places) => readonly number[];

interface Places {
  /** Local index of an input's pointer, of a splat scalar, of a computed value; and of the byte offset. */
  readonly input: (index: number) => number;
  readonly scalar: (index: number) => number;
  readonly local: (index: number) => number;
  readonly offset: number;
}

/** Expressions over four float32 lanes. */
export const f32x4 = {
  /** Four elements of an input vector at the current offset, loaded once per pass. */
  input:
    (index: number): VectorCode =>
    (places) =>
      localGet(places.input(index)),
  scalar:
    (index: number): VectorCode =>
    (places) =>
      localGet(places.scalar(index)),
  local:
    (index: number): VectorCode =>
    (places) =>
      localGet(places.local(index)),
  literal:
    (value: number): VectorCode =>
    () => [0xfd, 0x0c, ...[0, 1, 2, 3].flatMap(() => float32Bytes(value))],
  unary:
    (operator: keyof typeof UNARY, a: VectorCode): VectorCode =>
    (places) => [...a(places), 0xfd, ...leb(UNARY[operator])],
  binary:
    (operator: keyof typeof BINARY, a: VectorCode, b: VectorCode): VectorCode =>
    (places) => [...a(places), ...b(places), 0xfd, ...leb(BINARY[operator])],
  compare:
    (operator: string, a: VectorCode, b: VectorCode): VectorCode =>
    (places) => [...a(places), ...b(places), 0xfd, ...leb(COMPARE[operator] as number)],
  /** Lanes of `whenTrue` where the mask is set, of `whenFalse` elsewhere. */
  select:
    (mask: VectorCode, whenTrue: VectorCode, whenFalse: VectorCode): VectorCode =>
    (places) => [...whenTrue(places), ...whenFalse(places), ...mask(places), 0xfd, ...leb(0x52)],
} as const;

/**
 * A module that exports `sweep(byteLength, ...input pointers, ...output pointers, ...scalars)` over the imported memory
 * `arena.memory`: for every 16 bytes load the inputs, compute `locals` in order, store `outputs`.
 */
export function simdLoop(loop: {
  readonly inputs: number;
  readonly scalars: number;
  readonly locals: readonly VectorCode[];
  readonly outputs: readonly VectorCode[];
}): Uint8Array {
  const pointers = loop.inputs + loop.outputs.length;
  const parameters = [I32, ...Array<number>(pointers).fill(I32), ...Array<number>(loop.scalars).fill(F32)];
  const offset = parameters.length; // the one i32 local
  const firstVector = offset + 1;
  const places: Places = {
    input: (i) => firstVector + i,
    scalar: (i) => firstVector + loop.inputs + i,
    local: (i) => firstVector + loop.inputs + loop.scalars + i,
    offset,
  };
  const address = (pointer: number) => [...localGet(1 + pointer), ...localGet(offset), 0x6a];
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);
  const body = [
    // Splat scalars once.
    ...range(loop.scalars).flatMap((i) => [...localGet(1 + pointers + i), 0xfd, 0x13, ...localSet(places.scalar(i))]),
    // block { loop { if (offset >= byteLength) break; ...; offset += 16; continue } }
    ...[0x02, 0x40, 0x03, 0x40, ...localGet(offset), ...localGet(0), 0x4f, 0x0d, 0x01],
    ...range(loop.inputs).flatMap((i) => [...address(i), 0xfd, 0x00, ALIGN_16, 0x00, ...localSet(places.input(i))]),
    ...loop.locals.flatMap((code, i) => [...code(places), ...localSet(places.local(i))]),
    ...loop.outputs.flatMap((code, i) => [...address(loop.inputs + i), ...code(places), 0xfd, 0x0b, ALIGN_16, 0x00]),
    ...[...localGet(offset), 0x41, 16, 0x6a, ...localSet(offset), 0x0c, 0x00, 0x0b, 0x0b],
    0x0b,
  ];
  const vectors = loop.inputs + loop.scalars + loop.locals.length;
  return encodeModule({ name: 'sweep', parameters, integers: 1, vectors, body });
}

/**
 * A module that exports one function without result, over the imported memory `arena.memory`. Its locals come after
 * its parameters: first `integers` of i32, then `vectors` of v128. `body` is its code up to and with the last `end`.
 */
export function encodeModule(definition: {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly integers: number;
  readonly vectors: number;
  readonly body: readonly number[];
}): Uint8Array {
  const { parameters, integers, vectors, body } = definition;
  const locals = list([
    [...leb(integers), I32],
    [...leb(vectors), V128],
  ]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list([[0x60, ...list(parameters.map((type) => [type])), 0x00]])),
    ...section(2, list([[...name('arena'), ...name('memory'), 0x02, 0x00, 0x00]])),
    ...section(3, list([[0x00]])),
    ...section(7, list([[...name(definition.name), 0x00, 0x00]])),
    ...section(10, list([[...leb(locals.length + body.length), ...locals, ...body]])),
  ]);
}

/** The type i32 of a parameter. */
export const I32 = 0x7f;
/** Alignment hint of 16 bytes for loads and stores. */
export const ALIGN_16 = 4;

/** Puts a local on the stack. */
export function localGet(index: number): number[] {
  return [0x20, ...leb(index)];
}

/** Takes a local off the stack. */
export function localSet(index: number): number[] {
  return [0x21, ...leb(index)];
}

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >>> 7;
  return rest === 0 ? [low] : [low | 0x80, ...leb(rest)];
}

// --- internal ---

const F32 = 0x7d;
const V128 = 0x7b;

const UNARY = { ceil: 0x67, floor: 0x68, neg: 0xe1, sqrt: 0xe3 } as const;
const BINARY = { add: 0xe4, sub: 0xe5, mul: 0xe6, div: 0xe7, min: 0xe8, max: 0xe9 } as const;
const COMPARE: Readonly<Record<string, number>> = { equal: 0x41, not_equal: 0x42, less: 0x43, less_equal: 0x45 };

function float32Bytes(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)]; // WebAssembly and every Node platform: little-endian
}

function list(entries: readonly (readonly number[])[]): number[] {
  return [...leb(entries.length), ...entries.flat()];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function name(text: string): number[] {
  return [...leb(text.length), ...new TextEncoder().encode(text)];
}
