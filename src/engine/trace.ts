// A jax-js function becomes a flat list of equations: the one file that touches jax-js's intermediate form.

import { type Jaxpr as JaxJaxpr, makeJaxpr, numpy as np } from '@jax-js/jax';
import { AlignError, LoweringError } from '../errors.ts';
import {
  type ArraySpec,
  type DType,
  flattenTree,
  type HostArray,
  isSpec,
  mapTree,
  type NamedSpec,
  type Tree,
} from './array-spec.ts';

/** A function of traced arrays. One argument, a record of arrays; the result likewise. */
export type ArrayFunction = (inputs: never) => unknown;

/** A value that an equation defines or the caller gives. */
export interface Variable extends ArraySpec {
  readonly kind: 'variable';
  readonly id: number;
  readonly weak: boolean;
}

/** A scalar written into the program. */
export interface Literal extends ArraySpec {
  readonly kind: 'literal';
  readonly value: number;
  readonly weak: boolean;
}

/** `weak` ones, such as numbers written in JavaScript, take the element type of what they are combined with. */
export type Atom = Variable | Literal;

/** One primitive applied to atoms. `parameters` are the primitive's static settings, as jax-js names them. */
export interface Equation {
  readonly primitive: string;
  readonly inputs: readonly Atom[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly outputs: readonly Variable[];
}

/** A traced function: inputs, equations in order, outputs; no control flow, fixed shapes. */
export interface Traced {
  /** For messages: what was being traced. */
  readonly label: string;
  readonly inputs: readonly { readonly spec: NamedSpec; readonly variable: Variable }[];
  /** Arrays the function captured, by the variable that stands for them. */
  readonly constants: readonly { readonly variable: Variable; readonly data: HostArray }[];
  readonly equations: readonly Equation[];
  readonly outputs: readonly { readonly spec: NamedSpec; readonly atom: Atom }[];
}

/**
 * Traces `f` at the given specs. `f` receives one record of arrays shaped like `specs` and returns an array or a record.
 * Throws LoweringError where `f` reads array contents or uses an element type the engine does not move, and for specs
 * without elements. JavaScript's own comparisons (`x > 0`) cannot be caught: on a traced array they are just false.
 */
export function trace(label: string, f: ArrayFunction, specs: Tree<ArraySpec>): Traced {
  const named = flattenTree(specs, isSpec);
  for (const { name, leaf } of named) checkNotEmpty(label, name, leaf);
  const examples = mapTree(specs, isSpec, (spec) => np.zeros([...spec.shape], { dtype: spec.dtype as np.DType }));
  const { jaxpr: closed, treedef } = makeJaxprOf(label, f)(examples);
  const jaxpr = closed.jaxpr.flatten().simplify();
  const variables = new Map<JaxVar, Variable>();
  const variableOf = (v: JaxVar): Variable => {
    const known = variables.get(v);
    if (known) return known;
    const fresh: Variable = {
      kind: 'variable',
      id: variables.size,
      shape: v.aval.shape,
      dtype: dtypeOf(label, v.aval.dtype),
      weak: v.aval.weakType,
    };
    variables.set(v, fresh);
    return fresh;
  };
  const atomOf = (atom: JaxAtom): Atom =>
    'value' in atom
      ? {
          kind: 'literal',
          value: Number(atom.value),
          shape: [],
          dtype: dtypeOf(label, atom.aval.dtype),
          weak: atom.aval.weakType,
        }
      : variableOf(atom);

  const binders = jaxpr.inBinders.map(variableOf);
  const constants = closed.consts.map((array, i) => ({
    variable: binders[i] as Variable,
    data: copyOf((array as np.Array).ref.dataSync(), binders[i] as Variable),
  }));
  closed.dispose();
  const names = namesOf(treedef);
  return {
    label,
    inputs: named.map(({ name, leaf }, i) => ({
      spec: { ...leaf, name },
      variable: binders[constants.length + i] as Variable,
    })),
    constants,
    equations: jaxpr.eqns.map((e) => ({
      primitive: e.primitive,
      inputs: e.inputs.map(atomOf),
      parameters: e.params,
      outputs: e.outBinders.map(variableOf),
    })),
    outputs: jaxpr.outs.map((out, i) => {
      const atom = atomOf(out);
      return { spec: { shape: atom.shape, dtype: atom.dtype, name: names[i] as string }, atom };
    }),
  };
}

/** The element type in which jax-js computes with both, by its rules for weak types. */
export function promote(a: Atom, b: Atom): DType {
  const [strong, other] = a.weak ? [b, a] : [a, b];
  return np.promoteTypes(strong.dtype as np.DType, a.weak === b.weak ? (other.dtype as np.DType) : np.uint32) as DType;
}

// --- internal ---

type JaxVar = JaxJaxpr['inBinders'][number];
type JaxAtom = JaxJaxpr['outs'][number];
type JaxTreeDef = ReturnType<ReturnType<typeof makeJaxpr>>['treedef'];

function makeJaxprOf(label: string, f: ArrayFunction) {
  return (examples: unknown) => {
    try {
      return makeJaxpr(f as (inputs: unknown) => np.Array)(examples);
    } catch (cause) {
      if (cause instanceof AlignError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LoweringError(
        `Tracing '${label}' failed: ${reason}. A traced function sees shapes but no contents, ` +
          'and uses an array for a second time only as `.ref`.',
        { label },
        { cause },
      );
    }
  };
}

/** jax-js runs nothing on arrays without elements. */
function checkNotEmpty(label: string, name: string, spec: ArraySpec): void {
  if (!spec.shape.includes(0)) return;
  throw new LoweringError(
    `'${label}' takes '${name}' as ${spec.dtype}[${spec.shape.join(', ')}], which has no elements. ` +
      'Leave it out, or give every axis a length of at least one.',
    { label, name },
  );
}

function dtypeOf(label: string, dtype: string): DType {
  if (['float32', 'float64', 'int32', 'uint32', 'bool'].includes(dtype)) return dtype as DType;
  throw new LoweringError(
    `'${label}' uses ${dtype} arrays; the engine moves float32, float64, int32, uint32 and bool.`,
    {
      label,
      dtype,
    },
  );
}

function copyOf(data: ArrayLike<number>, variable: Variable): HostArray {
  switch (variable.dtype) {
    case 'float32':
      return Float32Array.from(data);
    case 'float64':
      return Float64Array.from(data);
    case 'int32':
      return Int32Array.from(data);
    case 'uint32':
      return Uint32Array.from(data);
    case 'bool':
      return Uint8Array.from(data);
  }
}

/** Paths of the leaves of a jax-js tree definition, in its order. */
function namesOf(definition: JaxTreeDef, path = ''): string[] {
  if (definition.childTreedefs.length === 0) return [path === '' ? 'value' : path];
  return definition.childTreedefs.flatMap((child, i) => {
    const key = String(definition.nodeMetadata?.[i] ?? i);
    return namesOf(child, path === '' ? key : `${path}.${key}`);
  });
}
