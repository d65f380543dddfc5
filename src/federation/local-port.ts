// A silo in this very thread: for tests, for debugging, and for machines with one core.

import { receivedUpload } from '../exchange/upload.ts';
import type { SiloRunner } from '../silo/silo.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import type { SiloDiary } from './silo-diary.ts';
import type { SiloPort } from './silo-port.ts';

/** A port to a silo that `runner` plays here. */
export function localPort(runner: SiloRunner, config: SiloConfig, diary: SiloDiary = {}): SiloPort {
  return {
    name: config.name,
    play: async (task, hooks = {}) => {
      const upload = await runner.play(config, task, {
        signal: hooks.signal,
        onSpent: (spent) => diary.onSpent?.(task.round, spent),
        onStep: (progress) => diary.onProgress?.(task.round, progress),
        onEpoch: (epoch, terms) => diary.onEpoch?.(task.round, epoch, terms),
      });
      return receivedUpload(upload);
    },
  };
}
