import { describe, expect, it } from 'vitest';
import { dpSgdEvent } from './dp-event.ts';
import { epsilonWords, eventWords } from './event-words.ts';

describe('eventWords', () => {
  it('says what DP-SGD did', () => {
    const phase = { samplingRate: 0.010666, noiseMultiplier: 0.81, steps: 940 };
    expect(eventWords(dpSgdEvent(phase))).toBe('940 steps, q 0.0107, noise 0.81');
    expect(eventWords({ type: 'composed', events: [dpSgdEvent({ ...phase, steps: 1 }), { type: 'noOp' }] })).toBe(
      '1 step, q 0.0107, noise 0.81; then nothing',
    );
  });

  it('says plainly that there was no privacy', () => {
    expect(eventWords({ type: 'nonPrivate', reason: 'no mechanism' })).toBe('no privacy: no mechanism');
  });
});

describe('epsilonWords', () => {
  it.each([
    [0, '0'],
    [3, '3'],
    [2.30001, '2.3001'], // nearest is 2.3, which would be less than was spent
    [2.3000099, '2.3001'],
    [0.000123456, '0.00012346'],
    [9.999991, '10'],
    [123456, '123460'],
    [Number.POSITIVE_INFINITY, 'infinite'],
  ])('%d is printed as %s: five digits, never less', (epsilon, text) => {
    expect(epsilonWords(epsilon)).toBe(text);
  });
});
