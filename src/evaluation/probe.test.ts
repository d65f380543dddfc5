// The metric on codes whose answer is known.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import { probeCodes, spreadOf } from './probe.ts';

const key = seedKey('probe');

function labelsOf(count: number, classes: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => i % classes);
}

/** Classes on a circle of radius `distance`, with standard normal noise. */
function circle(labels: Uint8Array, classes: number, distance: number): Float32Array {
  const noise = normals(childKey(key, 'noise', distance), 2 * labels.length);
  return noise.map((value, at) => {
    const angle = (2 * Math.PI * (labels[Math.floor(at / 2)] as number)) / classes;
    return value + distance * (at % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
  });
}

describe('probeCodes', () => {
  it('reads classes that lie far apart without a fault, at the sizes of the paper', () => {
    const labels = labelsOf(10_000, 10);
    const report = probeCodes({ codes: circle(labels, 10, 60), dim: 2, labels, classes: 10, key, seeds: 2 });
    expect(report.paper).toMatchObject({ trainCount: 1600, testCount: 400, splits: 2, unconverged: 0 });
    expect(report.all).toMatchObject({ trainCount: 8000, testCount: 2000, splits: 2, unconverged: 0 });
    expect(report.all.accuracy).toEqual({ mean: 1, std: 0 });
    expect(report.paper?.f1Weighted.mean).toBe(1);
    expect(report.all.recallPerClass).toEqual(Array.from({ length: 10 }, () => 1));
  });

  it('reads two overlapping classes as well as their overlap allows', () => {
    // Means 2 apart, unit noise: the best possible accuracy is Phi(1) = 0.8413.
    const labels = labelsOf(4000, 2);
    const { all } = probeCodes({ codes: circle(labels, 2, 1), dim: 2, labels, classes: 2, key, seeds: 5 });
    expect(Math.abs(all.accuracy.mean - 0.8413)).toBeLessThan(0.02);
    expect(all.accuracy.std).toBeGreaterThan(0);
    expect(all.accuracy.std).toBeLessThan(0.03);
  });

  it('guesses where codes say nothing', () => {
    const labels = labelsOf(1000, 4);
    const { all, paper } = probeCodes({ codes: circle(labels, 4, 0), dim: 2, labels, classes: 4, key, seeds: 4 });
    expect(paper).toMatchObject({ trainCount: 160, testCount: 40 });
    expect(all).toMatchObject({ trainCount: 800, testCount: 200 });
    expect(Math.abs(all.accuracy.mean - 0.25)).toBeLessThan(0.06);
  });

  it('repeats itself under the same key, and not under another', () => {
    const labels = labelsOf(500, 5);
    const options = { codes: circle(labels, 5, 1), dim: 2, labels, classes: 5, seeds: 3 };
    const first = probeCodes({ ...options, key });
    expect(probeCodes({ ...options, key })).toEqual(first);
    expect(probeCodes({ ...options, key: childKey(key, 'other') })).not.toEqual(first);
  });

  it('splits alike whatever the codes: a column of zeros changes nothing', () => {
    const labels = labelsOf(300, 3);
    const codes = circle(labels, 3, 1);
    const wider = Float32Array.from({ length: 900 }, (_, at) => {
      return at % 3 === 2 ? 0 : (codes[2 * Math.floor(at / 3) + (at % 3)] as number);
    });
    const options = { labels, classes: 3, key, seeds: 3 };
    expect(probeCodes({ ...options, codes: wider, dim: 3 })).toEqual(probeCodes({ ...options, codes, dim: 2 }));
  });

  it('can do with fewer splits of all images', () => {
    const labels = labelsOf(100, 2);
    const options = { codes: circle(labels, 2, 1), dim: 2, labels, classes: 2, key };
    const { paper, all } = probeCodes({ ...options, seeds: 3, seedsOnAll: 1 });
    expect([paper?.splits, all.splits]).toEqual([3, 1]);
    expect(all.accuracy.std).toBeNull();
    expect(all.accuracy.mean).toBe(probeCodes({ ...options, seeds: 1 }).all.accuracy.mean);
  });

  it('leaves the fifth out where it is too small to teach all classes', () => {
    const report = (count: number, classes = 10) => {
      const labels = labelsOf(count, classes);
      return probeCodes({ codes: circle(labels, classes, 60), dim: 2, labels, classes, key, seeds: 2 });
    };
    expect(report(65).paper).toMatchObject({ trainCount: 10, testCount: 3 }); // 13 images, 10 for 10 classes
    expect(report(64).paper).toBeNull();
    expect(report(13)).toMatchObject({ paper: null, all: { trainCount: 10, testCount: 3, splits: 2 } });
    expect(report(5, 1)).toMatchObject({ paper: null, all: { accuracy: { mean: 1 }, recallPerClass: [1] } });
  });

  it('says nothing of the recall of a class that no split held out', () => {
    const labels = labelsOf(100, 2); // of four classes
    const { all } = probeCodes({ codes: circle(labels, 2, 60), dim: 2, labels, classes: 4, key, seeds: 2 });
    expect(all.recallPerClass).toEqual([1, 1, null, null]);
  });

  it('counts the fits that did not get to the end', () => {
    const labels = labelsOf(200, 5);
    const options = { codes: circle(labels, 5, 1), dim: 2, labels, classes: 5, key };
    expect(probeCodes({ ...options, seeds: 2, maxIterations: 1 }).all.unconverged).toBe(2);
  });

  it('refuses codes that are not numbers, sizes that do not fit, and no splits', () => {
    const labels = labelsOf(100, 2);
    const codes = circle(labels, 2, 1);
    const options = { dim: 2, labels, classes: 2, key, seeds: 1 };
    expect(() => probeCodes({ ...options, codes: codes.map(() => Number.NaN) })).toThrow(NumericalError);
    expect(() => probeCodes({ ...options, codes: codes.subarray(2) })).toThrow(ShapeError);
    expect(() => probeCodes({ ...options, codes, seeds: 0 })).toThrow(ShapeError);
  });
});

describe('spreadOf', () => {
  it('is the mean and the sample standard deviation', () => {
    expect(spreadOf([1, 2, 3, 6])).toEqual({ mean: 3, std: Math.sqrt(14 / 3) });
    expect(spreadOf([0.5])).toEqual({ mean: 0.5, std: null });
  });
});
