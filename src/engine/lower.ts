// A traced function becomes one ONNX graph: equations in order, each handed to the rule of its primitive.

import { LoweringError } from '../errors.ts';
import { type ArraySpec, type NamedSpec, sizeOf } from './array-spec.ts';
import { Graph, type GraphPort } from './graph.ts';
import { lowerConvolution } from './lower-convolution.ts';
import { lowerDot } from './lower-dot.ts';
import { ELEMENTWISE, lowerElementwise } from './lower-elementwise.ts';
import { lowerGather, lowerScatter } from './lower-indexing.ts';
import { lowerReduce } from './lower-reduce.ts';
import { MOVEMENT } from './lower-movement.ts';
import { type Port, tensorName } from './program.ts';
import { type Rule, Scope } from './scope.ts';
import type { Atom, Equation, Traced } from './trace.ts';

/** A traced function as a model file, with the ports in the order of the function's leaves. */
export interface LoweredModel {
  readonly bytes: Uint8Array;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

export interface LoweringOptions {
  /** Inputs to bake into the file as constants, by name: the weights of an exported decoder. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
  /** Text stored in the model file. */
  readonly description?: string;
  /** Name of a leading axis of every input and output that may have any length, traced at `length`. */
  readonly freeAxis?: { readonly name: string; readonly length: number };
}

/** Lowers `traced`. Throws LoweringError naming the primitive that has no ONNX form. */
export function lower(traced: Traced, options: LoweringOptions = {}): LoweredModel {
  const graph = new Graph();
  const scope = new Scope(graph, traced, options.freeAxis?.length ?? null);
  const open: NamedSpec[] = [];
  for (const { spec, variable } of traced.inputs) {
    const weight = options.weights?.[spec.name];
    if (weight === undefined) open.push(spec);
    else if (scope.uses(variable) > 0) graph.weight(spec.name, spec, weight); // what nothing reads is left out
    scope.bindTensor(variable, spec.name);
  }
  for (const { variable, data } of traced.constants) {
    const name = `%captured${variable.id}`;
    graph.weight(name, variable, data);
    scope.bindTensor(variable, name);
  }
  for (const equation of traced.equations) applyRule(scope, equation);
  const taken = new Set(traced.inputs.map(({ spec }) => spec.name));
  const outputs = traced.outputs.map(({ spec, atom }): Port => {
    const port = taken.has(spec.name) ? { ...spec, tensor: `${spec.name}%` } : spec;
    graph.output(scope.tensor(atom), tensorName(port));
    return port;
  });
  const graphPort = (port: Port): GraphPort => freePort({ ...port, name: tensorName(port) }, options.freeAxis);
  const description = options.description ?? traced.label;
  return {
    bytes: graph.toBytes({ inputs: open.map(graphPort), outputs: outputs.map(graphPort), description }),
    inputs: open,
    outputs,
  };
}

// --- internal ---

const RULES: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(Object.keys(ELEMENTWISE).map((primitive) => [primitive, lowerElementwise])),
  ...MOVEMENT,
  dot: lowerDot,
  conv: lowerConvolution,
  reduce: lowerReduce,
  gather: lowerGather,
  scatter: lowerScatter,
};

function applyRule(scope: Scope, equation: Equation): void {
  const rule = Object.hasOwn(RULES, equation.primitive) ? RULES[equation.primitive] : undefined;
  if (!rule) {
    const operands = equation.inputs.map(describe).join(', ');
    throw new LoweringError(
      `'${scope.label}' uses the primitive '${equation.primitive}' on ${operands}, which has no ONNX lowering here. ` +
        'Express it by other operations, or run the function on the wasm executor.',
      { primitive: equation.primitive, label: scope.label },
    );
  }
  rule(scope, equation);
}

function describe(atom: Atom): string {
  return atom.kind === 'literal' ? String(atom.value) : `${atom.dtype}[${atom.shape.join(', ')}]`;
}

function freePort(spec: NamedSpec, freeAxis: LoweringOptions['freeAxis']): GraphPort {
  if (!freeAxis || sizeOf(spec as ArraySpec) === 0 || spec.shape[0] !== freeAxis.length) return spec;
  return { ...spec, shape: [freeAxis.name, ...spec.shape.slice(1)] };
}
