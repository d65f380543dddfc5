// A way to reach a silo: a task goes in, an upload comes out, and nothing else. The round knows this interface only; a
// thread, this process or a network stands behind it.

import type { Task } from '../exchange/task.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';

export interface SiloPort {
  readonly name: string;
  /** Hands a task in and waits for what the silo gives back. The same task may be handed in again: nothing counts twice. */
  play(task: Task, hooks?: { readonly signal?: AbortSignal | undefined }): Promise<ReceivedUpload>;
}
