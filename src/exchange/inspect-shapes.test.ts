import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema, type GraphProto, type NodeProto } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { floats, HAND_MADE_SHAPE, handMadeDecoder, integer, integers, node } from '../../test/hand-made-decoder.ts';
import { ReleaseError } from '../errors.ts';
import { inspectDecoder } from './inspect.ts';
import { lipschitzCertificate } from './lipschitz-certificate.ts';

function reasonOf(run: () => unknown): unknown {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    return error.facts['reason'];
  }
}

/** What inspection says of the hand-made decoder with `nodes` before its last one, which reads 'pixels' and 'told'. */
function verdict(...nodes: NodeProto[]): unknown {
  const bytes = handMadeDecoder((_, graph) => {
    const last = graph.node.pop() as NodeProto;
    last.input[1] = 'told';
    graph.initializer.push(integers('minus', [-1]), integers('rest', [1, 2, 2]), integers('first', [0]));
    graph.node.push(...nodes, last);
  });
  return reasonOf(() => inspectDecoder(bytes, { shape: HAND_MADE_SHAPE }));
}

const concat = (...names: string[]) => node('Concat', names, ['told'], [integer('axis', 0)]);
const cast = (name: string, to = 7) => node('Cast', [name], ['whole'], [integer('to', to)]);

describe('a shape', () => {
  test('may come from constants, and from how many images are asked for', () => {
    expect(verdict(concat('minus', 'rest'))).toBe(null);
    const counted = [node('Shape', ['z'], ['sides']), node('Gather', ['sides', 'first'], ['n'])];
    expect(verdict(...counted, concat('n', 'rest'))).toBe(null);
  });

  test('may not come from what is drawn, by whatever way', () => {
    expect(verdict(cast('z'), node('Identity', ['whole'], ['told']))).toBe('shape-from-data');
    expect(verdict(node('ReduceMean', ['z'], ['mean']), cast('mean'), concat('whole', 'rest'))).toBe('shape-from-data');
    const chosen = node('Gather', ['rest', 'whole'], ['picked']); // which constant is taken depends on z
    expect(verdict(cast('z'), chosen, concat('picked', 'rest'))).toBe('shape-from-data');
  });

  test.each([
    ['Expand', 2],
    ['Tile', 2],
    ['Squeeze', 2],
    ['Unsqueeze', 2],
    ['Pad', 2],
    ['Resize', 4],
    ['Slice', 5],
    ['ReduceSum', 2],
    ['ConstantOfShape', 1],
  ])('that %s is told neither', (operator, operands) => {
    const constant = Array<string>(operands - 1).fill('rest');
    const of = (shape: string) => verdict(cast('z'), node(operator, [...constant, shape], ['told']));
    expect(of('whole')).toBe('shape-from-data');
    expect(of('minus')).toBe(null);
  });
});

describe('a shape that is told by a constant', () => {
  const expanded = (...sides: number[]) => {
    const told = integers('sides', sides);
    const bytes = handMadeDecoder((_, graph) => {
      graph.initializer.push(told);
      graph.node.unshift(node('Expand', ['w', 'sides'], ['large']));
    });
    return reasonOf(() => inspectDecoder(bytes, { shape: HAND_MADE_SHAPE }));
  };

  test('has no side that no tensor could have', () => {
    expect([expanded(2, 2 ** 26), expanded(-1, 3)]).toEqual([null, null]);
    expect([expanded(2 ** 26 + 1), expanded(2, 2 ** 40), expanded(-(2 ** 40))]).toEqual(Array(3).fill('shape-size'));
  });

  test('scales by a number', () => {
    const bytes = handMadeDecoder((_, graph) => {
      graph.initializer.push(floats('scales', [2], Float32Array.of(1, Number.NaN)));
      graph.node.unshift(node('Resize', ['w', '', 'scales'], ['large']));
    });
    expect(reasonOf(() => inspectDecoder(bytes, { shape: HAND_MADE_SHAPE }))).toBe('shape-size');
  });
});

describe('an operator', () => {
  test('casts to numbers, not to texts', () => {
    expect(verdict(cast('pixels', 1), concat('minus', 'rest'))).toBe(null);
    for (const to of [8, 0, 16, 99, -1]) expect(verdict(cast('pixels', to), concat('minus', 'rest'))).toBe('attribute');
  });

  test('puts a few hundred tensors together, not thousands', () => {
    expect(verdict(concat(...Array<string>(256).fill('minus')))).toBe(null);
    expect(verdict(concat(...Array<string>(257).fill('minus')))).toBe('operands');
  });

  test.each(['group', 'strides', 'dilations', 'kernel_shape', 'blocksize'])('has a %s of 1 at least', (name) => {
    const single = (value: number) => verdict(node('Identity', ['minus'], ['told'], [integer(name, value)]));
    const several = (...values: bigint[]) =>
      verdict(node('Identity', ['minus'], ['told'], [{ name, type: AttributeProto_AttributeType.INTS, ints: values }]));
    expect([single(1), several(1n, 2n)]).toEqual([null, null]);
    expect([single(0), single(-1), several(1n, 0n)]).toEqual(['attribute', 'attribute', 'attribute']);
  });

  test('with very many attributes is refused as fast as one with few', () => {
    const attribute = Array.from({ length: 60_000 }, (_, i) =>
      create(AttributeProtoSchema, { name: `name-${i}`, type: AttributeProto_AttributeType.INT, i: 1n }),
    );
    const many = node('Constant', [], ['told']);
    many.attribute = attribute;
    const bytes = handMadeDecoder((_, graph) => graph.node.unshift(many));
    const before = performance.now();
    expect(reasonOf(() => inspectDecoder(bytes, { shape: HAND_MADE_SHAPE }))).toBe('attribute');
    expect(performance.now() - before).toBeLessThan(3000); // comparing each with each takes far longer
  });
});

describe('a certificate is not waited for without an end, where a weight is cut by', () => {
  const cut = (...told: ReturnType<typeof integers>[]) =>
    handMadeDecoder((_, graph: GraphProto) => {
      graph.initializer.push(...told);
      graph.node.unshift(node('Slice', ['w', ...told.map(({ name }) => name)], ['cut']));
      (graph.node[1] as NodeProto).input[1] = 'cut';
    });

  test('steps that are no whole numbers', () => {
    const steps = floats('steps', [1], Float32Array.of(1e-30));
    const bytes = cut(integers('starts', [0]), integers('ends', [9]), integers('axes', [0]), steps);
    expect(reasonOf(() => lipschitzCertificate(bytes))).toBe('not-certifiable');
  });

  test('more cuts than it has sides', () => {
    const many = (name: string, value: number) => integers(name, Array<number>(100_000).fill(value));
    const bytes = cut(many('starts', 0), many('ends', 9), many('axes', 0), many('steps', 1));
    expect(reasonOf(() => lipschitzCertificate(bytes))).toBe('not-certifiable');
  });

  test('few whole ones it is', () => {
    const bytes = cut(...[['starts', 0] as const, ['ends', 9] as const].map(([name, at]) => integers(name, [at])));
    expect(reasonOf(() => lipschitzCertificate(bytes))).toBe(null);
  });
});
