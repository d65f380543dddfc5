// Lines of a drawing: straight or smooth through given points, as chains of short segments.

/** A point, x to the right and y downward. */
export type Point = readonly [x: number, y: number];

/** How a line goes through its points: with corners, smoothly, or smoothly and back to the first. */
export type LineKind = 'straight' | 'curve' | 'loop';

/** A chain of points, x and y in turn: [2 * count]. */
export type Chain = Float64Array;

/**
 * The chain of a line through `points`. Curves are Catmull-Rom splines (tension 1/2; the ends doubled), each span
 * cut into `steps` segments; straight lines stay as they are.
 */
export function chainThrough(kind: LineKind, points: readonly Point[], steps = 6): Chain {
  if (kind === 'straight' || points.length < 3) return Float64Array.from(points.flat());
  const isLoop = kind === 'loop';
  const count = points.length;
  const spans = isLoop ? count : count - 1;
  const chain = new Float64Array(2 * (spans * steps + 1));
  const at = (i: number): Point => points[isLoop ? (i + count) % count : Math.min(Math.max(i, 0), count - 1)] as Point;
  let to = 0;
  for (let span = 0; span < spans; span++) {
    const [ax, ay] = at(span - 1);
    const [bx, by] = at(span);
    const [cx, cy] = at(span + 1);
    const [dx, dy] = at(span + 2);
    for (let step = 0; step < steps; step++) {
      const t = step / steps;
      const t2 = t * t;
      const t3 = t2 * t;
      chain[to++] = bx + 0.5 * ((cx - ax) * t + (2 * ax - 5 * bx + 4 * cx - dx) * t2 + (3 * (bx - cx) + dx - ax) * t3);
      chain[to++] = by + 0.5 * ((cy - ay) * t + (2 * ay - 5 * by + 4 * cy - dy) * t2 + (3 * (by - cy) + dy - ay) * t3);
    }
  }
  const [x, y] = at(spans);
  chain[to] = x;
  chain[to + 1] = y;
  return chain;
}

/** The extent of some points. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The smallest box around all chains. */
export function boundingBox(chains: readonly Chain[]): Box {
  let left = Infinity;
  let right = -Infinity;
  let top = Infinity;
  let bottom = -Infinity;
  for (const chain of chains) {
    for (let i = 0; i < chain.length; i += 2) {
      left = Math.min(left, chain[i] as number);
      right = Math.max(right, chain[i] as number);
      top = Math.min(top, chain[i + 1] as number);
      bottom = Math.max(bottom, chain[i + 1] as number);
    }
  }
  return { left, right, top, bottom };
}
