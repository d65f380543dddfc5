// A silo whose answers are late: what comes from it in a round answers the task of an earlier one. Nobody waits for it.

import { ShapeError } from '../errors.ts';
import type { SiloPort } from './silo-port.ts';

/**
 * A port that hands `port` the task of `lateBy` rounds before. Throws ShapeError for weights: those of an earlier round are
 * gone, and an average has no use for what comes after it.
 */
export function latePort(port: SiloPort, lateBy: number): SiloPort {
  if (lateBy === 0) return port;
  return {
    ...port,
    play: async (task, hooks) => {
      if (task.kind === 'train-own') return port.play({ ...task, round: task.round - lateBy }, hooks);
      throw new ShapeError(`${port.name} is late by ${lateBy}: it cannot train weights that were given for a round.`);
    },
  };
}
