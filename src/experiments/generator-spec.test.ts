import { expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { presets } from './presets.ts';
import { parseSpec } from './parse-spec.ts';
import type { SpecInput } from './spec.ts';

const { spec: base } = presets().find(({ name }) => name === 'classify-quickstart')!;
const DP = { mechanism: 'dp-sgd', epsilon: 2, delta: 1e-5 } as const;
type Warm = NonNullable<Extract<NonNullable<SpecInput['generator']>, { kind: 'vae' }>['warmStart']>;

const withWarm = (warmStart: Warm, change: Partial<SpecInput> = {}): SpecInput => ({
  ...base,
  strategies: ['align'],
  generator: { kind: 'vae', warmStart },
  ...change,
});

function problemsOf(spec: SpecInput): string {
  try {
    parseSpec(spec);
    return '';
  } catch (error) {
    if (error instanceof SpecError) return error.message;
    throw error;
  }
}

test('a warm start is fine without a mechanism, with a price under dp-sgd, and in one silo that names it', () => {
  const warm = { kind: 'vae', warmStart: { epsilon: 1 } } as const;
  const { silos, generator } = base;
  const [first, ...others] = silos;
  for (const spec of [
    withWarm({}, { strategies: ['align', 'fedavg'] }),
    withWarm({ epsilon: 1.5 }, { privacy: DP }),
    { ...withWarm({}), generator, silos: [{ ...first!, privacy: DP, generator: warm }, ...others] } as SpecInput,
  ]) {
    expect(problemsOf(spec)).toBe('');
  }
});

test.each([
  ['no price under dp-sgd', withWarm({}, { privacy: DP }), /generator\.warmStart\.epsilon: .*above 0, below 2/],
  ['a price that leaves nothing', withWarm({ epsilon: 2 }, { privacy: DP }), /below 2/],
  ['a price where nobody counts', withWarm({ epsilon: 1 }), /warmStart\.epsilon: is paid for under .*not none/],
  ['fewer images than a batch', withWarm({ images: 100 }), /warmStart\.images: fewer than .*\(128\); got 100/],
  [
    'a baseline that is trained privately',
    withWarm({ epsilon: 1 }, { privacy: DP, strategies: ['align', 'fedavg'] }),
    /drop fedavg/,
  ],
  ['the other task', { ...withWarm({}), task: 'represent' }, /generator: is for task: classify/],
] as const)('a warm start is refused with %s', (_, spec, message) => {
  expect(problemsOf(spec as SpecInput)).toMatch(message);
});
