// `align-fl silo`: one participant, on the machine that has its images. `join` shows what will leave, asks, then works.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { AbortedError, LostPeerError, SpecError } from '../errors.ts';
import type { Consent } from '../deployment/consent.ts';
import { changeSiloSettings, defaultSiloHome, requireSiloSettings, siloLayout } from '../deployment/silo-home.ts';
import { type SiloStatus, siloStatus } from '../deployment/silo-status.ts';
import { isAtWork } from '../deployment/work-lock.ts';
import { readInvite } from '../net/invite.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import { formatBytes } from '../report/format.ts';
import { shellWord } from '../experiments/shell-word.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { DELTA, numberArgument } from './number-argument.ts';
import { ownCommand } from './own-command.ts';
import { createSiloView } from './silo-view.ts';
import { together } from './together.ts';

/** Adds `silo` and its commands to `program`. `now` dates what leaves. */
export function addSiloCommand(program: Command, console: Console, now: () => Date): void {
  const silo = program.command('silo').description('take part in a federation, on the machine that has the images');

  silo
    .command('join')
    .argument('[invite]', 'file with the invite, or - to read it from standard input; not needed to go on')
    .description('join a federation, or go on: shows what will leave, asks once, then works until the run ends')
    .option('--data <dir>', 'folder of the images, or an .npz file (docs/data.md)')
    .option('--release <dir>', 'in place of images: a decoder that was trained elsewhere (align-fl release)')
    .option('--home <dir>', "folder of this silo's key and state (default: align-fl-<silo>)")
    .option('--ledger <dir>', 'folder of the privacy ledger (default: .align-fl/<silo> beside the images)')
    .option('--budget-epsilon <e>', 'the most that this silo allows, before its ledger begins')
    .option('--budget-delta <d>', 'delta at which it is counted')
    .option('--yes', 'agree to the first plan without being asked: for scripts')
    .option('--agree <plan>', 'agree to the plan with this hash (its first eight digits or more), and to no other')
    .addHelpText('after', JOIN_HELP)
    .action((invite: string | undefined, flags: JoinFlags) => joinCommand(invite, flags, console, now));

  silo
    .command('status')
    .argument('<home>', 'folder of the silo')
    .description('where this silo stands, what its ledger says, and all that ever left it')
    .option('--json', 'print as JSON')
    .action((home: string, flags: { json?: boolean }) => statusCommand(home, flags, console));

  silo
    .command('pause')
    .argument('<home>', 'folder of the silo')
    .description('stop after the current step, until the next `join`')
    .action(async (home: string) => {
      const layout = siloLayout(home);
      await changeSiloSettings(layout, { wish: 'paused' });
      console.print(`Paused. To go on: ${goOnIn(home)}`);
    });

  silo
    .command('leave')
    .argument('<home>', 'folder of the silo')
    .description('leave the federation for good: the server asks for nothing more and forgets the key')
    .action((home: string) => leaveCommand(home, console));
}

// --- internal ---

interface JoinFlags {
  readonly data?: string;
  readonly release?: string;
  readonly home?: string;
  readonly ledger?: string;
  readonly budgetEpsilon?: string;
  readonly budgetDelta?: string;
  readonly yes?: boolean;
  readonly agree?: string;
}

const JOIN_HELP = `
Examples:
  align-fl silo join a.invite --data ./my-data
  align-fl silo join a.invite --data scans.npz --budget-epsilon 4 --budget-delta 1e-5
  align-fl silo join --home align-fl-a              goes on after a stop, a crash or a pause`;

async function joinCommand(
  target: string | undefined,
  flags: JoinFlags,
  console: Console,
  now: () => Date,
): Promise<void> {
  const { joinFederation, requireMaterial } = await import('../deployment/join.ts');
  const material = { data: flags.data ?? null, release: flags.release ?? null };
  const { invite, budget } = await together({
    invite: () => inviteFrom(target, flags),
    material: () => requireMaterial(material),
    budget: () => budgetOf(flags),
  });
  const { consentLines } = await import('../deployment/consent.ts');
  const home = flags.home ?? defaultSiloHome(readInvite(invite as string).silo);
  const abort = new AbortController();
  const view = createSiloView(console.stderr);
  const stopListening = onInterrupt(abort, () => {
    view.close();
    console.error('Stopping after the current step. What is complete is kept; press Ctrl-C again to quit at once.');
  });
  try {
    const end = await joinFederation({
      layout: siloLayout(home),
      invite,
      ...material,
      ledger: flags.ledger ?? null,
      budget,
      ask: async (consent, signal) => {
        view.close();
        console.error(consentLines(consent).join('\n'));
        return isAgreed(consent, flags) || asked(signal);
      },
      emit: (event) => view.show(event),
      signal: abort.signal,
      now,
      version: console.version,
    });
    view.close();
    const log = shellWord(siloLayout(home).departures);
    if (end === 'ended') console.print(`The run is complete. All that left this machine: ${log}`);
    if (end === 'paused') console.print(`Paused. To go on: ${goOnIn(home)}`);
    if (end === 'left') console.print('This silo has left the federation.');
    if (end === 'untold') {
      console.print(
        `This silo takes part no more, but its server was not there to be told. Once it is: align-fl silo leave ${shellWord(home)}`,
      );
    }
  } catch (error) {
    if (!(error instanceof AbortedError) || !abort.signal.aborted) throw error;
    // An invite may be used again by who has used it; what was piped in is gone.
    const piped = `${goOnIn(home)} (before it has joined: the same command, with the invite again)`;
    const again = target === undefined ? goOnIn(home) : target === '-' ? piped : ownCommand();
    throw new AbortedError(`Stopped. To go on: ${again}`, {}, { cause: error });
  } finally {
    view.close();
    stopListening();
  }
}

/** For a silo that has joined. */
function goOnIn(home: string): string {
  return `align-fl silo join --home ${shellWord(home)}`;
}

async function leaveCommand(home: string, console: Console): Promise<void> {
  const layout = siloLayout(home);
  const { wish, farewell } = await requireSiloSettings(layout);
  if (wish === 'left' && farewell) return console.print('This silo has left before.');
  console.error('Telling its server, for a minute at most.');
  await leaveFrom(home, console);
  const hasReleased = await siloStatus(layout).then(
    ({ departures }) => departures.some(({ what }) => what === 'decoder'),
    () => true, // a log that cannot be read proves nothing
  );
  console.print(
    hasReleased
      ? 'Left. What was released cannot be called back; ask whoever runs the server for `align-fl forget`. Ledger and log stay here.'
      : 'Left. The log of this folder has no release.',
  );
}

/** A process at work sees the wish within a second, and is waited for; where none is, the farewell is said from here. */
async function leaveFrom(home: string, console: Console): Promise<void> {
  const layout = siloLayout(home);
  const { leaveFederation } = await import('../deployment/leave.ts');
  const signal = AbortSignal.timeout(LEAVE_WITHIN_MS);
  try {
    await leaveFederation({ layout, emit: () => {}, signal, version: console.version });
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    const isBusy = await isAtWork(layout.root);
    throw new LostPeerError(
      isBusy
        ? `The process that works for this silo has not ended within ${LEAVE_WITHIN_MS / 1000} s. It ends after its current step, and ` +
            'tells the server then.'
        : `This silo takes part no more, but its server was not there within ${LEAVE_WITHIN_MS / 1000} s to be told, and may wait for ` +
            `it. Once it is there, tell it: align-fl silo leave ${shellWord(home)}`,
      { path: layout.root },
      { cause: error },
    );
  }
}

const LEAVE_WITHIN_MS = 60_000;

/** Null to go on in a folder that has joined. */
async function inviteFrom(target: string | undefined, { home }: JoinFlags): Promise<string | null> {
  if (target === undefined) {
    if (home !== undefined) return null;
    throw new SpecError('Name the file of an invite, or with --home the folder of a silo that has joined.', {
      path: 'invite',
    });
  }
  try {
    const text = target === '-' ? await textOf(process.stdin) : await readFile(target, 'utf8');
    return text.trim();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    const why = code === 'ENOENT' ? 'there is no such file' : code;
    throw new SpecError(
      `Could not read the invite ${target}: ${why}. Name the file that the server's owner gave you.`,
      {
        path: target,
      },
    );
  }
}

async function textOf(stream: NodeJS.ReadStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** Who agreed to one plan has not agreed to the next. */
function isAgreed({ plan, before }: Consent, { yes, agree }: JoinFlags): boolean {
  if (agree !== undefined) return /^[0-9a-f]{8,64}$/.test(agree) && plan.startsWith(agree);
  return yes === true && before === null;
}

async function asked(signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new SpecError(
      'Nobody is here to be asked. Read the plan above, then join again with --agree and the first digits of its hash.',
      { path: '--agree' },
    );
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.on('error', () => {}); // a terminal that was closed cannot be given its mode back
  try {
    // Ctrl-C and Ctrl-D, which a prompt hears as keys; a signal; a terminal that was closed.
    const noAnswer = new Promise<null>((done) => lines.once('close', () => done(null)));
    for (let question = '\nDo you agree? Type yes or no: '; ; question = 'Type yes or no: ') {
      const answer = lines.question(question, { signal }).catch(() => null);
      const heard = (await Promise.race([answer, noAnswer]))?.trim();
      if (heard === undefined) throw new AbortedError('Stopped before an answer: nothing was agreed to.');
      if (/^y(es)?$/i.test(heard)) return true;
      if (/^no?$/i.test(heard)) return false;
    }
  } finally {
    lines.close();
  }
}

async function budgetOf({ budgetEpsilon, budgetDelta }: JoinFlags): Promise<Budget | null> {
  if (budgetEpsilon === undefined && budgetDelta === undefined) return null;
  if (budgetEpsilon === undefined || budgetDelta === undefined) {
    throw new SpecError('--budget-epsilon and --budget-delta go together: epsilon is counted at a delta.', {
      path: '--budget-epsilon',
    });
  }
  const epsilon = { expected: 'an epsilon from 0 up', example: '8', accepts: (value: number) => value >= 0 };
  return together({
    epsilon: () => numberArgument('--budget-epsilon', budgetEpsilon, epsilon),
    delta: () => numberArgument('--budget-delta', budgetDelta, DELTA),
  });
}

async function statusCommand(home: string, flags: { readonly json?: boolean }, console: Console): Promise<void> {
  const status = await siloStatus(siloLayout(home));
  if (flags.json) return console.print(JSON.stringify(status, null, 2));
  const rows = status.departures.map((one) => [
    one.at,
    one.what,
    one.round === null ? '' : String(one.round),
    formatBytes(one.bytes),
    one.sha256?.slice(0, 16) ?? '',
    one.state,
  ]);
  console.print(
    [
      `Silo ${status.silo} of federation ${status.federation}: ${stateWords(status)}`,
      `Rounds done: ${status.round ?? 0}${status.rounds === null ? '' : ` of ${status.rounds}`}`,
      `Privacy: ${status.privacy}`,
      '',
      rows.length === 0
        ? 'Nothing has left this machine.'
        : `What left this machine\n${textTable(['when', { header: 'what', align: 'left' }, 'round', 'size', 'SHA-256', 'state'], rows)}`,
    ].join('\n'),
  );
}

function stateWords({ isAtWork: isBusy, wish, farewell }: SiloStatus): string {
  if (wish === 'left') return farewell ? 'left' : 'left, but its server is not told yet (align-fl silo leave)';
  if (isBusy) return 'at work';
  return wish === 'work' ? 'not at work' : 'paused';
}
