import { join } from 'node:path';
import { expect, test } from 'vitest';
import { said } from '../../test/command-line.ts';
import { temporaryFolder } from '../../test/small-silos.ts';

const OUT = join(temporaryFolder(), 'nothing');

test('--dry-run lists the studies and how far they are', async () => {
  const { code, stdout } = await said('paper', '--quick', '--dry-run', '--out', OUT);
  expect(code).toBe(0);
  expect(stdout).toMatch(/mnist-epsilon +0 of 4 /);
  expect(stdout).toMatch(/runs, in .*nothing\. Nothing was run\./);
});

test('wrong usage says what to do', async () => {
  const near = await said('paper', '--only', 'mnist-mechanism', '--dry-run');
  expect(near).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean "mnist-mechanisms"') });
  const both = await said('paper', '--quick', '--scale', 'full', '--dry-run');
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('--quick means --scale quick') });
  expect(await said('paper', '--seeds', 'one', '--dry-run')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--seeds'),
  });
  const early = await said('paper', '--quick', '--report-only', '--out', OUT);
  expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing to report') });
});
