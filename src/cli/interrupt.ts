// How commands are stopped: the first Ctrl-C asks the work to stop cleanly, the second ends the process at once.

/**
 * Calls `tell` and aborts on the first Ctrl-C (SIGINT) or SIGTERM, when the terminal is closed (SIGHUP), and when the program is
 * gone that started this process with a channel. Another Ctrl-C or SIGTERM ends the process, as if nobody listened, but for what
 * listens to the process's `exit`: children that must not outlive it. Returns what stops the listening.
 */
export function onInterrupt(abort: AbortController, tell: () => void): () => void {
  let isAsked = false;
  const ask = () => {
    if (isAsked) return; // a shell passes on the SIGHUP that the terminal sent already
    isAsked = true;
    tell();
    abort.abort();
  };
  const askOrQuit = (signal: NodeJS.Signals) => {
    if (!isAsked) return ask();
    stopListening();
    process.emit('exit', INTERRUPTED);
    process.kill(process.pid, signal);
  };
  const hangUp = () => {
    // Node aborts, with a core dump, where it finds no terminal to reset at its end.
    if (!isAsked) process.once('exit', () => process.kill(process.pid, 'SIGHUP'));
    ask();
  };
  const stopListening = () => {
    process.off('SIGINT', askOrQuit).off('SIGTERM', askOrQuit).off('SIGHUP', hangUp).off('disconnect', ask);
  };
  process.on('SIGINT', askOrQuit).on('SIGTERM', askOrQuit).on('SIGHUP', hangUp).on('disconnect', ask);
  if (process.send !== undefined && !process.connected) process.nextTick(ask); // gone before we listened
  return stopListening;
}

// --- internal ---

const INTERRUPTED = 130;
