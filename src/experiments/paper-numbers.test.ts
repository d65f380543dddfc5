import { expect, test } from 'vitest';
import { loadSpec } from './load-spec.ts';
import { paperNumbersFor } from './paper-numbers.ts';

test('the published numbers stand beside the experiment of the paper, in percent, whatever its rounds and images', async () => {
  for (const changes of [[], ['rounds=1', 'data.partition.perClass=500', 'server.imagesPer=total']]) {
    expect(paperNumbersFor(await loadSpec('paper-mnist', changes))).toMatchObject({
      align: { accuracyPercent: 74.25, f1WeightedPercent: 74.06, fid: 81.91 },
      fedavg: { accuracyPercent: 43.75, f1WeightedPercent: null, fid: 148.7 },
    });
  }
});

test.each([
  [
    'lipschitz, lipschitzForm: paper-penalty, lipschitzWeight: 1',
    { accuracyPercent: 63.25, f1WeightedPercent: 60.01, fid: 98.46 },
  ],
  ['dp-sgd, epsilon: 10, delta: 1e-5', { accuracyPercent: 51.75, f1WeightedPercent: null, fid: null }],
])('under the privacy of the paper (%s) stand its own numbers, and none of FedAvg', async (privacy, align) => {
  const spec = await loadSpec('paper-mnist', [`privacy={mechanism: ${privacy}}`]);
  expect(paperNumbersFor(spec)).toMatchObject({ align, fedavg: null });
});

test.each([
  ['another weight of the penalty', 'paper-mnist', ['privacy={mechanism: lipschitz, lipschitzWeight: 2}']],
  [
    'another form of it',
    'paper-mnist',
    ['privacy={mechanism: lipschitz, lipschitzForm: jacobian-spectral, lipschitzWeight: 1, lipschitzBound: 1}'],
  ],
  ['another epsilon', 'paper-mnist', ['privacy={mechanism: dp-sgd, epsilon: 8, delta: 1e-5}']],
  ['another mode', 'paper-mnist', ['privacy={mechanism: dp-sgd, epsilon: 10, delta: 1e-5, mode: decoder-only}']],
  ['other images', 'paper-fashion', []],
  ['drawn digits', 'quickstart', ['model.latent=2']],
  ['another latent size', 'paper-mnist-16', []],
  [
    'another latent size at the server',
    'paper-mnist',
    ['strategies=[align]', 'server.model={kind: mlp, hidden: [8], latent: 3}'],
  ],
  ['another dealing', 'paper-mnist', ['data.partition={kind: iid}']],
  ['uneven silos', 'paper-mnist', ['data.partition.classes=[[0], [1, 2, 3], [4, 5], [6, 7], [8, 9]]']],
])('beside %s there are none', async (_, preset, changes) => {
  expect(paperNumbersFor(await loadSpec(preset, changes))).toBeNull();
});
