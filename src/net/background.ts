// Work that nobody waits for until the end: what goes wrong with it is told, and nothing else happens.

export interface Background {
  start(work: Promise<unknown>): void;
  /** Resolves when all that was started has ended. */
  idle(): Promise<void>;
}

/** `onFailure` is told of every failure but those that stopping brings. */
export function openBackground(signal: AbortSignal, onFailure: (error: unknown) => void): Background {
  const underWay = new Set<Promise<unknown>>();
  return {
    start(work) {
      const quiet = work.catch((error: unknown) => {
        if (!signal.aborted) onFailure(error);
      });
      underWay.add(quiet);
      void quiet.finally(() => underWay.delete(quiet));
    },
    async idle() {
      await Promise.all(underWay);
    },
  };
}
