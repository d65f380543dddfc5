// `align-fl privacy`: what a training would cost, which noise a promise needs, how long one may train, and the curves between.

import { type Command, Option } from 'commander';
import { SpecError } from '../errors.ts';
import { type EpsilonBounds, epsilonOf } from '../privacy/accountant.ts';
import { calibrateNoise, mostSteps } from '../privacy/calibrate.ts';
import { dpSgdEvent } from '../privacy/dp-event.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { DELTA, TARGET_EPSILON } from './number-argument.ts';
import {
  eventOfPhases,
  noiseMultiplierOf,
  type Phase,
  phasesOf,
  required,
  samplingRateOf,
  stepsOf,
  type TrainingFlags,
} from './privacy-arguments.ts';
import { type CurveFlags, curvePoints } from './privacy-curve.ts';
import { repeatable } from './repeatable.ts';

/** Adds `privacy` and its commands to `program`. They throw SpecError for what cannot be computed. */
export function addPrivacyCommands(program: Command, console: Console): void {
  const privacy = program
    .command('privacy')
    .description('compute what differentially private training (DP-SGD) costs, before you train')
    .addHelpText('after', HELP);

  withTraining(privacy.command('epsilon'))
    .description('the epsilon that a training costs at a delta')
    .option('--noise-multiplier <s>', 'deviation of the noise over the clip norm')
    .option(
      '--phase <q,s,T>',
      'a phase of sampling rate q, noise multiplier s and T steps; may be repeated',
      repeatable,
      [],
    )
    .option('--delta <d>', 'delta of the (epsilon, delta) guarantee')
    .option('--json', 'print as JSON')
    .action((flags: EpsilonFlags) => epsilonCommand(flags, console));

  withTraining(privacy.command('noise'))
    .description('the least noise that keeps a training within epsilon')
    .option('--epsilon <e>', 'epsilon that must not be exceeded')
    .option('--delta <d>', 'delta of the (epsilon, delta) guarantee')
    .option('--json', 'print as JSON')
    .action((flags: NoiseFlags) => noiseCommand(flags, console));

  withSampling(privacy.command('steps'))
    .description('the most steps that stay within epsilon')
    .option('--noise-multiplier <s>', 'deviation of the noise over the clip norm')
    .option('--epsilon <e>', 'epsilon that must not be exceeded')
    .option('--delta <d>', 'delta of the (epsilon, delta) guarantee')
    .option('--json', 'print as JSON')
    .action((flags: StepsFlags) => stepsCommand(flags, console));

  withTraining(privacy.command('curve'))
    .description('epsilon along the steps of a training, along delta, or along the noise')
    .addOption(new Option('--over <what>', 'what changes along the curve').choices(['steps', 'delta', 'noise']))
    .option('--noise-multiplier <s>', 'deviation of the noise over the clip norm')
    .option('--delta <d>', 'delta of the (epsilon, delta) guarantee')
    .option('--json', 'print as JSON')
    .action((flags: CurveFlags & { json?: boolean }) => curveCommand(flags, console));
}

// --- internal ---

interface EpsilonFlags extends TrainingFlags {
  readonly phase: readonly string[];
  readonly delta?: string;
  readonly json?: boolean;
}

interface NoiseFlags extends TrainingFlags {
  readonly epsilon?: string;
  readonly delta?: string;
  readonly json?: boolean;
}

type StepsFlags = Omit<NoiseFlags, 'steps' | 'epochs'>;

const HELP = `
Examples:
  align-fl privacy epsilon --sampling-rate 0.01 --noise-multiplier 1.1 --steps 1000 --delta 1e-5
  align-fl privacy epsilon --batch-size 256 --records 60000 --epochs 10 --noise-multiplier 0.8 --delta 1e-6
  align-fl privacy epsilon --phase 0.01,1.1,1000 --phase 0.02,1.4,500 --delta 1e-5
  align-fl privacy noise --epsilon 8 --delta 1e-5 --sampling-rate 0.01 --steps 5000
  align-fl privacy steps --epsilon 3 --delta 1e-5 --sampling-rate 0.01 --noise-multiplier 1
  align-fl privacy curve --over noise --sampling-rate 0.01 --steps 1000 --delta 1e-5`;

const ASSUMPTIONS = [
  'Holds for two sets of records of which one lacks a record (add or remove one), or has an empty one in its place (zero out',
  'one). Assumes Poisson sampling: every record is in each batch with the sampling rate, independently. A shuffled loader',
  'costs more. RDP and PLD are two upper bounds of the same epsilon; the smaller one counts.',
].join('\n');

function withSampling(command: Command): Command {
  return command
    .option('--sampling-rate <q>', 'probability that a record is in a batch')
    .option('--batch-size <B>', 'mean size of a batch; with --records, in place of --sampling-rate')
    .option('--records <N>', 'number of records, taken as public');
}

function withTraining(command: Command): Command {
  return withSampling(command)
    .option('--steps <T>', 'number of steps')
    .option('--epochs <E>', 'passes over the data; in place of --steps, rounded up to whole steps');
}

function epsilonCommand(flags: EpsilonFlags, console: Console): void {
  const phases = phasesOf(flags, flags.phase);
  const delta = deltaOf(flags, console);
  const bounds = epsilonOf(eventOfPhases(phases), delta);
  if (flags.json) return console.print(asJson(bounds));
  console.print(`${phases.map(phaseWords).join('\n')}\n\n${boundsTable(bounds, delta)}\n\n${ASSUMPTIONS}`);
}

function noiseCommand(flags: NoiseFlags, console: Console): void {
  const epsilon = required('--epsilon', flags.epsilon, TARGET_EPSILON);
  const samplingRate = samplingRateOf(flags);
  const steps = stepsOf(flags, samplingRate);
  const delta = deltaOf(flags, console);
  const { noiseMultiplier, bounds } = calibrateNoise({
    epsilon,
    delta,
    eventOf: (noise) => dpSgdEvent({ samplingRate, noiseMultiplier: noise, steps }),
  });
  if (flags.json) return console.print(asJson({ noiseMultiplier, epsilon: bounds.epsilon }));
  const phase = phaseWords({ samplingRate, noiseMultiplier, steps });
  console.print(
    `Noise multiplier ${epsilonWords(noiseMultiplier)}, rounded up\n\n${phase}\n\n${boundsTable(bounds, delta)}\n\n${ASSUMPTIONS}`,
  );
}

function stepsCommand(flags: StepsFlags, console: Console): void {
  const epsilon = required('--epsilon', flags.epsilon, TARGET_EPSILON);
  const samplingRate = samplingRateOf(flags);
  const noiseMultiplier = noiseMultiplierOf(flags);
  const delta = deltaOf(flags, console);
  const { steps, bounds } = mostSteps({ epsilon, delta, samplingRate, noiseMultiplier });
  if (steps < 1) {
    const one = epsilonOf(dpSgdEvent({ samplingRate, noiseMultiplier, steps: 1 }), delta);
    throw new SpecError(
      `Not one step stays within epsilon ${epsilon} at delta ${delta}: a single one costs ${epsilonWords(one.epsilon)} ` +
        `(sampling rate ${samplingRate}, noise multiplier ${noiseMultiplier}). Ask for a larger epsilon, more noise or a ` +
        'smaller sampling rate; `align-fl privacy noise` tells which noise suits a number of steps.',
      { path: '--epsilon', epsilonOfOneStep: jsonEpsilon(one.epsilon) },
    );
  }
  if (flags.json) return console.print(asJson({ steps, epsilon: bounds.epsilon }));
  const phase = phaseWords({ samplingRate, noiseMultiplier, steps });
  console.print(`At most ${steps} steps\n\n${phase}\n\n${boundsTable(bounds, delta)}\n\n${ASSUMPTIONS}`);
}

function curveCommand(flags: CurveFlags & { readonly json?: boolean }, console: Console): void {
  const { key, header, points } = curvePoints(flags);
  if (flags.json) {
    return console.print(asJson(points.map(({ at, bounds }) => ({ [key]: at, ...boundsOnly(bounds) }))));
  }
  const rows = points.map(({ at, bounds }) => [String(at), ...boundsCells(bounds)]);
  console.print(`${textTable(right(header, 'epsilon', 'RDP', 'PLD'), rows)}\n\n${ASSUMPTIONS}`);
}

function deltaOf(flags: { readonly delta?: string; readonly records?: string }, console: Console): number {
  const delta = required('--delta', flags.delta, DELTA);
  const records = Number(flags.records);
  if (delta * records >= 1) {
    console.error(
      `Mind that delta ${delta} is not below one over the ${records} records: publishing a record picked at random would ` +
        'be within such a promise. Choose a far smaller delta.',
    );
  }
  return delta;
}

function phaseWords({ samplingRate, noiseMultiplier, steps }: Phase): string {
  return `DP-SGD: ${steps} ${steps === 1 ? 'step' : 'steps'}, sampling rate ${samplingRate}, noise multiplier ${noiseMultiplier}`;
}

function boundsTable(bounds: EpsilonBounds, delta: number): string {
  return textTable(right('epsilon', 'RDP', 'PLD', 'delta'), [[...boundsCells(bounds), String(delta)]]);
}

function boundsCells({ epsilon, rdp, pld }: EpsilonBounds): string[] {
  return [epsilon, rdp, pld].map(epsilonWords);
}

function boundsOnly({ epsilon, rdp, pld }: EpsilonBounds): EpsilonBounds {
  return { epsilon, rdp, pld };
}

function right(...headers: readonly string[]) {
  return headers.map((header) => ({ header, align: 'right' as const }));
}

/** JSON knows no infinity: it becomes the string "Infinity". */
function asJson(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (one === Number.POSITIVE_INFINITY ? 'Infinity' : one), 2);
}
