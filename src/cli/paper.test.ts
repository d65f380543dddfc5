import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { said } from '../../test/command-line.ts';
import { writeMadeUpRun } from '../../test/report-runs.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { paperStudies } from '../experiments/paper-studies.ts';
import { planSweep } from '../experiments/sweep-plan.ts';
import { writeJsonAtomic } from '../storage/atomic-file.ts';

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

test('the report of what is complete tells the command that writes it again, as a shell takes it', async () => {
  const out = join(temporaryFolder(), "the paper's");
  const [study] = paperStudies('quick');
  const [cell] = (await planSweep(study?.sweep as never)).cells;
  const run = join(out, 'mnist-mechanisms', cell?.name ?? '');
  await writeMadeUpRun(run);
  await writeJsonAtomic(join(run, 'spec.json'), cell?.spec);
  const { code, stderr } = await said('paper', '--quick', '--report-only', '--only', 'mnist-mechanisms', '--out', out);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const results = readFileSync(join(out, 'results.md'), 'utf8');
  expect(results).toContain(`--out '${out.replace("'", "'\\''")}'\n`);
  expect(results).toContain('\nScale quick: a twelfth of the images, two rounds');
  expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('a twelfth of the images');
});
