// Shapes on the way from codes to images, whose first axis counts images, or equal parts of them, one after another: what
// moving and folding make of the others.

/** Length of each axis, images first; null where it is not known. */
export type Sides = readonly (number | null)[];

/** Elements of one image, or of a part; null where that is not known. */
export function rowSizeOf(sides: Sides): number | null {
  return sides.slice(1).reduce<number | null>((size, side) => (size === null || side === null ? null : size * side), 1);
}

/** Sides, where every image has so many parts along the first axis: 1 for images as they are. */
export interface Folded {
  readonly sides: Sides;
  readonly parts: number;
}

/**
 * What ONNX's Reshape to `wanted` makes (0 keeps a side, -1 is what is left over), or null unless it is certain that no part
 * has elements of two images, and that all have equally many.
 */
export function reshaped({ sides, parts }: Folded, wanted: readonly number[]): Folded | null {
  const size = rowSizeOf(sides);
  const [first, ...others] = wanted.map((side, axis) => (side === 0 ? (sides[axis] ?? null) : side));
  if (size === null || wanted.length === 0 || others.includes(null)) return null;
  const rest = others as number[];
  const known = rest.filter((side) => side !== -1).reduce((product, side) => product * side, 1);
  if (!rest.includes(-1)) {
    if (known === size) return { sides: [sides[0] ?? null, ...rest], parts }; // whatever the first side is called, it stays
    const image = parts * size;
    if (first !== -1 || known <= 0 || image % known !== 0) return null;
    const [rows] = sides;
    return { sides: [rows ? (rows * size) / known : null, ...rest], parts: image / known };
  }
  const keepsImages = wanted[0] === 0 || (first === sides[0] && first !== null);
  if (!keepsImages || known <= 0 || size % known !== 0) return null;
  return { sides: [sides[0] ?? null, ...rest.map((side) => (side === -1 ? size / known : side))], parts };
}

/** A side after a convolution, or a transposed one, by ONNX's formulas. `span`: from the first tap to the last. */
export function convolvedSide(
  side: number | null,
  by: {
    readonly span: number;
    readonly stride: number;
    /** Of both ends. */
    readonly padding: number;
    /** `output_padding`. */
    readonly added: number;
    readonly isTransposed: boolean;
  },
): number | null {
  if (side === null) return null;
  const { span, stride, padding, added, isTransposed } = by;
  return isTransposed ? stride * (side - 1) + added + span - padding : Math.floor((side + padding - span) / stride) + 1;
}
