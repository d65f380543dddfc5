// Ctrl-C as commands hear it: the first asks the work to stop cleanly, the second is not caught.

/**
 * Calls `tell` and aborts on the first Ctrl-C; the second ends the process, as if nobody listened. Returns what stops the
 * listening.
 */
export function onInterrupt(abort: AbortController, tell: () => void): () => void {
  const listener = () => {
    process.off('SIGINT', listener).off('SIGTERM', listener);
    tell();
    abort.abort();
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return () => process.off('SIGINT', listener).off('SIGTERM', listener);
}
