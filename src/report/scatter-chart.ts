// Where classes lie in the plane: one dot an image, one colour a class, and the class's number at its middle.

import { axesMarkup, type Axis, chartMarkup, frameOf, innerTicks, rangeOf, short } from './chart-frame.ts';
import { SERIES_LOOKS } from './chart-style.ts';
import { type Markup, markup } from './markup.ts';

export interface ScatterChart {
  readonly id: string;
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** All of the same length. */
  readonly points: { readonly x: readonly number[]; readonly y: readonly number[]; readonly labels: readonly number[] };
}

/** The chart as an svg element. */
export function scatterChart({ id, title, xLabel, yLabel, points }: ScatterChart): Markup {
  const axis = (label: string): Axis => ({ label, format: (value) => String(Number(value.toPrecision(3))) });
  const axes = { x: axis(xLabel), y: axis(yLabel) };
  const xRange = rangeOf(points.x);
  const yRange = rangeOf(points.y);
  const yTicks = innerTicks(axes.y, yRange);
  const frame = frameOf({ xRange, yRange, yTicks, height: PLOT_HEIGHT });
  const classes = [...new Set(points.labels)].sort((a, b) => a - b);
  const clouds = classes.map((label, i) => {
    const rows = points.labels.flatMap((of, row) => (of === label ? [row] : []));
    const place = (row: number) => [frame.x(points.x[row] as number), frame.y(points.y[row] as number)] as const;
    return {
      label,
      rows: rows.length,
      look: i % SERIES_LOOKS,
      dots: rows.map(place).map(([x, y]) => `M${short(x)} ${short(y)}h0`),
      middle: [median(rows.map((row) => place(row)[0])), median(rows.map((row) => place(row)[1]))] as const,
    };
  });
  const content = markup`${axesMarkup(frame, { ...axes, xTicks: innerTicks(axes.x, xRange), yTicks })}
${clouds.map(({ look, dots }) => markup`<path class="dots c${look}" d="${dots.join('')}"/>`)}
${clouds.map(({ look, label, middle: [x, y] }) => markup`<text class="tag" x="${short(x)}" y="${short(y + 4)}"><tspan class="f${look}">${label}</tspan></text>`)}`;
  return chartMarkup({
    id,
    title,
    description: `${points.labels.length} test images by ${xLabel} and ${yLabel}, in ${classes.length} classes: ${clouds.map(({ label, rows }) => `class ${label}, ${rows} images`).join('; ')}.`,
    height: frame.plot.bottom + 36,
    content,
  });
}

// --- internal ---

const PLOT_HEIGHT = 270;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
