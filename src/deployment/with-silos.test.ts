import { describe, expect, test } from 'vitest';
import { parseSpec } from '../experiments/parse-spec.ts';
import { findPreset } from '../experiments/presets.ts';
import { withSilos } from './with-silos.ts';

const preset = (name: string, more: object = {}) => parseSpec({ ...(findPreset(name)?.spec as object), ...more });
const QUICKSTART = preset('quickstart');
const namesIn = ({ silos }: { silos: readonly { readonly name: string }[] }) => silos.map(({ name }) => name);

describe('an experiment with another number of silos', () => {
  test('is as it was where the number is', () => {
    expect(withSilos(QUICKSTART, null)).toEqual({ spec: QUICKSTART, notes: [] });
    expect(withSilos(QUICKSTART, 5).spec).toBe(QUICKSTART);
  });

  test('keeps its first silos as they are, deals all of its classes among them, and says so', () => {
    const { spec, notes } = withSilos(preset('mixed-silos'), 3);
    expect(spec.silos).toEqual(preset('mixed-silos').silos.slice(0, 3));
    expect(spec.data.partition).toEqual({
      kind: 'class-disjoint',
      classes: [
        [0, 1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
    });
    expect(notes).toEqual([
      '3 of the 5 silos of mixed-silos take part; conv and conv-small are left out.',
      'The classes are dealt anew: small has 0 1 2 3, paper has 4 5 6, wide has 7 8 9.',
    ]);
  });

  test('keeps how many images there are of a class, and all classes where one silo is left', () => {
    const { spec, notes } = withSilos(preset('paper-mnist'), 1);
    expect(namesIn(spec)).toEqual(['silo-a']);
    const classes = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]];
    expect(spec.data.partition).toEqual({ kind: 'class-disjoint', classes, perClass: 6000 });
    expect(notes[0]).toContain('silo-b, silo-c, silo-d and silo-e are left out');
  });

  test('gets plain silos beyond those that it names', () => {
    const { spec, notes } = withSilos(QUICKSTART, 6);
    expect(namesIn(spec)).toEqual([...namesIn(QUICKSTART), 'silo-f']);
    expect(notes[0]).toBe('silo-f joins the 5 silos of quickstart.');
    const letters = preset('quickstart', { silos: 'fghij'.split('').map((letter) => ({ name: `silo-${letter}` })) });
    expect(namesIn(withSilos(letters, 7).spec).slice(5)).toEqual(['silo-k', 'silo-l']);
  });

  test('keeps a partition that goes with any number', () => {
    const data = { ...QUICKSTART.data, partition: { kind: 'dirichlet', alpha: 0.5 } };
    const { spec, notes } = withSilos(preset('quickstart', { data }), 12);
    expect(spec.data.partition).toEqual(data.partition);
    expect(notes).toHaveLength(1);
  });

  test.each([
    ['more silos than classes', QUICKSTART, 11, '--silos: expected at most 10, one for each class'],
    [
      'a silo that is named elsewhere',
      foreignTo('silo-e'),
      3,
      'The spec with --silos 3 has a problem:\n  data.foreign',
    ],
  ])('is refused for %s', (_, spec, count, words) => {
    expect(() => withSilos(spec, count)).toThrow(words);
  });
});

function foreignTo(silo: string) {
  const foreign = { source: { kind: 'drawn-garments' }, rate: 0.05, silos: [silo] };
  return preset('quickstart', { data: { ...QUICKSTART.data, foreign } });
}
