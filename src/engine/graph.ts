// A growing ONNX graph: nodes and constants, each distinct one written once.

import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  type TensorProto,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { allocate, type ArraySpec, type DType, type HostArray } from './array-spec.ts';

/** Attribute of a node: a number is an integer unless wrapped as `{ float }`. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

/** A tensor that may have a named axis of any length where `shape` holds a string. */
export interface GraphPort {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/** ONNX version written: opset 18 (bitwise operators), understood by every ONNX Runtime since 1.14. */
export const OPSET = 18;

export class Graph {
  readonly #nodes: NodeProto[] = [];
  readonly #constants: TensorProto[] = [];
  readonly #known = new Map<string, readonly string[]>();
  readonly #renamed = new Map<string, string>();
  #count = 0;

  /** Writes a node, or finds the same one written before; returns the names of its outputs. */
  nodes(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputs = 1,
  ) {
    const identity = JSON.stringify([operator, inputs, attributes, outputs]);
    const known = this.#known.get(identity);
    if (known) return known;
    const names = Array.from({ length: outputs }, () => this.#freshName());
    const attribute = Object.entries(attributes).map(([name, value]) => attributeOf(name, value));
    this.#nodes.push(create(NodeProtoSchema, { opType: operator, input: [...inputs], output: names, attribute }));
    this.#known.set(identity, names);
    return names;
  }

  /** `nodes` for operators with one output. */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodes(operator, inputs, attributes)[0] as string;
  }

  /** A constant tensor of at most a few values (axes, shapes, literals), shared when equal. */
  constant(values: readonly number[], spec: ArraySpec | 'int64'): string {
    const [dims, dtype] = spec === 'int64' ? [[values.length], 'int64' as const] : [spec.shape, spec.dtype];
    const identity = JSON.stringify(['constant', values.map(String), dims, dtype]);
    const known = this.#known.get(identity);
    if (known) return known[0] as string;
    const data =
      dtype === 'int64'
        ? BigInt64Array.from(values, (value) => BigInt(value))
        : fill(allocate({ shape: [values.length], dtype }), values);
    const name = this.#freshName();
    this.#pushConstant(name, dims, dtype, data);
    this.#known.set(identity, [name]);
    return name;
  }

  /** A named constant of any size: weights of an exported model. */
  weight(name: string, spec: ArraySpec, data: HostArray): string {
    this.#pushConstant(name, spec.shape, spec.dtype, data);
    return name;
  }

  /** Makes a tensor a named output: renames it where a node writes it, copies it where it is an input or a constant. */
  output(tensor: string, name: string): void {
    const written = this.#nodes.some((node) => node.output.includes(tensor));
    if (written && !this.#renamed.has(tensor)) this.#renamed.set(tensor, name);
    else this.#nodes.push(create(NodeProtoSchema, { opType: 'Identity', input: [tensor], output: [name] }));
  }

  /** Serialises the model. `description` is readable by anyone who opens the file. */
  toBytes(ports: { inputs: readonly GraphPort[]; outputs: readonly GraphPort[]; description: string }): Uint8Array {
    const finalName = (tensor: string) => this.#renamed.get(tensor) ?? tensor;
    const graph = create(GraphProtoSchema, {
      name: 'align-fl',
      node: this.#nodes.map((node) =>
        create(NodeProtoSchema, { ...node, input: node.input.map(finalName), output: node.output.map(finalName) }),
      ),
      initializer: this.#constants,
      input: ports.inputs.map(valueInfo),
      output: ports.outputs.map(valueInfo),
    });
    const model = create(ModelProtoSchema, {
      irVersion: 8n,
      producerName: 'align-fl',
      docString: ports.description,
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(OPSET) })],
      graph,
    });
    return toBinary(ModelProtoSchema, model);
  }

  /** `%` keeps it apart from the ports' names, which are paths of record keys. */
  #freshName(): string {
    return `%${this.#count++}`;
  }

  #pushConstant(name: string, dims: readonly number[], dtype: DType | 'int64', data: ArrayBufferView): void {
    this.#constants.push(
      create(TensorProtoSchema, {
        name,
        dims: dims.map(BigInt),
        dataType: TENSOR_TYPE[dtype],
        rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice(),
      }),
    );
  }
}

/** ONNX number of an element type, as `Cast` takes it. */
export function onnxType(dtype: DType): number {
  return TENSOR_TYPE[dtype];
}

// --- internal ---

const TENSOR_TYPE = {
  float32: TensorProto_DataType.FLOAT,
  float64: TensorProto_DataType.DOUBLE,
  int32: TensorProto_DataType.INT32,
  uint32: TensorProto_DataType.UINT32,
  bool: TensorProto_DataType.BOOL,
  int64: TensorProto_DataType.INT64,
} as const;

function attributeOf(name: string, value: Attribute) {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  }
  if (typeof value === 'string') {
    const s = new TextEncoder().encode(value);
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  }
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}

function valueInfo(port: GraphPort) {
  const dim = port.shape.map((side) =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof side === 'number' ? { case: 'dimValue', value: BigInt(side) } : { case: 'dimParam', value: side },
    }),
  );
  const tensor = create(TypeProto_TensorSchema, {
    elemType: TENSOR_TYPE[port.dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name: port.name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  });
}

function fill(array: HostArray, values: readonly number[]): HostArray {
  values.forEach((value, i) => {
    array[i] = value;
  });
  return array;
}
