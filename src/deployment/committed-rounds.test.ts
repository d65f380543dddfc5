import { expect, test } from 'vitest';
import type { RoundRecord } from '../experiments/journal.ts';
import { committedRounds } from './committed-rounds.ts';

const round = (number: number, ...uploads: readonly object[]) => ({ round: number, uploads }) as unknown as RoundRecord;

test('what is committed goes by the round that it answers, once, with what came before', () => {
  const committed = committedRounds([round(1, { silo: 'a', answers: 1, sha256: 'a1' }, { silo: 'b', sha256: 'b1' })]);
  const second = round(2, { silo: 'a', answers: 2, sha256: 'a2' }, { silo: 'c', answers: 1, sha256: 'c1' });
  const told = [
    { silo: 'a', round: 2, sha256: 'a2' },
    { silo: 'c', round: 1, sha256: 'c1' },
  ];
  expect(committed.add(second)).toEqual(told);
  expect(committed.add(second)).toEqual(told); // a run that goes on tells of it again
  expect(committed.of('a').map(({ sha256 }) => sha256)).toEqual(['a1', 'a2']);
  expect(committed.of('b')).toEqual([{ silo: 'b', round: 1, sha256: 'b1' }]);
  expect(committed.of('c')).toEqual([told[1]]);
});

test('averaged weights are no release', () => {
  expect(committedRounds([round(1, { silo: 'a', sha256: null })]).of('a')).toEqual([]);
});
