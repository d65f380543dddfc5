// `align-fl audit`: attacks the private step of a spec, and holds what the attack shows against what is proved.

import { performance } from 'node:perf_hooks';
import type { Command } from 'commander';
import { openEngine } from '../engine/engine.ts';
import { AbortedError } from '../errors.ts';
import { type AuditOutcome, FAULTS, type Fault, runAudit } from '../experiments/audit.ts';
import { type AuditSubject, auditSubject } from '../experiments/audit-subject.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { formatPercent, formatSeconds } from '../report/format.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { repeatable } from './repeatable.ts';
import { createLiveLines } from './live-lines.ts';
import { type SpecFlags, specArgument } from './spec-argument.ts';

/** Adds `audit` to `program`. It exits with 1 where the claim is refuted, or where a control is not. */
export function addAuditCommand(program: Command, console: Console, setExitCode: (code: number) => void): void {
  program
    .command('audit')
    .argument('[preset or spec file]', 'a preset (align-fl presets) or a .yaml or .json file')
    .description('attack the private training step of a spec: a lower bound on epsilon beside the proved one')
    .option('--set <path=value>', 'change one value of the spec; may be repeated', repeatable, [])
    .option('--seed <n>', 'decides which canaries take part; short for --set seed=n')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie; looked for only where privacy.records is not set')
    .option('--silo <name>', 'the silo whose plan is audited (default: the first)')
    .option('--controls', 'audit three steps that are broken on purpose, too: the audit must find them')
    .option('--json', 'print as JSON')
    .addHelpText('after', HELP)
    .action(async (target: string | undefined, flags: AuditFlags) =>
      setExitCode(await auditCommand(target, flags, console)),
    );
}

// --- internal ---

interface AuditFlags extends SpecFlags {
  readonly data?: string;
  readonly silo?: string;
  readonly controls?: boolean;
  readonly json?: boolean;
}

/** The step as it is (null) or with a fault, and what came of it. */
interface Finding {
  readonly fault: Fault | null;
  readonly outcome: AuditOutcome;
}

const HELP = `
Canaries with chosen gradients go through the trainer's own sampling, clipping and noise, over as many steps as an audit
can tell apart. Takes minutes. An audit can show that a claim is false; it can never show that one is true.
Exit code 1: the claim is refuted, or a control was not found out.

Examples:
  align-fl audit quickstart --set privacy.mechanism=dp-sgd --set privacy.epsilon=8 --set privacy.delta=1e-5
  align-fl audit my-spec.yaml --silo hospital-a --controls --json`;

async function auditCommand(target: string | undefined, flags: AuditFlags, console: Console): Promise<number> {
  const spec = await specArgument(target, flags);
  const subject = await auditSubject(spec, { silo: flags.silo, data: { dataDir: flags.data, env: process.env } });
  const { executor, device, serverThreads: threads } = spec.engine;
  const engine = await openEngine({ executor, device, threads });
  const abort = new AbortController();
  const meter = createMeter(console.stderr);
  const stopListening = onInterrupt(abort, () => {
    meter.close();
    console.error('Stopping. Nothing of an audit is kept; press Ctrl-C again to quit at once.');
  });
  try {
    const findings: Finding[] = [];
    for (const fault of flags.controls ? [null, ...FAULTS] : [null]) {
      const onProgress = meter.begin(fault ?? 'the step as it is');
      const hooks = { signal: abort.signal, onProgress };
      findings.push({ fault, outcome: await runAudit(engine, subject, { seed: spec.seed, fault, hooks }) });
    }
    meter.close();
    console.print(
      flags.json ? JSON.stringify(asData(subject, findings), null, 2) : asText(subject, findings, spec.name),
    );
    return findings.every(isAsItShould) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    throw new AbortedError('Stopped. The same command begins the audit anew.', {}, { cause: error });
  } finally {
    meter.close();
    stopListening();
    await engine.close();
  }
}

/** An honest step is not refuted; a broken one is. */
function isAsItShould({ fault, outcome }: Finding): boolean {
  return outcome.isRefuted === (fault !== null);
}

function asText(subject: AuditSubject, findings: readonly Finding[], name: string): string {
  const { audit, plan, privacy, specEpsilon, silo } = subject;
  const { training, claimedEpsilon, runs, canariesPerRun, confidence } = audit;
  const [{ outcome }, ...controls] = findings as [Finding, ...Finding[]];
  const { epsilon, profile, isRefuted } = outcome;
  const lines = [
    `Audit of ${name}, silo ${silo}: ${privacy.clipping} clipping, noise multiplier ${training.noiseMultiplier.toFixed(4)}`,
    `${runs} runs of ${canariesPerRun} canaries, ${training.steps} steps each at sampling rate ${training.samplingRate.toPrecision(4)}` +
      ` (the spec's: ${plan.steps} at ${plan.samplingRate.toPrecision(4)})`,
    '',
    `  audited lower bound ${epsilon.epsilonLower.toFixed(2)} <= epsilon <= ${epsilonWords(claimedEpsilon)} (proved)` +
      `   for these ${training.steps} steps, delta ${privacy.delta}, confidence ${formatPercent(confidence)}`,
    `  no audit of this size can show more than ${epsilon.ceiling.toFixed(2)}; proved for the whole spec: epsilon ${epsilonWords(specEpsilon)}`,
    `  the claimed curve of (epsilon, delta) is ${
      profile.isRefuted
        ? `refuted at epsilon ${profile.epsilon}: delta is at least ${profile.deltaLower.toPrecision(3)}, claimed was ${profile.claimedDelta.toPrecision(3)}`
        : 'not refuted at any epsilon tried'
    }`,
    '',
    isRefuted
      ? 'REFUTED. This training step does not keep what is claimed for it. Release nothing that was trained with it, and report it.'
      : 'Not refuted. An audit can show that a claim is false; it can never show that one is true.',
  ];
  return controls.length === 0 ? lines.join('\n') : [...lines, '', ...controlLines(controls)].join('\n');
}

function controlLines(controls: readonly Finding[]): readonly string[] {
  const rows = controls.map(({ fault, outcome }) => [
    fault as string,
    outcome.epsilon.epsilonLower.toFixed(2),
    outcome.profile.isRefuted ? 'refuted' : 'not refuted',
    outcome.isRefuted ? 'found' : 'MISSED',
  ]);
  return [
    'Controls, broken on purpose under the same claim:',
    textTable(['fault', { header: 'lower bound', align: 'right' }, 'claimed curve', 'fault was'], rows),
    ...(controls.every(isAsItShould) ? [] : ['A broken step was missed: this audit proves little about yours.']),
  ];
}

function asData(subject: AuditSubject, findings: readonly Finding[]) {
  const { audit, plan, privacy, specEpsilon, silo } = subject;
  const [{ outcome }, ...controls] = findings as [Finding, ...Finding[]];
  return {
    silo,
    mechanism: 'dp-sgd',
    clipping: privacy.clipping,
    delta: privacy.delta,
    ...audit,
    spec: { samplingRate: plan.samplingRate, steps: plan.steps, epsilon: specEpsilon },
    ...boundsOf(outcome),
    controls: controls.map((control) => ({ fault: control.fault, ...boundsOf(control.outcome) })),
  };
}

function boundsOf({ epsilon, profile, isRefuted }: AuditOutcome) {
  return { epsilon, profile, isRefuted };
}

interface Meter {
  /** Returns what hears the progress of the work called `name`. */
  begin(name: string): (progress: { readonly run: number; readonly runs: number; readonly share: number }) => void;
  /** Removes the live line. */
  close(): void;
}

/** One live line on a terminal, a line every ten seconds elsewhere. */
function createMeter(stream: NodeJS.WriteStream): Meter {
  const live = createLiveLines(stream);
  return {
    begin(name) {
      const beganAtMs = performance.now();
      let toldAtMs = beganAtMs;
      return ({ run, runs, share }) => {
        const nowMs = performance.now();
        if (nowMs - toldAtMs < (stream.isTTY ? 200 : 10_000)) return;
        toldAtMs = nowMs;
        const left = formatSeconds(((1 - share) / share) * ((nowMs - beganAtMs) / 1000));
        const line = `Auditing ${name}: run ${run} of ${runs}, ${formatPercent(share)}, about ${left} left`;
        if (stream.isTTY) live.draw([line]);
        else stream.write(`${line}\n`);
      };
    },
    close: live.erase,
  };
}
