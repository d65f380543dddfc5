// A federation on its server's console: the view of a run, to which silos on other machines add what they say of themselves.

import { performance } from 'node:perf_hooks';
import type { ServerEvent } from '../deployment/server-events.ts';
import { plainLine } from '../exchange/plain-text.ts';
import { connectionWords, hubWords, serverWords } from './network-words.ts';
import { createRunView } from './run-view.ts';

export interface ServerView {
  show(event: ServerEvent): void;
  /** Removes the live lines. */
  close(): void;
}

/** Without a terminal. */
const TELL_EVERY_MS = 10_000;

/** A view that writes to `stream`, live where that is a terminal. */
export function createServerView(stream: NodeJS.WriteStream): ServerView {
  const run = createRunView(stream);
  /** Most of what is told here has words of others in it. */
  const notice = (text: string) => run.show({ kind: 'notice', text: plainLine(text) });
  let isOver = false;
  let toldAtMs = performance.now();
  let shares: { readonly round: number; readonly bySilo: Map<string, number> } = { round: 0, bySilo: new Map() };
  return {
    close: run.close,
    show(event) {
      const words = serverWords(event);
      if (words !== null) notice(words);
      if (event.kind === 'connection') return notice(connectionWords(event.notice));
      if (event.kind === 'silo-joined' || event.kind === 'join-refused') return;
      if (event.kind === 'notice') return notice(event.text);
      if (event.kind === 'run-finished') isOver = true;
      if (event.kind !== 'network') return run.show(event);
      const { event: heard } = event;
      if (isOver && heard.kind === 'silo-away') return; // they are done
      if (heard.kind === 'silo-status' && heard.status.round !== null && heard.status.percent !== null) {
        const { round, percent } = heard.status;
        // A silo tells a share of its round, never steps or losses: these would tell of its images.
        const share = { step: Math.min(percent, 99), steps: 100, epoch: 0, loss: Number.NaN };
        run.show({ kind: 'silo-progress', strategy: 'align', round, silo: heard.silo, ...share });
        if (round < shares.round) return; // it is late
        if (round > shares.round) shares = { round, bySilo: new Map() };
        shares.bySilo.set(heard.silo, percent);
        if (!stream.isTTY && performance.now() - toldAtMs > TELL_EVERY_MS) {
          toldAtMs = performance.now();
          stream.write(
            `  round ${round}: ${[...shares.bySilo].map(([silo, done]) => `${silo} ${done} %`).join(', ')}\n`,
          );
        }
      }
      if (heard.kind === 'silo-away') shares.bySilo.delete(heard.silo);
      const text = hubWords(heard);
      if (text !== null) notice(text);
    },
  };
}
