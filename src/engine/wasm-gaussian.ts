// Box and Muller's normal numbers as a WebAssembly SIMD loop in float64: random bits in, numbers on a grid out.
//
// The same instructions run whatever the bits are: nothing is rejected, no branch and no address depends on them, and
// no number gets near the subnormal ones. So the time tells nothing of the noise, but for what a processor's own
// division and square root may tell.

import { ALIGN_16, encodeModule, I32, leb, localGet, localSet } from './wasm-binary.ts';

/** The kernel works in groups: so many normal numbers from so many bytes, which makes 48 random bits a number. */
export const GROUP = { normals: 16, bytes: 96 } as const;

/** The kernel's numbers are multiples of this. */
export const NOISE_GRID = 2 ** -20;

/** The kernel's polynomials, constant term first, with the largest error of each (minimax by Remez' exchange). */
export const POLYNOMIALS = {
  /** ln((1 + s) / (1 - s)) / 2s over s^2, |s| up to 3 - sqrt 8: relative error 4.3e-12. */
  log: [1.000000000004212, 0.3333333262022617, 0.20000192934567826, 0.14267492962875974, 0.11808732915914948],
  /** sin(pi t / 4) / t over t^2, |t| up to 1: relative error 4.6e-12. */
  sine: [0.785398163393875, -0.08074551201280226, 0.002490393182590281, -3.6572348652883014e-5, 3.089747544549231e-7],
  /** cos(pi t / 4) over t^2, |t| up to 1: relative error 5.7e-11. */
  cosine: [0.9999999999439375, -0.30842513489118784, 0.01585432391223951, -3.259365004131668e-4, 3.5287616137170307e-6],
} as const;

/**
 * A module that exports `boxMuller(source, target, groups)` over the imported memory `arena.memory`: `groups` (at least
 * one) times 96 bytes from `source` on become 16 float32 numbers from `target` on.
 *
 * A group begins with eight little-endian 64-bit words x_0 .. x_7 and ends with eight signed 32-bit words w_0 .. w_7.
 * Pair i has u = 1 - floor(x_i / 2) * 2^-63 in (0, 1], radius r = sqrt(-2 ln u) up to 9.35, the angle
 * a = pi * w_i * 2^-32 in [-pi/2, pi/2), and the sign s = -1 where x_i is odd. It gives s r cos a and s r sin a, rounded
 * to the nearest multiple of 2^-20; these are below 2^24 steps, so float32 has them all. Pairs 2j and 2j + 1 fill
 * places 4j to 4j + 3: both cosines, then both sines.
 *
 * The relative error of r is at most 2.2e-12, those of cos a and sin a are at most 6.5e-11 of one: together less than a
 * ten-thousandth of a grid step at r = 1.
 */
export function boxMullerModule(): Uint8Array {
  const body = loopOf(group(), [
    [SOURCE, GROUP.bytes],
    [TARGET, GROUP.normals * 4],
  ]);
  return encodeModule({
    name: 'boxMuller',
    parameters: [I32, I32, I32],
    integers: 0,
    vectors: VECTOR_NAMES.length * VECTORS.length,
    body,
  });
}

// --- internal ---

/** Bytes of an instruction sequence that leaves one v128 on the stack, or nothing. */
type Code = readonly number[];

const [SOURCE, TARGET, GROUPS] = [0, 1, 2] as const; // the parameters
const ALIGN_8 = 3;

/** Four vectors of two pairs each go side by side, as their chains of dependent operations are long. */
const VECTORS = [0, 1, 2, 3] as const;
const VECTOR_NAMES = ['x', 'u', 'exponent', 's', 'y', 'radius', 'w', 't', 'sine', 'cosine'] as const;

/** One group, statement by statement for all four vectors. */
function group(): Code {
  const code: number[] = [];
  const each = (name: (typeof VECTOR_NAMES)[number], value: (vector: number) => Code) => {
    for (const vector of VECTORS) code.push(...value(vector), ...localSet(place(name, vector)));
  };
  const horner = (name: 'radius' | 'sine' | 'cosine', at: 'y' | 't', coefficients: readonly number[]) => {
    const [last, ...others] = coefficients.toReversed() as [number, ...number[]];
    others.forEach((coefficient, i) => {
      each(name, (v) => add(mul(i === 0 ? float(last) : get(name, v), get(at, v)), float(coefficient)));
    });
  };

  // u = (2 - (1 + high 52 bits)) - next 11 bits; every difference but the last is exact.
  each('x', (v) => load(16 * v));
  each('u', (v) => sub(float(2 + 2 ** -12), or(shiftRight(get('x', v), 12), float(1))));
  each('u', (v) => sub(get('u', v), or(and(get('x', v), bits(0xffen)), float(2 ** -12))));

  // u = 2^exponent m with m from sqrt(1/2) to sqrt 2; s = (m - 1) / (m + 1), ln m = 2 atanh s.
  each('u', (v) => addInt(get('u', v), bits(bitsOf(1) - bitsOf(Math.SQRT1_2))));
  each('exponent', (v) => sub(or(shiftRight(get('u', v), 52), float(2 ** 52)), float(2 ** 52 + 1023)));
  each('u', (v) => addInt(and(get('u', v), bits(2n ** 52n - 1n)), bits(bitsOf(Math.SQRT1_2))));
  each('s', (v) => div(sub(get('u', v), float(1)), add(get('u', v), float(1))));
  each('y', (v) => mul(get('s', v), get('s', v)));

  // Radius in grid steps, with the sign of the pair.
  const steps = NOISE_GRID ** -2;
  horner(
    'radius',
    'y',
    POLYNOMIALS.log.map((c) => -4 * steps * c),
  );
  each('radius', (v) => add(mul(get('radius', v), get('s', v)), mul(get('exponent', v), float(-2 * Math.LN2 * steps))));
  each('radius', (v) => or(sqrt(get('radius', v)), shiftLeft(get('x', v), 63)));

  // Sine and cosine of half the angle, as polynomials of w itself.
  each('w', (v) => fromInt32(loadHalf(64 + 8 * v)));
  each('t', (v) => mul(get('w', v), get('w', v)));
  horner(
    'sine',
    't',
    POLYNOMIALS.sine.map((c, i) => c * 2 ** (-31 - 62 * i)),
  );
  horner(
    'cosine',
    't',
    POLYNOMIALS.cosine.map((c, i) => c * 2 ** (-62 * i)),
  );

  // r cos a = r - (2 r sin(a/2)) sin(a/2) and r sin a = (2 r sin(a/2)) cos(a/2).
  each('sine', (v) => mul(get('sine', v), get('w', v)));
  each('w', (v) => mul(add(get('sine', v), get('sine', v)), get('radius', v)));
  each('radius', (v) => sub(get('radius', v), mul(get('w', v), get('sine', v))));
  each('w', (v) => mul(get('w', v), get('cosine', v)));
  for (const v of VECTORS) {
    code.push(...store(16 * v, scaled(lowHalves(rounded(get('radius', v)), rounded(get('w', v))))));
  }
  return code;
}

/** do { body; advance the pointers } while (--groups) */
function loopOf(body: Code, strides: readonly (readonly [pointer: number, bytes: number])[]): Code {
  return [
    ...[0x03, 0x40, ...body],
    ...strides.flatMap(([pointer, bytes]) => [
      ...[...localGet(pointer), 0x41, ...signedLeb(bytes), 0x6a, ...localSet(pointer)],
    ]),
    ...[...localGet(GROUPS), 0x41, 1, 0x6b, 0x22, GROUPS, 0x0d, 0x00, 0x0b],
    0x0b,
  ];
}

function place(name: (typeof VECTOR_NAMES)[number], vector: number): number {
  return GROUPS + 1 + VECTORS.length * VECTOR_NAMES.indexOf(name) + vector;
}

function get(name: (typeof VECTOR_NAMES)[number], vector: number): Code {
  return localGet(place(name, vector));
}

/** Opcodes of the fixed-width SIMD extension; plain names are f64x2. */
const [add, sub, mul, div] = [0xf0, 0xf1, 0xf2, 0xf3].map(binary) as [Binary, Binary, Binary, Binary];
const [and, or, addInt] = [0x4e, 0x50, 0xce].map(binary) as [Binary, Binary, Binary]; // v128, v128, i64x2
const [sqrt, nearest, fromInt32, demote] = [0xef, 0x94, 0xfe, 0x5e].map(unary) as [Unary, Unary, Unary, Unary];
const timesFloat32 = binary(0xe6); // f32x4

type Unary = (a: Code) => Code;
type Binary = (a: Code, b: Code) => Code;

function unary(opcode: number): Unary {
  return (a) => [...a, 0xfd, ...leb(opcode)];
}

function binary(opcode: number): Binary {
  return (a, b) => [...a, ...b, 0xfd, ...leb(opcode)];
}

function shiftLeft(a: Code, count: number): Code {
  return [...a, 0x41, ...signedLeb(count), 0xfd, ...leb(0xcb)];
}

function shiftRight(a: Code, count: number): Code {
  return [...a, 0x41, ...signedLeb(count), 0xfd, ...leb(0xcd)]; // unsigned
}

function load(offset: number): Code {
  return [...localGet(SOURCE), 0xfd, 0x00, ALIGN_16, ...leb(offset)];
}

/** Eight bytes, then zeros. */
function loadHalf(offset: number): Code {
  return [...localGet(SOURCE), 0xfd, 0x5d, ALIGN_8, ...leb(offset)];
}

function store(offset: number, value: Code): Code {
  return [...localGet(TARGET), ...value, 0xfd, 0x0b, ALIGN_16, ...leb(offset)];
}

function lowHalves(a: Code, b: Code): Code {
  return [...a, ...b, 0xfd, 0x0d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]; // a shuffle
}

/** Whole numbers as float32: below 2^24, so the second rounding changes nothing. */
function rounded(a: Code): Code {
  return demote(nearest(a));
}

function scaled(a: Code): Code {
  const grid = new Uint8Array(Float32Array.of(NOISE_GRID, NOISE_GRID, NOISE_GRID, NOISE_GRID).buffer);
  return timesFloat32(a, [0xfd, 0x0c, ...grid]);
}

function float(value: number): Code {
  return bits(bitsOf(value));
}

function bits(value: bigint): Code {
  return [0xfd, 0x0c, ...new Uint8Array(BigUint64Array.of(value, value).buffer)];
}

function bitsOf(value: number): bigint {
  return new BigUint64Array(Float64Array.of(value).buffer)[0] as bigint;
}

/** LEB128 of a small number that is not negative, as `i32.const` wants it: the last byte's second bit is the sign. */
function signedLeb(value: number): number[] {
  return value < 64 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >> 7)];
}
