// Looking again and again, where a file is what other processes say.

/** Does `work` every `ms`, unless it is still under way; what fails is tried again. Returns what ends that, after work under way. */
export function every(ms: number, work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  const look = async () => {
    await work().catch(() => {});
    running = null;
  };
  const timer = setInterval(() => {
    running ??= look();
  }, ms);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** How late a server may notice what another process wrote. */
export const LOOK_EVERY_MS = 1000;
