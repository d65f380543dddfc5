// Shapes on the way from codes to images, whose first axis counts images: what moving and folding make of the others.

/** Length of each axis, images first; null where it is not known. */
export type Sides = readonly (number | null)[];

/** Elements of one image; null where that is not known. */
export function rowSizeOf(sides: Sides): number | null {
  return sides.slice(1).reduce<number | null>((size, side) => (size === null || side === null ? null : size * side), 1);
}

/**
 * The sides after ONNX's Reshape to `wanted` (0 keeps a side, -1 is what is left over), or null unless it is certain that no
 * element goes from one image to another.
 */
export function reshapedSides(sides: Sides, wanted: readonly number[]): Sides | null {
  const size = rowSizeOf(sides);
  const [first, ...others] = wanted.map((side, axis) => (side === 0 ? (sides[axis] ?? null) : side));
  if (size === null || wanted.length === 0 || others.includes(null)) return null;
  const rest = others as number[];
  const known = rest.filter((side) => side !== -1).reduce((product, side) => product * side, 1);
  if (!rest.includes(-1)) return known === size ? [sides[0] ?? null, ...rest] : null; // whatever the first side is called, it is n
  const keepsImages = wanted[0] === 0 || (first === sides[0] && first !== null);
  if (!keepsImages || known <= 0 || size % known !== 0) return null;
  return [sides[0] ?? null, ...rest.map((side) => (side === -1 ? size / known : side))];
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
