// Shapes, types and names of the arrays that enter and leave a traced function.

import { ShapeError } from '../errors.ts';

/** Element types the engine moves between JavaScript and a program. `bool` travels as bytes 0 or 1. */
export type DType = 'float32' | 'float64' | 'int32' | 'uint32' | 'bool';

/** What is known of an array before it exists. */
export interface ArraySpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** An `ArraySpec` with the path under which it stands in the tree of arguments or results: `parameters.encoder.0`. */
export interface NamedSpec extends ArraySpec {
  readonly name: string;
}

/** Buffers that hold array contents, row-major. */
export type HostArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** Nested records of leaves, as functions take and return them. */
export type Tree<Leaf> = Leaf | { readonly [name: string]: Tree<Leaf> };

/** Shorthand for the commonest spec. */
export function float32(...shape: readonly number[]): ArraySpec {
  return { shape, dtype: 'float32' };
}

/** Shorthand for raw random bits. */
export function uint32(...shape: readonly number[]): ArraySpec {
  return { shape, dtype: 'uint32' };
}

/** Tells floating-point element types from integers and `bool`. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64';
}

/** Number of elements. */
export function sizeOf(spec: ArraySpec): number {
  return spec.shape.reduce((product, side) => product * side, 1);
}

/** A zeroed buffer that fits `spec`. */
export function allocate(spec: ArraySpec): HostArray {
  const size = sizeOf(spec);
  switch (spec.dtype) {
    case 'float32':
      return new Float32Array(size);
    case 'float64':
      return new Float64Array(size);
    case 'int32':
      return new Int32Array(size);
    case 'uint32':
      return new Uint32Array(size);
    case 'bool':
      return new Uint8Array(size);
  }
}

/** Throws ShapeError unless `array` has the element type and size of `spec`. */
export function checkFits(array: HostArray | undefined, spec: NamedSpec): asserts array is HostArray {
  const expected = `${spec.dtype}[${spec.shape.join(', ')}] (${sizeOf(spec)} elements)`;
  if (array === undefined) {
    throw new ShapeError(`Array '${spec.name}' is missing; expected ${expected}.`, { name: spec.name });
  }
  if (array.length !== sizeOf(spec) || array.constructor !== allocate({ shape: [0], dtype: spec.dtype }).constructor) {
    const found = `${array.constructor.name} of ${array.length} elements`;
    throw new ShapeError(`Array '${spec.name}' should be ${expected}, but is a ${found}.`, { name: spec.name });
  }
}

/** The leaves of a tree with their paths, in insertion order. `isLeaf` tells a leaf from a record. */
export function flattenTree<Leaf>(
  tree: Tree<Leaf>,
  isLeaf: (node: Tree<Leaf>) => node is Leaf,
  path = '',
): readonly { readonly name: string; readonly leaf: Leaf }[] {
  if (isLeaf(tree)) return [{ name: path === '' ? 'value' : path, leaf: tree }];
  return Object.entries(tree as { readonly [name: string]: Tree<Leaf> }).flatMap(([name, child]) =>
    flattenTree(child, isLeaf, path === '' ? name : `${path}.${name}`),
  );
}

/** The same records with other leaves. */
export function mapTree<Leaf, To>(
  tree: Tree<Leaf>,
  isLeaf: (node: Tree<Leaf>) => node is Leaf,
  change: (leaf: Leaf) => To,
): Tree<To> {
  if (isLeaf(tree)) return change(tree);
  const entries = Object.entries(tree as { readonly [name: string]: Tree<Leaf> });
  return Object.fromEntries(entries.map(([name, child]) => [name, mapTree(child, isLeaf, change)]));
}

/** Tells a spec from a record of specs. */
export function isSpec(node: Tree<ArraySpec>): node is ArraySpec {
  return Array.isArray((node as ArraySpec).shape) && typeof (node as ArraySpec).dtype === 'string';
}
