import { expect, test } from 'vitest';
import { ShapeError } from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import { latePort } from './late-port.ts';
import type { SiloPort } from './silo-port.ts';

const asked: Task[] = [];
const port: SiloPort = {
  name: 'north',
  play: async (task) => {
    asked.push(task);
    return {} as ReceivedUpload;
  },
};

test('a late silo answers the task of an earlier round, one in time the task itself', async () => {
  await latePort(port, 2).play({ kind: 'train-own', run: 'r', round: 5 });
  expect(asked).toEqual([{ kind: 'train-own', run: 'r', round: 3 }]);
  expect(latePort(port, 0)).toBe(port);
});

test('a late silo takes no weights, which belong to the round that they were given for', async () => {
  const task: Task = { kind: 'train-given', run: 'r', round: 5, weights: {} };
  await expect(latePort(port, 1).play(task)).rejects.toThrow(ShapeError);
});
