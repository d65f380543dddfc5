import { expect, it } from 'vitest';
import { imageFacts } from './image-facts.ts';

it('images are counted by class, and those that occur again are told, within training and in the test', () => {
  const shape = { channels: 1, height: 1, width: 2 };
  const train = {
    name: 'train',
    shape,
    images: Uint8Array.of(1, 1, 2, 2, 1, 1, 3, 3),
    labels: Uint8Array.of(0, 2, 0, 2),
  };
  const test = { name: 'test', shape, images: Uint8Array.of(2, 2, 4, 4), labels: Uint8Array.of(2, 2) };
  expect(imageFacts({ name: 'set', classNames: ['a', 'b', 'c'], train, test })).toEqual({
    classes: [
      { label: 0, name: 'a', train: 2, test: 0 },
      { label: 1, name: 'b', train: 0, test: 0 },
      { label: 2, name: 'c', train: 2, test: 2 },
    ],
    repeatedInTraining: 1,
    testInTraining: 1,
  });
});
