import { describe, expect, test } from 'vitest';
import { ReleaseError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { drawnFromSound } from './sound-releases.ts';
import type { Spec } from './spec.ts';

const ELSEWHERE = { data: { source: { kind: 'at-silos' } } } as unknown as Spec;
const HERE = { data: { source: { kind: 'mnist' } } } as unknown as Spec;
const releases = ['a', 'b', 'c'].map((silo) => ({ silo }) as ReceivedRelease);

/** Draws from all but `bad`, whom it refuses one by one. */
function refusing(...bad: readonly string[]) {
  const refused: string[] = [];
  const draw = async (sound: readonly ReceivedRelease[]) => {
    const found = sound.find(({ silo }) => bad.includes(silo));
    if (found) throw new ReleaseError('bad pixels', { reason: 'non-finite', silo: found.silo });
    return sound.map(({ silo }) => silo);
  };
  return { refused, how: { draw, onRefused: (silo: string) => refused.push(silo) } };
}

describe('a decoder that turns out bad in the middle of a draw', () => {
  test('costs its silo a place in the pool, across machines', async () => {
    const { refused, how } = refusing('a', 'c');
    expect(await drawnFromSound(ELSEWHERE, releases, how)).toEqual(['b']);
    expect(refused).toEqual(['a', 'c']);
  });

  test('ends the round where nobody is left', async () => {
    const { refused, how } = refusing('a', 'b', 'c');
    await expect(drawnFromSound(ELSEWHERE, releases, how)).rejects.toThrow(ReleaseError);
    expect(refused).toEqual(['a', 'b']);
  });

  test('ends a simulation, whose owner can mend it', async () => {
    const { refused, how } = refusing('b');
    await expect(drawnFromSound(HERE, releases, how)).rejects.toThrow('bad pixels');
    expect(refused).toEqual([]);
  });

  test('other errors pass', async () => {
    const draw = () => Promise.reject(new Error('disk'));
    await expect(drawnFromSound(ELSEWHERE, releases, { draw, onRefused: () => {} })).rejects.toThrow('disk');
  });
});
