// A silo in this very thread: for tests, for debugging, and for machines with one core.

import type { SiloConfig, SiloRunner } from '../silo/silo.ts';
import type { SiloPort } from './silo-port.ts';

/** A port to a silo that `runner` plays here. */
export function localPort(runner: SiloRunner, config: SiloConfig): SiloPort {
  return {
    name: config.name,
    play: (task, hooks = {}) =>
      runner.play(config, task, {
        signal: hooks.signal,
        onEpoch: hooks.onEpoch,
        ...(hooks.onProgress && { onStep: hooks.onProgress }),
      }),
  };
}
