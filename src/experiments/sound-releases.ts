// Where decoders come from strangers, one that turns out bad in the middle of a draw costs its silo a place in the pool, and
// nobody else anything.

import { ReleaseError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { imagesAtSilos } from './at-silos.ts';
import type { Spec } from './spec.ts';

/**
 * What `draw` makes of the releases; across machines, of those that it does not refuse. Every decoder was tried on arrival, but
 * may behave then and not later, for rare codes. Throws ReleaseError where none is left, and in a simulation at once.
 */
export async function drawnFromSound<Pool>(
  spec: Pick<Spec, 'data'>,
  releases: readonly ReceivedRelease[],
  {
    draw,
    onRefused,
  }: {
    readonly draw: (releases: readonly ReceivedRelease[]) => Promise<Pool>;
    readonly onRefused: (silo: string, error: ReleaseError) => void;
  },
): Promise<Pool> {
  let left = releases;
  for (;;) {
    try {
      return await draw(left);
    } catch (error) {
      if (!(error instanceof ReleaseError) || imagesAtSilos(spec) === null || left.length === 1) throw error;
      const silo = error.facts['silo'];
      const others = left.filter((release) => release.silo !== silo);
      if (others.length === left.length) throw error;
      onRefused(String(silo), error);
      left = others;
    }
  }
}

/** What is told then. */
export function leftOut(silo: string, why: string): string {
  return `The decoder of ${silo} was left out of the pool: ${why}`;
}
