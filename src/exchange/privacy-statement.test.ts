import { expect, test } from 'vitest';
import { privacyStatement } from './privacy-statement.ts';

test('without a mechanism nothing is claimed: epsilon without bound, in a form that JSON keeps', () => {
  const statement = privacyStatement({ mechanism: 'none' });
  expect(statement).toMatchObject({ mechanism: 'none', guarantee: 'none', epsilon: 'Infinity', delta: null });
  expect(statement.text).toMatch(/^No privacy mechanism was applied\./);
  expect(JSON.parse(JSON.stringify(statement))).toEqual(statement);
});
