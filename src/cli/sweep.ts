// `align-fl sweep`: a grid of runs under several seeds, side by side, and the table of what they reached.

import type { Command } from 'commander';
import { SpecError } from '../errors.ts';
import { requireExtractor } from '../experiments/generation-scorer.ts';
import { defaultSweepFolder, runSweep, sweepStates } from '../experiments/sweep.ts';
import type { SweepReport, SweepRow } from '../experiments/sweep-file.ts';
import { labelsOf, planSweep, type SweepPlan } from '../experiments/sweep-plan.ts';
import { cellWork } from '../experiments/sweep-work.ts';
import type { Spec } from '../experiments/spec.ts';
import { formatPercent } from '../report/format.ts';
import { strategyLabel } from '../report/strategy-label.ts';
import { textTable } from '../report/text-table.ts';
import { attendedSweep } from './attended-sweep.ts';
import type { Console } from './console.ts';
import { numberArgument, wholeNumber } from './number-argument.ts';
import { repeatable } from './repeatable.ts';
import { FID_EXTRACTOR_HELP, settingsOf } from './spec-argument.ts';

/** Adds `sweep` to `program`. It exits with 1 where a run failed. */
export function addSweepCommand(program: Command, console: Console, setExitCode: (code: number) => void): void {
  program
    .command('sweep')
    .argument('[preset or spec file]', 'a preset (align-fl presets) or a .yaml or .json file')
    .description(
      'run an experiment under every combination of values and seeds, side by side; the same command goes on',
    )
    .option(
      '--vary <path=a,b,c>',
      'values that a field of the spec takes in turn; may be repeated: a grid',
      repeatable,
      [],
    )
    .option('--seeds <list>', 'each combination under each seed: 1,2,3 or 1-5 (default: the seed of the spec)')
    .option('--set <path=value>', 'change one value of the spec in all runs; may be repeated', repeatable, [])
    .option('--out <dir>', 'folder of the sweep (default: runs/<name>-sweep-<fields>)')
    .option('--jobs <n>', 'runs at a time (default: one a core, as far as memory goes)')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie (else ALIGN_FL_DATA, the cache, a download)')
    .option('--fid-extractor <file>', FID_EXTRACTOR_HELP)
    .option('--dry-run', 'list the runs and do nothing')
    .option('--json', 'print sweep.json')
    .addHelpText('after', HELP)
    .action(async (target: string | undefined, flags: SweepFlags) =>
      setExitCode(await sweepCommand(target, flags, console)),
    );
}

/** The table of a sweep: a row a combination of values, the accuracy of each strategy as mean ± deviation over seeds. */
export function sweepText({ vary, table }: Pick<SweepReport, 'vary' | 'table'>): string {
  const labels = labelsOf(vary);
  const strategies = [...new Set(table.flatMap((row) => row.strategies.map(({ strategy }) => strategy)))];
  const judged = strategies.filter((strategy) => table.some((row) => fidText(row, strategy) !== null));
  const columns = [
    ...vary.map(({ path }) => labels[path] ?? path),
    'seeds',
    ...strategies.map((strategy) => ({ header: strategyLabel(strategy), align: 'right' as const })),
    ...judged.map((strategy) => ({ header: `FID ${strategyLabel(strategy)}`, align: 'right' as const })),
  ];
  const rows = table.map((row) => [
    ...vary.map(({ path }) => row.values[path] ?? null),
    row.seeds.length,
    ...strategies.map((strategy) => accuracyText(row, strategy)),
    ...judged.map((strategy) => fidText(row, strategy)),
  ]);
  return textTable(columns, rows);
}

/** What the accuracies of these experiments are of, a line for each task. */
export function judgedText(specs: readonly Pick<Spec, 'task'>[]): readonly string[] {
  const what = {
    represent: 'Probe: logistic regression on codes of held-out real images, all of them',
    classify: 'Accuracy of classifiers on held-out real images of all classes',
  };
  const tasks = [...new Set(specs.map(({ task }) => task))];
  return tasks.map((task) => `${what[task]}; mean ± deviation over seeds (no ± for one).`);
}

// --- internal ---

interface SweepFlags {
  readonly vary: readonly string[];
  readonly set: readonly string[];
  readonly seeds?: string;
  readonly out?: string;
  readonly jobs?: string;
  readonly data?: string;
  readonly fidExtractor?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const HELP = `
Each run is an ordinary run folder within the folder of the sweep; sweep.json sums them up. The server computes with one
thread in a sweep, since runs go side by side (--set engine.serverThreads=2 for the last bits of a single run).
More values and seeds may be added later to the same --out: complete runs are not run again.

Examples:
  align-fl sweep quickstart --vary model.latent=2,8,16 --seeds 1,2,3
  align-fl sweep paper-mnist --vary server.images=1000,5000,10000 --vary 'model.hidden=[512,256,128],[128]' --dry-run`;

async function sweepCommand(target: string | undefined, flags: SweepFlags, console: Console): Promise<number> {
  if (target === undefined) {
    throw new SpecError('Which experiment? Name a preset (see: align-fl presets) or a spec file.', {
      path: 'argument',
    });
  }
  const jobs = flags.jobs === undefined ? undefined : numberArgument('--jobs', flags.jobs, wholeNumber('2'));
  const plan = await planSweep({ target, set: settingsOf(flags), vary: flags.vary, seeds: flags.seeds });
  if (plan.vary.length === 0 && plan.seeds.length < 2) {
    throw new SpecError('Nothing varies. Give --vary path=a,b,c (several times for a grid), or several --seeds.', {
      path: '--vary',
    });
  }
  for (const { spec } of plan.cells) requireExtractor(spec); // before there is a folder
  if (flags.dryRun) {
    console.print(await dryText(plan, flags));
    return 0;
  }
  const report = await attendedSweep({
    console,
    work: Object.fromEntries(plan.cells.map(({ name, spec }) => [name, cellWork(spec)])),
    advice: 'The same command goes on.',
    play: (hooks) => runSweep({ plan, folder: flags.out, jobs, dataDir: flags.data, ...hooks }),
  });
  console.print(
    flags.json ? JSON.stringify(report, null, 2) : asText(report, plan, flags.out ?? defaultSweepFolder(plan)),
  );
  return report.cells.every(({ state }) => state === 'complete') ? 0 : 1;
}

async function dryText(plan: SweepPlan, { out, json }: SweepFlags): Promise<string> {
  const folder = out ?? defaultSweepFolder(plan);
  const states = await sweepStates(plan, folder);
  const cells = plan.cells.map(({ name, values, seed, specHash }, i) => ({
    name,
    values,
    seed,
    specHash,
    state: states[i] as (typeof states)[number],
  }));
  if (json) return JSON.stringify({ folder, vary: plan.vary, seeds: plan.seeds, cells }, null, 2);
  const labels = labelsOf(plan.vary);
  const table = textTable(
    [...plan.vary.map(({ path }) => labels[path] ?? path), 'seed', 'run folder', 'state'],
    cells.map(({ name, values, seed, state }) => [...Object.values(values), seed, name, state]),
  );
  return `${table}\n\n${cells.length} runs of ${plan.target}, in ${folder}. Nothing was run.`;
}

function asText(report: SweepReport, plan: SweepPlan, folder: string): string {
  const failed = report.cells.filter(({ state }) => state === 'failed');
  const hasFid = report.table.some((row) => row.strategies.some(({ fid }) => fid !== null));
  return [
    sweepText(report),
    '',
    ...judgedText(plan.cells.map(({ spec }) => spec)),
    ...(hasFid
      ? [
          'FID: images of the prior beside real ones; other scores are in sweep.json, extractors in summary.json of the runs.',
        ]
      : []),
    ...(failed.length === 0 ? [] : [`${failed.length} of ${report.cells.length} runs failed:`]),
    ...failed.map(({ name, error }) => `  ${name}: ${error}`),
    `Folder: ${folder} (sweep.json, and a run folder for each)`,
  ].join('\n');
}

function accuracyText(row: SweepRow, strategy: string): string | null {
  const spread = row.strategies.find((one) => one.strategy === strategy)?.accuracy;
  return spread ? formatPercent(spread.mean, { std: spread.sd }) : null;
}

function fidText(row: SweepRow, strategy: string): string | null {
  const spread = row.strategies.find((one) => one.strategy === strategy)?.fid;
  if (!spread) return null;
  return `${spread.mean.toFixed(2)}${spread.sd === null ? '' : ` ± ${spread.sd.toFixed(2)}`}`;
}
