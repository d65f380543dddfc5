// Events flattened: what is merged, what is multiplied, and what is refused rather than guessed.

import { describe, expect, it } from 'vitest';
import { PrivacyError, SpecError } from '../errors.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';
import { gaussianShift, sampledPhases } from './sampled-phases.ts';

const gaussian = (noiseMultiplier: number): DpEvent => ({ type: 'gaussian', noiseMultiplier });
const poisson = (samplingRate: number, event: DpEvent): DpEvent => ({ type: 'poissonSampled', samplingRate, event });
const composed = (...events: readonly DpEvent[]): DpEvent => ({ type: 'composed', events });
const times = (count: number, event: DpEvent): DpEvent => ({ type: 'selfComposed', event, count });
const noOp: DpEvent = { type: 'noOp' };
const nonPrivate: DpEvent = { type: 'nonPrivate', reason: 'test' };

describe('sampledPhases', () => {
  it('counts equal steps together, whatever their order and nesting', () => {
    const [a, b] = [poisson(0.1, gaussian(1)), poisson(0.1, gaussian(2))];
    const expected = [
      { samplingRate: 0.1, noiseMultiplier: 1, count: 8 },
      { samplingRate: 0.1, noiseMultiplier: 2, count: 3 },
    ];
    expect(sampledPhases(composed(times(3, b), times(2, times(4, a))))).toEqual(expected);
    expect(sampledPhases(composed(a, times(3, composed(b, a, noOp)), times(4, a)))).toEqual(expected);
  });

  it('takes Gaussians on one sample as one Gaussian', () => {
    // 1/9 + 1/16 = (5/12)^2
    const expected = [{ samplingRate: 0.2, noiseMultiplier: expect.closeTo(12 / 5, 14), count: 7 }];
    expect(sampledPhases(times(7, poisson(0.2, composed(gaussian(3), gaussian(4)))))).toEqual(expected);
    expect(sampledPhases(poisson(0.2, times(4, gaussian(2))))).toEqual([
      { samplingRate: 0.2, noiseMultiplier: 1, count: 1 },
    ]);
  });

  it('multiplies the rates of a sample of a sample of one mechanism, and refuses more than one', () => {
    expect(sampledPhases(times(5, poisson(0.5, poisson(0.25, gaussian(3)))))).toEqual([
      { samplingRate: 0.125, noiseMultiplier: 3, count: 5 },
    ]);
    expect(() => sampledPhases(poisson(0.5, times(2, poisson(0.25, gaussian(3)))))).toThrow(PrivacyError);
    expect(() => sampledPhases(poisson(0.5, composed(poisson(0.25, gaussian(3)), gaussian(3))))).toThrow(PrivacyError);
  });

  it('takes a sample of everything as no sampling and of nothing as nothing', () => {
    const event = composed(times(3, poisson(0.5, gaussian(1))), gaussian(2));
    expect(sampledPhases(times(2, poisson(1, event)))).toEqual(sampledPhases(times(2, event)));
    expect(sampledPhases(poisson(0, nonPrivate))).toEqual([]);
    expect(sampledPhases(times(0, nonPrivate))).toEqual([]);
    expect(sampledPhases(composed())).toEqual([]);
  });

  it('has no guarantee as soon as one part has none', () => {
    expect(sampledPhases(composed(gaussian(1), nonPrivate))).toBe('nonPrivate');
    expect(sampledPhases(poisson(0.01, gaussian(0)))).toBe('nonPrivate');
    expect(sampledPhases(times(3, poisson(0.01, composed(gaussian(1), nonPrivate))))).toBe('nonPrivate');
  });

  it.each([
    ['a sampling rate above 1', poisson(1.1, gaussian(1))],
    ['a sampling rate that is no number', poisson(Number.NaN, gaussian(1))],
    ['negative noise', gaussian(-1)],
    ['infinite noise', gaussian(Infinity)],
    ['half a step', times(0.5, gaussian(1))],
    ['a negative number of steps', times(-1, gaussian(1))],
    ['bad parameters even where nothing is sampled', poisson(0, gaussian(-1))],
  ])('throws for %s', (_, event) => {
    expect(() => sampledPhases(event)).toThrow(SpecError);
  });

  it('refuses events it does not know', () => {
    const unknown = { type: 'laplace' } as unknown as DpEvent;
    expect(() => sampledPhases(composed(gaussian(1), unknown))).toThrow(/laplace/);
    expect(() => sampledPhases(unknown)).toThrow(PrivacyError);
  });

  it('adds up shifts of what is not sampled only', () => {
    const event = composed(times(9, gaussian(1)), times(16, gaussian(1)), dpSgdEvent({ ...SGD, steps: 10 }));
    expect(gaussianShift(sampledPhases(event) as Exclude<ReturnType<typeof sampledPhases>, 'nonPrivate'>)).toBe(5);
  });
});

const SGD = { samplingRate: 0.1, noiseMultiplier: 1 };
