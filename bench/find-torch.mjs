// A Python that has PyTorch, to race against.

import { spawnSync } from 'node:child_process';

/**
 * The first command that can import torch: the one that is named, else what is usual. Null where none can.
 * @param {string | undefined} named
 */
export function findTorch(named) {
  const candidates = named ? [named] : ['python3', '/usr/bin/python3'];
  return candidates.find((name) => spawnSync(name, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0) ?? null;
}
