// A small decoder written node by node, for tests that bend it out of shape: x = sigmoid(z W), reshaped to [n, 1, 2, 2].

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  type AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

export const HAND_MADE_SHAPE = { channels: 1, height: 2, width: 2 };

/** A model as the test wants it: `change` edits the sound one in place. */
export function handMadeDecoder(change: (model: ModelProto, graph: GraphProto) => void = () => {}): Uint8Array {
  const weights = Float32Array.of(1, -1, 0.5, 2, -0.5, 1, 1, -2); // W [2, 4]
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 18n }],
    graph: {
      name: 'hand-made',
      input: [port('z', ['n', 2])],
      output: [port('x', ['n', 1, 2, 2])],
      initializer: [floats('w', [2, 4], weights), integers('shape', [-1, 1, 2, 2])],
      node: [
        node('MatMul', ['z', 'w'], ['logits']),
        node('Sigmoid', ['logits'], ['pixels']),
        node('Reshape', ['pixels', 'shape'], ['x']),
      ],
    },
  });
  change(model, model.graph as GraphProto);
  return toBinary(ModelProtoSchema, model);
}

/** The same with classes: x = sigmoid(z W + class V), V [3, 4], `class` [n, 3]. */
export function handMadeLabelledDecoder(change: (graph: GraphProto) => void = () => {}): Uint8Array {
  return handMadeDecoder((_, graph) => {
    graph.input.push(port('class', ['n', 3]));
    graph.initializer.push(floats('v', [3, 4], Float32Array.of(3, 0, 0, 0, 0, -3, 0, 0, 0, 0, 1, -1)));
    const head = [
      node('MatMul', ['z', 'w'], ['codes']),
      node('MatMul', ['class', 'v'], ['labels']),
      node('Add', ['codes', 'labels'], ['logits']),
    ];
    graph.node.splice(0, 1, ...head);
    change(graph);
  });
}

/** A float32 port; a text is an open side. */
export function port(name: string, sides: readonly (number | string)[], elemType = TensorProto_DataType.FLOAT) {
  const dim = sides.map((side) => ({
    value:
      typeof side === 'number'
        ? ({ case: 'dimValue', value: BigInt(side) } as const)
        : ({ case: 'dimParam', value: side } as const),
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

export function node(
  opType: string,
  input: string[],
  output: string[],
  attribute: MessageInitShape<typeof AttributeProtoSchema>[] = [],
) {
  return create(NodeProtoSchema, { opType, input, output, attribute });
}

/** An integer attribute. */
export function integer(name: string, i: number): MessageInitShape<typeof AttributeProtoSchema> {
  return { name, type: AttributeProto_AttributeType.INT, i: BigInt(i) };
}

export function floats(name: string, dims: readonly number[], values: Float32Array) {
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: TensorProto_DataType.FLOAT,
    rawData: new Uint8Array(values.slice().buffer),
  });
}

export function integers(name: string, values: readonly number[]) {
  return create(TensorProtoSchema, {
    name,
    dims: [BigInt(values.length)],
    dataType: TensorProto_DataType.INT64,
    int64Data: values.map(BigInt),
  });
}
