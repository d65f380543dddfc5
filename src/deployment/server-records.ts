// What a server at work writes down besides its run: where everybody stands, and what happened on the network.

import { keepStatus } from './status-keeper.ts';
import { openNetworkLog } from './network-log.ts';
import type { ServerEvent } from './server-events.ts';
import type { ServerLayout } from './server-folder.ts';

export interface ServerRecords {
  /** Writes down what belongs there, and hands the event on. */
  emit(event: ServerEvent): void;
  close(): Promise<void>;
}

/** Opens both. What cannot be written is told to `emit`, once; the server works without. */
export async function openServerRecords(
  layout: ServerLayout,
  {
    emit,
    now,
    version,
  }: { readonly emit: (event: ServerEvent) => void; readonly now: () => Date; readonly version: string },
): Promise<ServerRecords> {
  const failing = (what: string) => (error: Error) => emit({ kind: 'notice', text: `${what}: ${error.message}` });
  const status = await keepStatus(layout, {
    now,
    onFailure: failing(`${layout.status} cannot be written, so "server status" tells what was so before`),
  });
  const log = openNetworkLog(layout, {
    version,
    now,
    onFailure: failing(`${layout.networkLog} cannot be written, and ends here`),
  });
  return {
    emit(event) {
      log.take(event);
      status.take(event);
      emit(event);
    },
    async close() {
      log.close();
      await status.close();
    },
  };
}
