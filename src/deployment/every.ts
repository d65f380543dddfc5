// Looking again and again, where a file is what other processes say.

/** Does `work` every `ms`, never twice at a time; what fails is tried again. Returns what ends that, after work under way. */
export function every(ms: number, work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(work).catch(() => {});
  }, ms);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** How late a server may notice what another process wrote. */
export const LOOK_EVERY_MS = 1000;
