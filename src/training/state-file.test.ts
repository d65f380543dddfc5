import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StateError } from '../errors.ts';
import { encodeSafetensors } from '../storage/safetensors.ts';
import { loadState, saveState, type StoredState } from './state-file.ts';

const STATE: StoredState = {
  parameters: {
    'encoder.0.weight': Float32Array.of(1.5, -0, Number.MIN_VALUE, 3e38),
    'encoder.0.bias': Float32Array.of(-2),
  },
  memory: {
    'mean/encoder.0.weight': Float32Array.of(0.1, 0.2, 0.3, 0.4),
    'mean/encoder.0.bias': Float32Array.of(5),
    'square/encoder.0.weight': new Float32Array(4),
    'square/encoder.0.bias': new Float32Array(1),
  },
  round: 3,
  epochsDone: 7,
  finished: false,
};

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'align-fl-state-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a state comes back as it was saved, to the last bit', async () => {
  const path = join(folder, 'a', 'b', 'state.safetensors');
  await saveState(path, STATE);
  expect(await loadState(path)).toEqual(STATE);
});

test('a finished round keeps no memory of the optimizer, which starts anew in the next', async () => {
  const path = join(folder, 'finished.safetensors');
  await saveState(path, { ...STATE, finished: true });
  expect(await loadState(path)).toEqual({ ...STATE, finished: true, memory: {} });
});

test('equal states make equal bytes, whatever the order of their names', async () => {
  const paths = ['one', 'two'].map((name) => join(folder, `${name}.safetensors`)) as [string, string];
  await saveState(paths[0], STATE);
  const reversed = Object.fromEntries(Object.entries(STATE.parameters).reverse());
  await saveState(paths[1], { ...STATE, parameters: reversed });
  expect(readFileSync(paths[0]).equals(readFileSync(paths[1]))).toBe(true);
});

test('where there is no file there is no state', async () => {
  expect(await loadState(join(folder, 'nothing.safetensors'))).toBeNull();
});

test('a file that was cut off anywhere is refused by name', async () => {
  const whole = join(folder, 'whole.safetensors');
  await saveState(whole, STATE);
  const bytes = readFileSync(whole);
  const path = join(folder, 'cut.safetensors');
  for (let length = 0; length < bytes.length; length += 13) {
    writeFileSync(path, bytes.subarray(0, length));
    const error: unknown = await loadState(path).catch((caught: unknown) => caught);
    expect(error, `${length} bytes`).toBeInstanceOf(StateError);
    expect((error as StateError).message, `${length} bytes`).toContain(path);
  }
});

test.each([
  ['another version', { format: 'align-fl/training-state@2' }, 'not a training state of this version'],
  ['another program', { format: 'pt' }, 'not a training state of this version'],
  ['no metadata', null, 'not a training state of this version'],
  ['a round that is no number', { round: 'three' }, 'not a training state of this version'],
  ['a negative round', { round: '-1' }, 'not a training state of this version'],
  ['half an epoch', { epochsDone: '1.5' }, 'not a training state of this version'],
  ['an unclear end', { finished: 'yes' }, 'not a training state of this version'],
])('a file of %s is refused by name', async (_, change, message) => {
  const metadata = { format: 'align-fl/training-state@1', round: '1', epochsDone: '2', finished: 'true', ...change };
  const path = join(folder, 'foreign.safetensors');
  const tensors = { 'parameter/w': { dtype: 'F32', shape: [1], data: Float32Array.of(1) } } as const;
  writeFileSync(path, encodeSafetensors(tensors, change === null ? {} : metadata));
  const error: unknown = await loadState(path).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(StateError);
  expect((error as StateError).message).toContain(message);
  expect((error as StateError).message).toContain(path);
});

test('a parameter that is not float32 is refused, for nothing could train it', async () => {
  const metadata = { format: 'align-fl/training-state@1', round: '1', epochsDone: '2', finished: 'true' };
  const path = join(folder, 'doubles.safetensors');
  writeFileSync(
    path,
    encodeSafetensors({ 'parameter/w': { dtype: 'F64', shape: [1], data: Float64Array.of(1) } }, metadata),
  );
  await expect(loadState(path)).rejects.toThrow(StateError);
});
