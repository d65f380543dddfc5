// Under which addresses `align-fl server init` was told that silos reach the server, and when a round closes.

import { hostname } from 'node:os';
import { requireBothOrNone, requireEnoughSilos } from '../deployment/init-server.ts';
import { SpecError } from '../errors.ts';
import { alternativeName } from '../net/certificates.ts';
import { type NumberKind, numberArgument, wholeNumber } from './number-argument.ts';

export interface AddressFlags {
  readonly host: readonly string[];
  readonly port: string;
  readonly listen: string;
  readonly quorum?: string;
  readonly deadline?: string;
}

/** Readers of the settings, for `together`. `silos`: how many there are, where that is known. */
export function addressReaders({ host, port, listen, quorum, deadline }: AddressFlags, silos: number | null) {
  return {
    hosts: () => hostsOf(host),
    port: () => numberArgument('--port', port, PORT),
    listen: () => addressOf('--listen', listen),
    quorum: () => quorumOf(quorum, deadline, silos),
    deadlineMinutes: () => (deadline === undefined ? null : numberArgument('--deadline', deadline, MINUTES)),
  } as const;
}

// --- internal ---

const PORT: NumberKind = {
  expected: 'a port from 1 to 65535',
  example: '4222',
  accepts: (value) => Number.isInteger(value) && value >= 1 && value <= 65_535,
};

const MINUTES: NumberKind = {
  expected: 'minutes above 0, at most a year',
  example: '60',
  accepts: (value) => value > 0 && value <= 525_600,
};

const MOST_HOSTS = 20;

function hostsOf(given: readonly string[]): string[] {
  if (given.length === 0) return [...new Set([hostname(), 'localhost', '127.0.0.1'])];
  if (given.length <= MOST_HOSTS) return given.map((host) => addressOf('--host', host));
  throw new SpecError(`--host: expected at most ${MOST_HOSTS}, got ${given.length}. Leave some out.`, {
    path: '--host',
  });
}

function addressOf(flag: string, text: string): string {
  try {
    alternativeName(text);
    return text;
  } catch (cause) {
    if (!(cause instanceof SpecError)) throw cause;
    throw new SpecError(`${flag}: ${lowerFirst(cause.message)} Correct it.`, { path: flag }, { cause });
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function quorumOf(quorum: string | undefined, deadline: string | undefined, silos: number | null): number | null {
  requireBothOrNone({ quorum: quorum !== undefined, deadline: deadline !== undefined });
  if (quorum === undefined) return null;
  const answers = numberArgument('--quorum', quorum, wholeNumber('2'));
  if (silos !== null) requireEnoughSilos(answers, silos);
  return answers;
}
