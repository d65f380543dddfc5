import { expect, test } from 'vitest';
import { parseSpec } from '../experiments/parse-spec.ts';
import { presets } from '../experiments/presets.ts';
import { federationSpec } from './federation-spec.ts';

const images = { shape: { channels: 1, height: 28, width: 28 }, classes: 10 };

test.each(presets().map(({ name, spec }) => [name, parseSpec(spec)] as const))(
  'a federation can do what the preset %s does',
  (_, spec) => {
    const { source } = spec.data;
    if (source.kind === 'at-silos') throw new Error('a simulation was expected');
    expect(federationSpec(spec, images, source)).toMatchObject({ strategies: ['align'], rounds: spec.rounds });
  },
);

test('features that would be trained on the images of silos are not judged by, those of a file are', () => {
  const spec = parseSpec(presets().find(({ name }) => name === 'paper-mnist')?.spec);
  const withFile = {
    ...spec,
    evaluation: { ...spec.evaluation, generation: { images: 100, extractor: 'f.onnx', every: 'end' } },
  } as const;
  expect(spec.evaluation.generation).toMatchObject({ extractor: null });
  expect(federationSpec(spec, images, { kind: 'mnist' }).evaluation.generation).toBeNull();
  expect(federationSpec(withFile, images, { kind: 'mnist' }).evaluation.generation).toMatchObject({
    extractor: 'f.onnx',
  });
});
