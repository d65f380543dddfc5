// The printed command gives the spec of the run again.

import { describe, expect, it } from 'vitest';
import { smallSpec } from '../../test/report-runs.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { specHash } from '../experiments/spec-identity.ts';
import { repeatCommand } from './repeat-command.ts';

const CHANGES = [
  [],
  ['rounds=3', 'seed=7', 'local.epochs=1'],
  ['privacy={mechanism: dp-sgd, epsilon: 3, delta: 1e-6, noise: seeded}'],
  ['strategies=[align]', 'model={kind: conv, channels: [8, 16], latent: 3}', 'server.model={kind: mlp, latent: 5}'],
  ['silos.0.model={kind: mlp, latent: 5}', 'strategies=[align]'],
];
const CASES = ['quickstart', 'paper-mnist-dp', 'mixed-silos'].flatMap((name) =>
  CHANGES.map((changes) => ({ name, changes })),
);

describe('repeatCommand', () => {
  it.each(CASES)('of $name with $changes', async ({ name, changes }) => {
    const spec = await loadSpec(name, changes);
    const words = shellWords(repeatCommand(spec, 'x/spec.json'));
    expect(words.slice(0, 5)).toEqual(['align-fl', 'run', name, '--seed', String(spec.seed)]);
    const sets = words.filter((_, i) => words[i - 1] === '--set');
    expect(specHash(await loadSpec(name, [...sets, `seed=${spec.seed}`]))).toBe(specHash(spec));
  });

  it('is short where little was changed', async () => {
    const spec = await loadSpec('quickstart', ['rounds=3', 'privacy={mechanism: dp-sgd, epsilon: 3, delta: 1e-6}']);
    expect(repeatCommand(spec, 'x')).toBe(
      `align-fl run quickstart --seed 0 --set rounds=3 --set 'privacy={"mechanism":"dp-sgd","epsilon":3,"delta":0.000001}'`,
    );
  });

  it('names the spec file where no preset is near', () => {
    expect(repeatCommand(smallSpec(), "runs/it's/spec.json")).toBe(`align-fl run 'runs/it'\\''s/spec.json'`);
  });
});

/** Words of a command as a POSIX shell splits it, with single quotes only. */
function shellWords(command: string): string[] {
  const words = command.match(/(?:[^\s']|'[^']*'|\\')+/g) ?? [];
  return words.map((word) => word.replaceAll(/'([^']*)'/g, '$1'));
}
