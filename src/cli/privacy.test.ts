import { describe, expect, test } from 'vitest';
import { epsilonOf } from '../privacy/accountant.ts';
import { dpSgdEvent } from '../privacy/dp-event.ts';
import { said as saidBy } from '../../test/command-line.ts';

/** Runs a command line, in words. */
const said = (line: string, ...more: readonly string[]) => saidBy('privacy', ...line.split(' '), ...more);

/** The JSON of a command line that must succeed. */
async function json<T = Record<string, number>>(line: string): Promise<T> {
  const { code, stdout, stderr } = await said(`${line} --json`);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
}

const SAMPLED = '--sampling-rate 0.01 --noise-multiplier 1.1';
const TRAINING = `${SAMPLED} --steps 1000`;
const BOUNDS = epsilonOf(dpSgdEvent({ samplingRate: 0.01, noiseMultiplier: 1.1, steps: 1000 }), 1e-5);

describe('privacy epsilon', () => {
  test('prints as JSON exactly epsilon, rdp and pld', async () => {
    expect(await json(`epsilon ${TRAINING} --delta 1e-5`)).toEqual(JSON.parse(JSON.stringify(BOUNDS)));
    const { stdout } = await said(`epsilon ${TRAINING} --delta 1e-5 --json`);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['epsilon', 'rdp', 'pld']);
  });

  test('says "Infinity" where there is no guarantee', async () => {
    const bounds = await json('epsilon --sampling-rate 0.01 --noise-multiplier 0 --steps 1 --delta 1e-5');
    expect(bounds).toEqual({ epsilon: 'Infinity', rdp: 'Infinity', pld: 'Infinity' });
  });

  test('prints a table that says at which delta, for which neighbours and under which assumption', async () => {
    const { code, stdout } = await said(`epsilon ${TRAINING} --delta 1e-5`);
    expect(code).toBe(0);
    for (const part of ['1000 steps', '0.00001', 'RDP', 'PLD', 'add or remove one', 'Poisson sampling']) {
      expect(stdout).toContain(part);
    }
  });

  test('counts phases together, with or without the three flags', async () => {
    const whole = await json(`epsilon ${TRAINING} --delta 1e-5`);
    expect(await json('epsilon --phase 0.01,1.1,400 --phase 0.01,1.1,600 --delta 1e-5')).toEqual(whole);
    expect(await json(`epsilon ${SAMPLED} --steps 300 --phase 0.01,1.1,700 --delta 1e-5`)).toEqual(whole);
  });

  test('takes batches and epochs in place of a rate and steps, without a step too many', async () => {
    const epochs = '--noise-multiplier 1.1 --delta 1e-5';
    expect(await json(`epsilon --batch-size 100 --records 10000 --epochs 10 ${epochs}`)).toEqual(
      await json(`epsilon ${TRAINING} --delta 1e-5`),
    );
    // 10 x 60000 / 256 = 2343.75: a step that is begun counts whole.
    const { stdout } = await said(`epsilon --batch-size 256 --records 60000 --epochs 10 ${epochs}`);
    expect(stdout).toContain('2344 steps');
    // 3 / (7 / 70) is 30.000000000000004 in floating point.
    expect((await said(`epsilon --batch-size 7 --records 70 --epochs 3 ${epochs}`)).stdout).toContain('30 steps');
  });

  test('warns of a delta that is not below one over the number of records', async () => {
    const { code, stderr } = await said(
      'epsilon --batch-size 10 --records 100 --steps 1 --noise-multiplier 1 --delta 0.01',
    );
    expect(code).toBe(0);
    expect(stderr).toContain('not below one over the 100 records');
  });
});

describe('what cannot be read', () => {
  test.each(['', '1e', 'NaN', 'Infinity', '-1', '0x1', '1,5', '1 ', '+1', 'abc'])(
    'as a number, such as %o, is refused with what was expected',
    async (text) => {
      for (const flag of ['--sampling-rate', '--noise-multiplier', '--steps', '--delta']) {
        const others = `--sampling-rate 0.01 --noise-multiplier 1 --steps 9 --delta 1e-5`;
        const { code, stdout, stderr } = await said(`epsilon ${others}`, flag, text);
        expect([code, stdout]).toEqual([2, '']);
        expect(stderr).toMatch(new RegExp(`SpecError.*${flag}: expected .*such as `));
      }
    },
  );

  test.each([
    ['--sampling-rate 0', '--sampling-rate: expected a sampling rate above 0 and at most 1'],
    ['--sampling-rate 1.01', '--sampling-rate: expected a sampling rate above 0 and at most 1'],
    ['--steps 0', '--steps: expected a whole number from 1 up'],
    ['--steps 1.5', '--steps: expected a whole number from 1 up'],
    ['--delta 0', '--delta: expected a delta above 0'],
    ['--delta 0.1', '--delta: expected a delta above 0 and below 0.1'],
    ['--phase 0.01,1', '--phase: expected three numbers q,s,T'],
    ['--phase 0.01,1,2,3', '--phase: expected three numbers q,s,T'],
    ['--phase 0.01,,2', '--phase (s): expected a noise multiplier'],
    ['--epochs 3', '--steps and --epochs both say how long it trains'],
    ['--batch-size 3', '--sampling-rate and --batch-size both'],
    ['--records 3', '--sampling-rate and --records both'],
  ])('%s is refused', async (change, message) => {
    const { code, stderr } = await said(`epsilon ${TRAINING} --delta 1e-5 ${change}`);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test.each([
    ['--delta 1e-5', '--sampling-rate is missing'],
    [`${SAMPLED} --delta 1e-5`, '--steps is missing'],
    ['--sampling-rate 0.01 --steps 9 --delta 1e-5', '--noise-multiplier is missing'],
    [TRAINING, '--delta is missing'],
    ['--batch-size 9 --noise-multiplier 1 --steps 9 --delta 1e-5', '--records is missing'],
    ['--records 9 --noise-multiplier 1 --steps 9 --delta 1e-5', '--batch-size is missing'],
    [
      '--batch-size 10 --records 9 --noise-multiplier 1 --steps 9 --delta 1e-5',
      'expected at most --records, 9, got 10',
    ],
    [`--phase 0.01,1,9 --steps 9 --delta 1e-5`, '--sampling-rate is missing'],
  ])('nothing is guessed: %s', async (line, message) => {
    const { code, stderr } = await said(`epsilon ${line}`);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('privacy noise', () => {
  const line = '--delta 1e-5 --sampling-rate 1 --steps 100';

  test('prints the least noise within epsilon', async () => {
    const { noiseMultiplier = 0, epsilon = 0, ...rest } = await json(`noise --epsilon 2 ${line}`);
    expect(rest).toEqual({});
    expect(epsilon).toBeLessThanOrEqual(2);
    const less = { samplingRate: 1, noiseMultiplier: noiseMultiplier * 0.99, steps: 100 };
    expect(epsilonOf(dpSgdEvent(less), 1e-5).epsilon).toBeGreaterThan(2);
  });

  test('prints it for people too, with what it costs', async () => {
    const { code, stdout } = await said(`noise --epsilon 2 ${line}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Noise multiplier \d/);
  });

  test('needs an epsilon above 0', async () => {
    expect((await said(`noise --epsilon 0 ${line}`)).stderr).toContain('--epsilon: expected an epsilon above 0');
    expect((await said(`noise ${line}`)).stderr).toContain('--epsilon is missing');
  });
});

describe('privacy steps', () => {
  const line = 'steps --epsilon 2 --delta 1e-5 --sampling-rate 1 --noise-multiplier 20';

  test('prints the most steps within epsilon: one more is too many', async () => {
    const { steps = 0, epsilon = 0, ...rest } = await json(line);
    expect(rest).toEqual({});
    expect(steps).toBeGreaterThan(10);
    expect(epsilon).toBeLessThanOrEqual(2);
    const more = { samplingRate: 1, noiseMultiplier: 20, steps: steps + 1 };
    expect(epsilonOf(dpSgdEvent(more), 1e-5).epsilon).toBeGreaterThan(2);
    expect((await said(line)).stdout).toContain(`At most ${steps} steps`);
  });

  test('says what a single step costs where not even one fits', async () => {
    const { code, stdout, stderr } = await said(
      'steps --epsilon 0.1 --delta 1e-5 --sampling-rate 1 --noise-multiplier 1 --json',
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/Not one step stays within epsilon 0\.1.*a single one costs [45]\.\d+.*more noise/);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'SPEC', facts: { path: '--epsilon' } } });
  });
});

describe('privacy curve', () => {
  type Points = readonly Readonly<Record<string, number>>[];
  const epsilons = (points: Points) => points.map(({ epsilon }) => epsilon);
  const sortedUp = (values: readonly (number | undefined)[]) =>
    values.toSorted((a, b) => (a as number) - (b as number));

  test('over steps ends at the whole training and rises', async () => {
    const points = await json<Points>(`curve --over steps ${TRAINING} --delta 1e-5`);
    expect(points).toHaveLength(12);
    expect(points.at(-1)).toEqual({ steps: 1000, ...JSON.parse(JSON.stringify(BOUNDS)) });
    expect(epsilons(points)).toEqual(sortedUp(epsilons(points)));
    expect(await json(`curve --over steps ${SAMPLED} --steps 3 --delta 1e-5`)).toHaveLength(3);
  });

  test('over delta rises as delta shrinks, over noise falls', async () => {
    const delta = await json<Points>(`curve --over delta --sampling-rate 1 --noise-multiplier 20 --steps 9`);
    expect(delta.find((point) => point['delta'] === 1e-5)?.['epsilon']).toBe(
      epsilonOf(dpSgdEvent({ samplingRate: 1, noiseMultiplier: 20, steps: 9 }), 1e-5).epsilon,
    );
    expect(epsilons(delta)).toEqual(sortedUp(epsilons(delta)));
    const noise = await json<Points>('curve --over noise --sampling-rate 1 --steps 9 --delta 1e-5');
    expect(noise.map((point) => point['noiseMultiplier'])).toEqual(
      sortedUp(noise.map((point) => point['noiseMultiplier'])),
    );
    expect(epsilons(noise).toReversed()).toEqual(sortedUp(epsilons(noise)));
  });

  test('is a table for people', async () => {
    const { stdout } = await said(`curve --over steps ${SAMPLED} --steps 2 --delta 1e-5`);
    expect(stdout).toMatch(/^steps +epsilon +RDP +PLD\n/);
  });

  test.each([
    [`curve ${TRAINING} --delta 1e-5`, '--over is missing'],
    [`curve --over time ${TRAINING} --delta 1e-5`, "argument 'time' is invalid"],
    [`curve --over delta ${TRAINING} --delta 1e-5`, 'delta is what changes along this curve'],
    [`curve --over noise ${TRAINING} --delta 1e-5`, 'the noise is what changes along this curve'],
  ])('refuses %s', async (line, message) => {
    const { code, stderr } = await said(line);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

test('help comes with examples, and every example works', async () => {
  const { code, stdout } = await said('--help');
  expect(code).toBe(0);
  const examples = stdout.split('\n').flatMap((line) => /^ {2}align-fl privacy (.*)$/.exec(line)?.[1] ?? []);
  expect(examples.length).toBeGreaterThan(4);
  for (const example of examples) expect(await said(example)).toMatchObject({ code: 0, stderr: '' });
});
