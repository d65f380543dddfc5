// START HERE. One round of federated learning: ask, train at home, collect, learn.
//
// The strategy says what silos are asked for and what becomes of their answers (align.ts, fedavg.ts). A port is a way
// to reach a silo (local-port.ts, thread-port.ts). Neither knows the other, and this page is all that joins them.

import type { ReceivedUpload } from '../exchange/upload.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { type Closing, collect, type CollectOptions, type Wait } from './collect.ts';
import type { Emit } from './events.ts';
import type { SiloPort } from './silo-port.ts';
import type { Strategy } from './strategy.ts';

export interface Round {
  /** Counted from 1. */
  readonly round: number;
  readonly strategy: Strategy;
  /** Those from which something comes in this round; nobody waits for others (late-port.ts). */
  readonly silos: readonly SiloPort[];
  /** Silos that train at the same time. */
  readonly atOnce: number;
  /** Whom the round waits for, and how long (collect.ts). Default: every silo. */
  readonly closing?: Closing | undefined;
  /** Lets time pass. Default: a timer. */
  readonly wait?: Wait | undefined;
  /**
   * Keeps what came, before the server learns from it, and returns it as it was kept. A round that had closed when it was
   * interrupted must be played again with the same uploads: other silos may answer the second time.
   */
  readonly keep?: (uploads: readonly ReceivedUpload[]) => Promise<readonly ReceivedUpload[]>;
  readonly emit: Emit;
  readonly signal?: AbortSignal | undefined;
}

export interface RoundResult {
  /** One for each silo from which something came, in the order of the silos. */
  readonly uploads: readonly ReceivedUpload[];
  /** Parameters of the global model; null where the strategy makes none. */
  readonly global: NamedArrays | null;
}

/**
 * Plays a round. Every part of it can be repeated: a silo or server that has completed its part answers from disk, so
 * an interrupted round is simply played again.
 */
export async function playRound(options: Round): Promise<RoundResult> {
  const { round, strategy, silos, atOnce, closing = 'every', wait, keep, emit, signal } = options;
  const at = { strategy: strategy.name, round } as const;
  const task = await strategy.instruct(round);

  const terms: CollectOptions = {
    round,
    closing,
    atOnce,
    signal,
    wait,
    onMissing: (absence) => emit({ kind: 'silo-missing', ...at, ...absence }),
    onLate: (late) => emit({ kind: 'silo-late', ...at, ...late }),
    onOverdue: (overdue) => emit({ kind: 'round-overdue', ...at, ...overdue }),
  };
  const came = await collect(silos, terms, async (silo, together) => {
    emit({ kind: 'silo-started', ...at, silo: silo.name });
    const upload = await silo.play(task, { signal: together });
    emit({ kind: 'silo-finished', ...at, silo: silo.name });
    return upload;
  });
  const uploads = keep ? await keep(came) : came;

  emit({ kind: 'server-started', ...at });
  const global = await strategy.absorb(round, uploads, {
    signal,
    onStep: (progress) => emit({ kind: 'server-progress', ...at, ...progress }),
    onEpoch: (epoch, terms) => emit({ kind: 'server-epoch', ...at, epoch, terms }),
  });
  emit({ kind: 'server-finished', ...at });
  return { uploads, global };
}
