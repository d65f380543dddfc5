// A federation on its server's console: the view of a run, to which silos on other machines add what they say of themselves.

import type { ServerEvent } from '../deployment/server-events.ts';
import { connectionWords, hubWords } from './network-words.ts';
import { createRunView } from './run-view.ts';

export interface ServerView {
  show(event: ServerEvent): void;
  /** Removes the live lines. */
  close(): void;
}

/** A view that writes to `stream`, live where that is a terminal. */
export function createServerView(stream: NodeJS.WriteStream): ServerView {
  const run = createRunView(stream);
  return {
    close: run.close,
    show(event) {
      if (event.kind === 'connection') return run.show({ kind: 'notice', text: connectionWords(event.notice) });
      if (event.kind !== 'network') return run.show(event);
      const { event: heard } = event;
      if (heard.kind === 'silo-status' && heard.status.round !== null && heard.status.percent !== null) {
        const { round, percent } = heard.status;
        // A silo tells a share of its round, never steps or losses: these would tell of its images.
        const share = { step: percent, steps: 100, epoch: 0, loss: Number.NaN };
        run.show({ kind: 'silo-progress', strategy: 'align', round, silo: heard.silo, ...share });
      }
      const text = hubWords(heard);
      if (text !== null) run.show({ kind: 'notice', text });
    },
  };
}
