import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { saveState } from '../training/state-file.ts';
import { finishedParameters } from './finished-state.ts';

const ROOT = temporaryFolder();

test('parameters are those of the end of the round that is asked for, and of no other state', async () => {
  const file = join(ROOT, 'state.safetensors');
  const state = { parameters: { w: Float32Array.of(1) }, memory: {}, epochsDone: 1, round: 2 };
  const refused = async (round: number, found: string) => {
    const asked = finishedParameters(file, round, 'Or not.');
    await expect(asked).rejects.toThrow(
      `end of round ${round}, but ${file} ${found}. Restore the folder as it was. Or not.`,
    );
    await expect(asked).rejects.toBeInstanceOf(StateError);
  };
  await refused(2, 'is missing');
  await saveState(file, { ...state, finished: false });
  await refused(2, 'is within round 2');
  await saveState(file, { ...state, finished: true });
  await refused(3, 'is at the end of round 2');
  expect(await finishedParameters(file, 2, '')).toEqual(state.parameters);
});
