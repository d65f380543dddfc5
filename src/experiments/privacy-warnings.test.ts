import { describe, expect, test } from 'vitest';
import { parseSpec } from './parse-spec.ts';
import { findPreset } from './presets.ts';
import { privacyWarnings } from './privacy-warnings.ts';

const specWith = (privacy: object) => parseSpec({ ...(findPreset('quickstart')?.spec as object), privacy });
const warnings = (change: object, records: readonly number[]) =>
  privacyWarnings(specWith({ mechanism: 'dp-sgd', epsilon: 8, delta: 1e-3, ...change }), records);

describe('a warning', () => {
  test('comes where delta reaches one over the records of the smallest silo', () => {
    expect(warnings({}, [999, 5000])).toEqual([]);
    expect(warnings({}, [1000, 5000])).toEqual([
      expect.stringMatching(/smallest silo has 1000 records.*less than 0.0001\./),
    ]);
  });

  test('names a declared number of records, and never the true one', () => {
    const [text, ...others] = warnings({ records: 2000 }, [1234]);
    expect(others).toEqual([]);
    expect(text).toContain('privacy.records declares 2000 records');
    expect(text).not.toContain('1234');
    expect(warnings({ records: 500 }, [5000])).toEqual([]); // it would tell that there are more
  });

  test('names no number where the mechanism protects it', () => {
    const spec = parseSpec({
      ...(findPreset('classify-mnist')?.spec as object),
      privacy: { mechanism: 'gaussian', epsilon: 8, delta: 1e-3 },
    });
    expect(privacyWarnings(spec, [1789, 5000])).toEqual([
      expect.stringMatching(/smallest silo has at least 1000 records.*Take one far below one over its records\.$/),
    ]);
    expect(privacyWarnings(spec, [1789, 5000]).join()).not.toMatch(/789|0\.0001/);
    expect(privacyWarnings(spec, [999])).toEqual([]);
  });

  test('comes where epsilon means little, and never without a mechanism', () => {
    expect(warnings({ epsilon: 21, delta: 1e-5 }, [100])).toEqual([expect.stringContaining('privacy.epsilon is 21')]);
    expect(privacyWarnings(specWith({ mechanism: 'none' }), [1])).toEqual([]);
  });
});
