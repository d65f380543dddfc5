// Elementwise updates in one pass over memory: a traced function of vectors becomes a WebAssembly SIMD loop.
//
// An optimizer touches every parameter with a dozen cheap operations. As graph nodes each would stream megabytes
// through the caches; here all of them happen between one load and one store. In place, and the same on every machine.

import { LoweringError, ShapeError } from '../errors.ts';
import type { Arena } from './arena.ts';
import { type ArraySpec, float32 } from './array-spec.ts';
import { type ArrayFunction, type Atom, type Equation, trace, type Traced } from './trace.ts';
import { f32x4, simdLoop, type VectorCode } from './wasm-binary.ts';

/** What the traced function takes: `vectors` of one common length and `scalars`. It returns a record of vectors. */
export interface SweepPorts {
  readonly vectors: readonly string[];
  readonly scalars: readonly string[];
}

/** Runs the update once with these scalar values. */
export type BoundSweep = (scalars: Readonly<Record<string, number>>) => void;

export interface Sweep {
  /**
   * Ties the function's vectors to vectors of an arena, by name. An output may be one of the inputs: each element is
   * read before it is written. Throws ShapeError where lengths differ.
   */
  bind(arena: Arena, inputs: Readonly<Record<string, string>>, outputs: Readonly<Record<string, string>>): BoundSweep;
}

/**
 * Compiles `f`, a float32 function that works element by element. Throws LoweringError for anything else.
 * Elements past the end of a vector, up to the next 64-byte border, may be overwritten.
 */
export function compileSweep(label: string, f: ArrayFunction, ports: SweepPorts): Sweep {
  const specs: Record<string, ArraySpec> = {
    ...Object.fromEntries(ports.vectors.map((name) => [name, float32(LANES)])),
    ...Object.fromEntries(ports.scalars.map((name) => [name, float32()])),
  };
  const traced = trace(label, f, specs);
  const outputNames = traced.outputs.map(({ spec }) => spec.name);
  const module = new WebAssembly.Module(encode(traced, ports));
  return {
    bind(arena, inputs, outputs) {
      const instance = new WebAssembly.Instance(module, { arena: { memory: arena.memory } });
      const run = instance.exports['sweep'] as (...args: number[]) => void;
      const read = ports.vectors.map((name) => arena.vector(inputs[name] ?? name));
      const written = outputNames.map((name) => arena.vector(outputs[name] ?? name));
      const length = read[0]?.length ?? 0;
      const odd = [...read, ...written].find((vector) => vector.length !== length);
      if (odd) throw new ShapeError(`'${label}' sweeps over vectors of ${length} elements, but one has ${odd.length}.`);
      const byteLength = Math.ceil(length / LANES) * LANES * 4;
      const pointers = [...read, ...written].map((vector) => vector.byteOffset);
      return (scalars) => {
        const values = ports.scalars.map((name) => scalars[name] ?? missingScalar(label, name));
        run(byteLength, ...pointers, ...values);
      };
    },
  };
}

// --- internal ---

const LANES = 4;

function missingScalar(label: string, name: string): never {
  throw new ShapeError(`'${label}' needs the scalar '${name}'.`, { name });
}

function encode(traced: Traced, ports: SweepPorts): Uint8Array {
  const { label } = traced;
  if (traced.constants.length > 0) throw notElementwise(label, 'a captured array; pass it as a vector');
  for (const { spec, atom } of traced.outputs) {
    if (!isLane(atom) || atom.dtype !== 'float32') throw notElementwise(label, `${describe(atom)} as '${spec.name}'`);
  }
  const values = new Map<number, VectorCode>();
  traced.inputs.forEach(({ variable }, i) => {
    const isVector = i < ports.vectors.length;
    values.set(variable.id, isVector ? f32x4.input(i) : f32x4.scalar(i - ports.vectors.length));
  });
  const codeOf = (atom: Atom): VectorCode =>
    atom.kind === 'literal' ? f32x4.literal(atom.value) : (values.get(atom.id) as VectorCode);
  const locals: VectorCode[] = [];
  for (const equation of traced.equations) {
    const [output] = equation.outputs;
    if (!output) continue;
    checkElementwise(label, equation);
    locals.push(translate(label, equation, equation.inputs.map(codeOf)));
    values.set(output.id, f32x4.local(locals.length - 1));
  }
  return simdLoop({
    inputs: ports.vectors.length,
    scalars: ports.scalars.length,
    locals,
    outputs: traced.outputs.map(({ atom }) => codeOf(atom)),
  });
}

function translate(label: string, equation: Equation, operands: readonly VectorCode[]): VectorCode {
  const [a, b, c] = operands as [VectorCode, VectorCode, VectorCode];
  switch (equation.primitive) {
    case 'add':
    case 'mul':
    case 'min':
    case 'max':
      return f32x4.binary(equation.primitive, a, b);
    case 'neg':
    case 'sqrt':
    case 'floor':
    case 'ceil':
      return f32x4.unary(equation.primitive, a);
    case 'reciprocal':
      return f32x4.binary('div', f32x4.literal(1), a);
    case 'compare':
      return f32x4.compare(String(equation.parameters['op']), a, b);
    case 'where':
      return f32x4.select(a, b, c);
    case 'broadcast': // scalars already fill all lanes
    case 'reshape':
    case 'stop_gradient':
      return a;
    default:
      throw notElementwise(label, `'${equation.primitive}'`, equation.primitive);
  }
}

/** Throws unless every operand is float32, apart from masks on their way from a comparison to `where`. */
function checkElementwise(label: string, { primitive, inputs, outputs }: Equation): void {
  const odd = inputs.find((atom, i) => {
    const isMask = atom.kind === 'variable' && atom.dtype === 'bool';
    if (primitive === 'where' && i === 0) return !isMask;
    return isMask ? !MOVES_MASKS.has(primitive) : atom.dtype !== 'float32';
  });
  const wide = outputs.find((output) => !isLane(output));
  if (odd || wide) throw notElementwise(label, `'${primitive}' on ${describe((odd ?? wide) as Atom)}`, primitive);
}

const MOVES_MASKS: ReadonlySet<string> = new Set(['broadcast', 'reshape', 'stop_gradient']);

/** One value per element, or one for all. */
function isLane({ shape }: Atom): boolean {
  return shape.length === 0 || (shape.length === 1 && (shape[0] === LANES || shape[0] === 1));
}

function describe(atom: Atom): string {
  return atom.kind === 'literal' ? `the number ${atom.value}` : `${atom.dtype}[${atom.shape.join(', ')}]`;
}

function notElementwise(label: string, what: string, primitive: string | null = null): LoweringError {
  return new LoweringError(
    `'${label}' is to run element by element in float32, but uses ${what}. ` +
      'Sweeps know add, mul, min, max, neg, sqrt, floor, ceil, reciprocal, and comparisons as conditions of where.',
    { label, primitive },
  );
}
