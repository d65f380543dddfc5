// Charts as the markup they are: what is drawn, what is told to those who do not see it, and that nothing breaks out.

import { describe, expect, it } from 'vitest';
import { tagProblems } from '../../test/markup-checks.ts';
import { standaloneSvg } from './chart-style.ts';
import { lineChart, type LineChart } from './line-chart.ts';
import { scatterChart } from './scatter-chart.ts';

const CHART: LineChart = {
  id: 'rounds-accuracy',
  title: 'accuracy over rounds',
  x: { label: 'round', format: String, whole: true },
  y: { label: 'accuracy', format: (value) => `${(100 * value).toFixed(1)} %`, limits: { low: 0, high: 1 } },
  series: [
    {
      label: 'ALIGN-FL',
      points: [
        { x: 1, y: 0.5, sd: 0.1 },
        { x: 2, y: 0.95, sd: 0.2 },
      ],
    },
    { label: 'FedAvg', points: [{ x: 1, y: 0.25, sd: null }] },
  ],
  spread: 'band',
};

describe('lineChart', () => {
  it('is well-formed, with a title and words for those who do not see it', () => {
    const { markup } = lineChart(CHART);
    expect(tagProblems(markup)).toEqual([]);
    expect(markup).toContain('<title id="rounds-accuracy-title">accuracy over rounds</title>');
    expect(markup).toContain(
      'ALIGN-FL: round 1: 50.0 %, deviation 10.0 %; to round 2: 95.0 %, deviation 20.0 %. FedAvg: round 1: 25.0 %.',
    );
  });

  it('has a line for each series, a band where there are deviations, and no digits that say nothing', () => {
    const { markup } = lineChart(CHART);
    expect(markup.match(/class="line /g)).toHaveLength(4); // two lines and their legend
    expect(markup.match(/class="band f0"/g)).toHaveLength(1);
    expect(markup).toContain('>20 %</text>');
    expect(markup).not.toContain('>20.0 %</text>');
  });

  it('tells lines apart in the legend that are named alike for a long way', () => {
    const name = 'paper-mnist: images 1,000, rounds 5, dp-sgd, epsilon 10, no privacy at all, server threads 1: ';
    const points = [{ x: 1, y: 0.5, sd: null }];
    const series = ['FedAvg', 'FedProx'].map((end) => ({ label: `${name}${end}`, points }));
    const { markup } = lineChart({ ...CHART, series });
    const words = [...markup.matchAll(/<tspan x="30" y="\d+">([^<]*)<\/tspan>/g)].map(([, text]) => text);
    expect(words.join(' ')).toBe(series.map(({ label }) => label).join(' '));
    expect(Math.max(...words.map((text) => text?.length ?? 0))).toBeLessThan(56);
    const heights = [...markup.matchAll(/y="(\d+)">[^<]*<\/tspan>/g)].map(([, y]) => Number(y));
    expect(Number(/viewBox="0 0 360 (\d+)"/.exec(markup)?.[1])).toBeGreaterThan(Math.max(...heights));
  });

  it('cuts bands at what is possible', () => {
    const top = (chart: LineChart) =>
      /class="band f0" d="M[\d.]+ [\d.]+L[\d.]+ ([\d.]+)/.exec(lineChart(chart).markup)?.[1];
    expect(Number(top(CHART))).toBe(24); // the upper end of the plot: 100 %, not 115 %
  });

  it('puts values side by side where a scale would crowd them', () => {
    const at = (places: readonly number[] | undefined) => {
      const points = [0, 0.01, 1].map((x) => ({ x, y: x, sd: null }));
      const chart = { ...CHART, series: [{ label: 'a', points }], ...(places && { places }) };
      return [...lineChart(chart).markup.matchAll(/translate\(([\d.]+) [\d.]+\)"><title>/g)].map(([, x]) => Number(x));
    };
    const [a = 0, b = 0, c = 0] = at([0, 0.01, 1]);
    expect(b - a).toBeCloseTo(c - b, 0);
    const [d = 0, e = 0] = at(undefined);
    expect(e - d).toBeLessThan(5);
  });

  it('draws level lines and names them', () => {
    const { markup } = lineChart({ ...CHART, references: [{ label: 'no privacy', y: 0.8 }] });
    expect(markup.match(/class="reference /g)).toHaveLength(2);
    expect(markup).toContain('no privacy: 80.0 %.');
  });

  it('escapes hostile names, in the page and as a file of its own', () => {
    const series = [{ label: '</svg><script>alert(1)</script>', points: [{ x: 1, y: 0.5, sd: null }] }];
    const svg = lineChart({ ...CHART, series });
    expect(svg.markup).not.toContain('<script');
    expect(tagProblems(standaloneSvg(svg))).toEqual([]);
  });

  it('survives a single point, equal values, and no point at all', () => {
    for (const points of [[], [{ x: 1, y: 0, sd: 0 }], [1, 2].map((x) => ({ x, y: 3, sd: null }))]) {
      expect(lineChart({ ...CHART, series: [{ label: 'a', points }] }).markup).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

describe('scatterChart', () => {
  it('has a cloud and a number for each class', () => {
    const points = { x: [0, 1, 2, 3], y: [0, 1, 0, 1], labels: [7, 7, 3, 3] };
    const { markup } = scatterChart({ id: 's', title: 'codes', xLabel: 'code 1', yLabel: 'code 2', points });
    expect(tagProblems(markup)).toEqual([]);
    expect(markup.match(/class="dots /g)).toHaveLength(2);
    expect(markup).toContain('4 test images by code 1 and code 2, in 2 classes: class 3, 2 images; class 7, 2 images.');
    expect(markup).not.toMatch(/NaN|undefined/);
  });
});
