// Elementwise primitives: each output element depends on one element of each operand.

import { type DType, isFloat } from './array-spec.ts';
import { onnxType } from './graph.ts';
import { productWithBias } from './lower-dot.ts';
import { type Rule, type Scope, unsupported } from './scope.ts';
import { type Atom, type Equation, promote } from './trace.ts';
import { alignTo, type View } from './view.ts';

/** Writes the ONNX nodes of one primitive over broadcastable operand tensors of one element type. */
type Writer = (context: {
  readonly scope: Scope;
  readonly equation: Equation;
  readonly operands: readonly string[];
  /** Element type of the operands after promotion. */
  readonly dtype: DType;
}) => string;

/** The elementwise primitives that have an ONNX form. */
export const ELEMENTWISE: Readonly<Record<string, Writer>> = {
  add: (c) => (c.dtype === 'bool' ? plain('Or')(c) : plain('Add')(c)),
  mul: (c) => (c.dtype === 'bool' ? plain('And')(c) : plain('Mul')(c)),
  idiv: (c) => {
    if (isFloat(c.dtype)) throw unsupported(c.scope, c.equation, `element type ${c.dtype}`);
    return plain('Div')(c); // integers: truncates, as jax-js does
  },
  mod: (c) => c.scope.graph.node('Mod', c.operands, { fmod: 1 }),
  min: (c) => plain('Min')(c),
  max: (c) => plain('Max')(c),
  neg: (c) => plain('Neg')(c),
  reciprocal: (c) => plain('Reciprocal')(c),
  floor: (c) => (isFloat(c.dtype) ? plain('Floor')(c) : (c.operands[0] as string)),
  ceil: (c) => (isFloat(c.dtype) ? plain('Ceil')(c) : (c.operands[0] as string)),
  stop_gradient: (c) => c.operands[0] as string,
  exp: (c) => plain('Exp')(c),
  log: (c) => plain('Log')(c),
  sqrt: (c) => plain('Sqrt')(c),
  sin: (c) => plain('Sin')(c),
  cos: (c) => plain('Cos')(c),
  asin: (c) => plain('Asin')(c),
  atan: (c) => plain('Atan')(c),
  erf: (c) => plain('Erf')(c),
  erfc: (c) => {
    const one = c.scope.graph.constant([1], { shape: [], dtype: c.dtype });
    return c.scope.graph.node('Sub', [one, plain('Erf')(c)]); // absolute error 1e-7: no digits in the far tail
  },
  cast: (c) => c.scope.graph.node('Cast', c.operands, { to: onnxType(outputType(c.equation)) }),
  bit_combine: (c) => {
    const name = { and: 'And', or: 'Or', xor: 'Xor' }[c.equation.parameters['op'] as 'and' | 'or' | 'xor'];
    return plain(c.dtype === 'bool' ? name : `Bitwise${name}`)(c);
  },
  bit_shift: (c) => {
    if (c.dtype !== 'uint32') throw unsupported(c.scope, c.equation, `element type ${c.dtype}; shift uint32`);
    const direction = c.equation.parameters['op'] === 'shl' ? 'LEFT' : 'RIGHT';
    return c.scope.graph.node('BitShift', c.operands, { direction });
  },
  compare: (c) => {
    const node = (operator: string) => c.scope.graph.node(operator, c.operands);
    switch (c.equation.parameters['op']) {
      case 'less':
        return node('Less');
      case 'less_equal':
        return node('LessOrEqual');
      case 'equal':
        return node('Equal');
      case 'not_equal':
        return c.scope.graph.node('Not', [node('Equal')]);
      default:
        throw unsupported(c.scope, c.equation, `comparison ${String(c.equation.parameters['op'])}`);
    }
  },
  where: (c) => plain('Where')(c),
};

/**
 * Lowers one elementwise equation. Axes on which every operand is constant are dropped, the small tensor is computed
 * in the memory order of the operand that varies most, and the rest stays a view.
 */
export const lowerElementwise: Rule = (scope, equation) => {
  const output = equation.outputs[0];
  const writer = ELEMENTWISE[equation.primitive];
  if (!output || !writer) throw unsupported(scope, equation, 'this form');
  const fused = productWithBias(scope, equation);
  if (fused) {
    scope.bind(output, fused);
    return;
  }
  if (FLOATS_ONLY.has(equation.primitive) && !isFloat(output.dtype)) {
    throw unsupported(scope, equation, `element type ${output.dtype}: cast to float32 first`);
  }
  const views = promoted(scope, equation).map((view) => alignTo(view, output.shape));
  if (equation.primitive === 'stop_gradient') {
    scope.bind(output, views[0] as View);
    return;
  }
  const order = commonOrder(views, output.shape.length);
  const operands = views.map((view) => operandTensor(scope, view, order));
  const dtype = (views[views.length - 1] as View).dtype;
  const name = writer({ scope, equation, operands, dtype });
  const carrier = CARRIERS[equation.primitive]?.[output.dtype];
  scope.bind(output, scope.cast(scope.fromOrder(name, output.shape, order, carrier ?? output.dtype), output.dtype));
};

// --- internal ---

/** Element types that an operator's CPU kernel lacks, and the type that carries their values and results instead. */
const CARRIERS: Readonly<Record<string, Partial<Record<DType, DType>>>> = {
  neg: { uint32: 'int32' }, // both wrap around at 2^32
  where: { uint32: 'int32', bool: 'int32' },
  min: { bool: 'int32' },
  max: { bool: 'int32' },
};

const FLOATS_ONLY: ReadonlySet<string> = new Set([
  ...['reciprocal', 'exp', 'log', 'sqrt'],
  ...['sin', 'cos', 'asin', 'atan', 'erf', 'erfc'],
]);

function plain(operator: string): Writer {
  return ({ scope, operands }) => scope.graph.node(operator, operands);
}

function outputType(equation: Equation): DType {
  return (equation.outputs[0] as { dtype: DType }).dtype;
}

/** Operand views in the element type in which jax-js computes, or in its carrier. */
function promoted(scope: Scope, equation: Equation): View[] {
  const { inputs, primitive } = equation;
  const dtype = primitive === 'compare' ? promote(...(inputs as [Atom, Atom])) : outputType(equation);
  const carrier = CARRIERS[primitive]?.[dtype] ?? dtype;
  const operand = (atom: Atom) => scope.cast(scope.viewAs(atom, dtype), carrier);
  if (primitive === 'cast' || primitive === 'stop_gradient') return inputs.map((atom) => scope.view(atom));
  if (primitive === 'where') {
    const [condition, ...branches] = inputs;
    if (!condition) return [];
    return [scope.view(condition), ...branches.map(operand)];
  }
  return inputs.map(operand);
}

/** Axes on which any operand varies, in the memory order of an operand that varies on all of them. */
function commonOrder(views: readonly View[], rank: number): number[] {
  const varying = Array.from({ length: rank }, (_, axis) => axis).filter((axis) =>
    views.some((view) => view.axes[axis] !== null),
  );
  const leader = views.find((view) => varying.every((axis) => view.axes[axis] !== null));
  if (!leader) return varying;
  return varying.sort((a, b) => (leader.axes[a] as number) - (leader.axes[b] as number));
}

/** The operand with its varying axes in the common order and ones elsewhere; leading ones are left to broadcasting. */
function operandTensor(scope: Scope, view: View, order: readonly number[]): string {
  const own = order.filter((axis) => view.axes[axis] !== null);
  const name = scope.inOrder(view, own);
  const sides = order.map((axis) => (view.axes[axis] === null ? 1 : (view.shape[axis] as number)));
  const first = sides.findIndex((_, i) => view.axes[order[i] as number] !== null);
  const needed = first === -1 ? [] : sides.slice(first);
  return needed.length === own.length ? name : scope.reshape(name, needed);
}
