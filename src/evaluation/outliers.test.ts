import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { judgeOutliers, type OutlierSubject } from './outliers.ts';

const KEY = seedKey('outliers');
const PIXELS = 12;

/** Images with the first (typical) or the last (foreign) half of the pixels bright, each with noise of its own. */
function draw(name: string, count: number, kind: 'typical' | 'foreign'): Float32Array {
  return normals(childKey(KEY, name), count * PIXELS).map((noise, i) => {
    const isFirstHalf = i % PIXELS < PIXELS / 2;
    return (isFirstHalf === (kind === 'typical') ? 0.8 : 0.2) + 0.05 * noise;
  });
}

const GROUPS = {
  members: draw('members', 30, 'foreign'),
  heldOut: draw('held out', 30, 'foreign'),
  typical: draw('typical', 80, 'typical'),
  typicalHeldOut: draw('typical held out', 60, 'typical'),
};
const FRESH = draw('fresh', 100, 'typical');
const copy = async (images: Float32Array) => images.slice();
const toMeanTypical = async (images: Float32Array) => images.map((_, i) => (i % PIXELS < PIXELS / 2 ? 0.8 : 0.2));

function judge(changed: Partial<OutlierSubject>) {
  const subject = { ...GROUPS, pixels: PIXELS, reconstruct: copy, synthetic: FRESH, features: null, key: KEY };
  return judgeOutliers({ ...subject, ...changed });
}

describe('the judgement of outliers', () => {
  it('finds an autoencoder that copies to reproduce every foreign image, seen or not', async () => {
    const { reconstructionError, spaces, membershipByReconstruction } = await judge({});
    const [pixels] = spaces;
    for (const found of [pixels?.reproduction.members, pixels?.reproduction.heldOut]) {
      expect([found?.reproduced.share, found?.recognised.share, found?.nearest.own.share]).toEqual([1, 1, 1]);
    }
    expect(pixels?.reproduction.typicalHeldOut.reproduced.share).toBe(1);
    expect(pixels?.reproduction.separation.estimate).toBe(1);
    expect(reconstructionError.mean.members).toEqual({ estimate: 0, low: 0, high: 0 });
    expect(membershipByReconstruction.foreign.auc.estimate).toBe(0.5); // no difference, so nobody is found out
    expect(pixels?.discriminator.reconstructed.members.looksForeign.share).toBe(1);
  });

  it('finds one that knows the mean typical image only to reproduce none', async () => {
    const { reconstructionError, spaces } = await judge({ reconstruct: toMeanTypical });
    const [pixels] = spaces;
    expect(pixels?.reproduction.members.reproduced.count).toBe(0);
    expect(pixels?.reproduction.members.nearest.own.count).toBe(0);
    expect(pixels?.reproduction.separation.estimate).toBe(0);
    expect(pixels?.discriminator.reconstructed.members.looksForeign.share).toBe(0);
    // by hand: 12 pixels that are 0.6 off, and noise of variance 0.05^2
    expect(reconstructionError.mean.members.estimate).toBeCloseTo(12 * (0.36 + 0.0025), 1);
    expect(reconstructionError.mean.typical.estimate).toBeCloseTo(12 * 0.0025, 2);
  });

  it.each([0.3, 0.5, 0.7])('is not deceived by one that gives the same grey of %f for everything', async (grey) => {
    const { spaces } = await judge({ reconstruct: async (images) => images.map(() => grey) });
    for (const { reproduction } of spaces) expect(reproduction.separation.estimate).toBe(0);
  });

  it('is not deceived by one that makes everything look foreign', async () => {
    const reconstruct = async (images: Float32Array) => images.map((_, i) => (i % PIXELS < PIXELS / 2 ? 0.2 : 0.8));
    const [pixels] = (await judge({ reconstruct })).spaces;
    expect(pixels?.reproduction.members.reproduced.share).toBe(1);
    expect(pixels?.reproduction.separation.estimate).toBe(0);
    expect(pixels?.discriminator.reconstructed.typicalHeldOut.looksForeign.share).toBe(1);
  });

  it('sees the kind of a faint copy in normalised pixels, where the plain ones see the faintness', async () => {
    const reconstruct = async (images: Float32Array) => images.map((value) => 0.1 * value + 0.62);
    const [pixels, normalised] = (await judge({ reconstruct })).spaces;
    expect(pixels?.reproduction.members.recognised.share).toBeLessThan(0.5);
    expect(normalised?.reproduction.members.recognised.share).toBe(1);
    expect(normalised?.reproduction.separation.estimate).toBe(1);
  });

  it('finds a generator that has memorised its foreign images, and only these', async () => {
    const synthetic = Float32Array.of(...GROUPS.members, ...FRESH);
    const [pixels] = (await judge({ reconstruct: toMeanTypical, synthetic })).spaces;
    const { foreign, typical } = pixels?.nearestSynthetic ?? {};
    expect(foreign?.inTraining).toEqual({ estimate: 0, low: 0, high: 0 });
    expect(foreign?.difference.low).toBeGreaterThan(0.1);
    expect(foreign?.pValue).toBeLessThan(1e-9);
    expect(typical?.difference.low).toBeLessThan(0);
    expect(typical?.difference.high).toBeGreaterThan(0);
    expect(typical?.pValue).toBeGreaterThan(0.01);
    expect(pixels?.membershipByDistance.foreign.advantage.estimate).toBe(1);
    expect(pixels?.membershipByDistance.foreign.auc.estimate).toBe(1);
    expect(pixels?.membershipByDistance.typical.auc.low).toBeLessThan(0.5);
    expect(pixels?.discriminator.synthetic.looksForeign).toMatchObject({ count: 30, of: 130 });
  });

  it('finds nothing in a generator of typical images', async () => {
    const [pixels] = (await judge({ reconstruct: toMeanTypical })).spaces;
    expect(pixels?.discriminator.synthetic.looksForeign.count).toBe(0);
    expect(pixels?.discriminator.missed.count).toBe(0);
    expect(pixels?.nearestSynthetic.foreign.pValue).toBeGreaterThan(0.01);
    expect(pixels?.membershipByDistance.foreign.auc.low).toBeLessThan(0.5);
    expect(pixels?.membershipByDistance.foreign.auc.high).toBeGreaterThan(0.5);
  });

  it('sees members whose reconstructions are better than those of images held out', async () => {
    const known = new Set(GROUPS.members);
    const reconstruct = async (images: Float32Array) =>
      images.map((value) => (known.has(value) ? value : value + 0.01));
    const { reconstructionError, membershipByReconstruction } = await judge({ reconstruct });
    expect(reconstructionError.gain.foreign.estimate).toBeCloseTo(12 * 0.0001, 5);
    expect(membershipByReconstruction.foreign.advantage.estimate).toBe(1);
    expect(membershipByReconstruction.typical.advantage.low).toBeLessThan(0);
  });

  it('measures again in the space of features, the same for the same key, as plain JSON', async () => {
    const sums = async (images: Float32Array) =>
      Float32Array.from({ length: images.length / 6 }, (_, i) =>
        images.subarray(6 * i, 6 * i + 6).reduce((sum, value) => sum + value, 0),
      ); // [N, 2]: light in each half
    const features = { name: 'halves', size: 2, features: sums };
    const first = await judge({ features });
    expect(first.spaces.map(({ space }) => space)).toEqual(['pixels', 'normalised pixels', 'halves']);
    expect(first.spaces[2]?.reproduction.members.reproduced.share).toBe(1);
    expect(JSON.parse(JSON.stringify(await judge({ features })))).toEqual(first);
  });

  it('refuses groups too small to be compared', async () => {
    await expect(judge({ heldOut: draw('one', 1, 'foreign') })).rejects.toThrow(/two or more whole images/);
  });
});
