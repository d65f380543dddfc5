// A federation of two silos that is over in seconds, for tests that play it in real processes.

import type { SpecInput } from '../src/experiments/spec.ts';

/** Two classes each of drawn digits, no privacy, two rounds; tests spread over it what they are about. */
export const TWO_SILOS = {
  rounds: 2,
  data: {
    source: { kind: 'drawn-digits', train: 80, test: 60 },
    partition: {
      kind: 'class-disjoint',
      classes: [
        [0, 1],
        [2, 3],
      ],
    },
  },
  silos: [{ name: 'north' }, { name: 'east' }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 2, batchSize: 8 },
  server: { epochs: 1, batchSize: 16, images: 20 },
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1, gridImages: 4 },
} satisfies Partial<SpecInput>;
