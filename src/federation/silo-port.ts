// A way to reach a silo: a task goes in, an upload comes out, and nothing else. The round knows this interface only; a
// thread, this process or a network stands behind it.

import { LostPeerError } from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';

export interface SiloPort {
  readonly name: string;
  /**
   * Hands a task in and waits for what the silo gives back. The same task may be handed in again: nothing counts
   * twice. Ends soon after the signal fires: nobody waits for this answer any more, though the silo may work on it.
   */
  play(task: Task, hooks?: { readonly signal?: AbortSignal | undefined }): Promise<ReceivedUpload>;
  /**
   * The newest upload that came after its round had closed and is in no round yet, or null. Asked of a silo that has not
   * answered when a round closes; ports that are always waited for have none.
   */
  late?(): Promise<ReceivedUpload | null>;
  /**
   * Resolves when a silo that is gone (`isGone`) may be asked again; rejects when the signal fires. Ports whose silos never come
   * back have none.
   */
  back?(signal: AbortSignal): Promise<void>;
}

/** Whether what `play` threw says that the silo has left or was revoked. */
export function isGone(error: unknown): error is LostPeerError {
  return error instanceof LostPeerError && (error.facts['left'] === true || error.facts['revoked'] === true);
}
