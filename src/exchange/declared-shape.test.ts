import { expect, test } from 'vitest';
import { handMadeDecoder, HAND_MADE_SHAPE, port } from '../../test/hand-made-decoder.ts';
import { ReleaseError } from '../errors.ts';
import { declaredShape } from './declared-shape.ts';

const withOutput = (...sides: readonly (number | string)[]) =>
  declaredShape(
    handMadeDecoder((_, graph) => {
      graph.output = [port('x', sides)];
    }),
  );

test('the sides behind n are the image size, whatever n is', () => {
  expect(declaredShape(handMadeDecoder())).toEqual(HAND_MADE_SHAPE);
  expect(withOutput(7, 3, 32, 24)).toEqual({ channels: 3, height: 32, width: 24 });
});

test('a side that is left open, absurd or missing declares nothing', () => {
  expect(withOutput('n', 1, 'height', 2)).toBeNull();
  expect(withOutput('n', 1, 2, 2 ** 40)).toBeNull();
  expect(withOutput('n', 0, 2, 2)).toBeNull();
  expect(withOutput('n', 4)).toBeNull();
});

test('what is no model is refused', () => {
  expect(() => declaredShape(new Uint8Array())).toThrow(ReleaseError);
});
