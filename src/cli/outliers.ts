// `align-fl outliers`: what became of a run's foreign images, in its models and in what these dream.

import type { Command } from 'commander';
import { AbortedError } from '../errors.ts';
import { evaluateOutliers } from '../experiments/outlier-evaluation.ts';
import type { OutlierFile, OutlierVerdict } from '../experiments/outlier-file.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';

/** Adds `outliers` to `program`. */
export function addOutliersCommand(program: Command, console: Console): void {
  program
    .command('outliers')
    .argument('<run folder>', 'folder of a complete run with foreign images (data.foreign)')
    .description("show what became of a run's foreign images: reproduced, mapped to typical ones, or given away")
    .option('--silo <name>', 'one of the silos with foreign images (default: the first)')
    .option('--features', 'measure in features of a classifier, too; it is trained at first, which takes minutes')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie (else ALIGN_FL_DATA, the cache, a download)')
    .option('--json', 'print as JSON')
    .addHelpText('after', HELP)
    .action((folder: string, flags: OutlierFlags) => outliersCommand(folder, flags, console));
}

// --- internal ---

interface OutlierFlags {
  readonly silo?: string;
  readonly features?: boolean;
  readonly data?: string;
  readonly json?: boolean;
}

const HELP = `
Writes outliers.json and images/outliers.png into the run folder. What each number means: docs/outliers.md

Examples:
  align-fl run paper-mnist --set 'data.foreign={source: {kind: fashion-mnist}, rate: 0.05, silos: [silo-a]}' --out runs/fashion-in-mnist
  align-fl outliers runs/fashion-in-mnist`;

async function outliersCommand(path: string, flags: OutlierFlags, console: Console): Promise<void> {
  const abort = new AbortController();
  const stopListening = onInterrupt(abort, () => console.error('Stopping.'));
  try {
    const { silo, features: inFeatures, data: dataDir } = flags;
    const data = { dataDir, env: process.env };
    const file = await evaluateOutliers({ path, silo, inFeatures, data, signal: abort.signal });
    console.print(flags.json ? JSON.stringify(file, null, 2) : asText(file));
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    throw new AbortedError('Stopped. The same command begins again.', {}, { cause: error });
  } finally {
    stopListening();
  }
}

function asText(file: OutlierFile): string {
  const { silo, ownSource, foreignSource, strategy, round, models, figure } = file;
  const verdicts = [
    { name: silo, verdict: models.silo },
    { name: 'global', verdict: models.global },
  ].flatMap(({ name, verdict }) => (verdict === null ? [] : [{ name, verdict }]));
  const rows = verdicts.map(({ verdict }) => rowsOf(verdict));
  const table = textTable(
    [{ header: 'measure', align: 'left' }, ...verdicts.map(({ name }) => ({ header: name, align: 'right' as const }))],
    (rows[0] ?? []).map(([measure], i) => [measure, ...rows.map((own) => own[i]?.[1] ?? null)]),
  );
  const [{ verdict: first }] = verdicts as [(typeof verdicts)[number]]; // a strategy has one of the two at least
  const { members, heldOut, synthetic } = first.images;
  return [
    `Foreign images of ${silo}: ${members} of ${foreignSource} among ${ownSource}, ${strategy}, after round ${round}`,
    `Control: ${heldOut} of the same source that no silo has. Synthetic images: ${synthetic} of each decoder. In brackets: 95 %.`,
    '',
    table,
    '',
    'What each line means: docs/outliers.md. All numbers: outliers.json.',
    `${figure.file}, from the top: ${figure.rows.join(', ')}.`,
  ].join('\n');
}

type Row = readonly [measure: string, value: string];

function rowsOf({ reconstructionError, membershipByReconstruction, spaces }: OutlierVerdict): readonly Row[] {
  const { mean, gain } = reconstructionError;
  return [
    ['error of reconstructions: foreign in training', estimate(mean.members, 2)],
    ['  foreign held out', estimate(mean.heldOut, 2)],
    ['  typical in training', estimate(mean.typical, 2)],
    ['  gain by training on foreign ones', estimate(gain.foreign, 2)],
    ['AUC of membership by error: foreign', estimate(membershipByReconstruction.foreign.auc, 3)],
    ['  typical', estimate(membershipByReconstruction.typical.auc, 3)],
    ['  TPR - FPR: foreign', estimate(membershipByReconstruction.foreign.advantage, 3)],
    ['  typical', estimate(membershipByReconstruction.typical.advantage, 3)],
    ...spaces.flatMap(spaceRows),
  ];
}

function spaceRows(space: OutlierVerdict['spaces'][number]): readonly Row[] {
  const { reproduction, discriminator, nearestSynthetic, membershipByDistance } = space;
  const { members, heldOut, typicalHeldOut, separation } = reproduction;
  const { foreign } = nearestSynthetic;
  const { corrected } = discriminator.synthetic;
  return [
    [`in ${space.space}`, ''],
    ['foreign in training: reproduced', percent(members.reproduced)],
    ['  recognised', percent(members.recognised)],
    ['  nearest of all is synthetic', percent(members.nearest.synthetic)],
    ['foreign held out: reproduced', percent(heldOut.reproduced)],
    ['typical held out: reproduced', percent(typicalHeldOut.reproduced)],
    ['separation of the kinds', estimate(separation, 3)],
    ['synthetic images that look foreign', percent(discriminator.synthetic.looksForeign)],
    ['  corrected for mistakes', corrected === null ? '–' : `${(100 * corrected).toFixed(1)} %`],
    ['  mistakes: foreign missed', percent(discriminator.missed)],
    ['  mistakes: false alarms', percent(discriminator.falseAlarms)],
    ['reconstructions that look foreign: foreign', percent(discriminator.reconstructed.members.looksForeign)],
    ['  typical held out', percent(discriminator.reconstructed.typicalHeldOut.looksForeign)],
    ['distance to nearest synthetic: in training', estimate(foreign.inTraining, 3)],
    ['  held out', estimate(foreign.heldOut, 3)],
    ['  difference', estimate(foreign.difference, 3)],
    ['  Mann-Whitney p', foreign.pValue.toPrecision(2)],
    ['AUC of membership by distance: foreign', estimate(membershipByDistance.foreign.auc, 3)],
    ['  typical', estimate(membershipByDistance.typical.auc, 3)],
    ['  TPR - FPR: foreign', estimate(membershipByDistance.foreign.advantage, 3)],
    ['  typical', estimate(membershipByDistance.typical.advantage, 3)],
  ];
}

interface Interval {
  readonly low: number;
  readonly high: number;
}

function estimate({ estimate: value, low, high }: Interval & { readonly estimate: number }, digits: number): string {
  return `${value.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

function percent({ share, low, high }: Interval & { readonly share: number }): string {
  const shown = (value: number) => (100 * value).toFixed(1);
  return `${shown(share)} % [${shown(low)}, ${shown(high)}]`;
}
