// Lines over rounds, epochs or settings, with how far runs of several seeds lie apart.

import {
  type Axis,
  axesMarkup,
  chartMarkup,
  type Frame,
  frameOf,
  innerTicks,
  type LegendEntry,
  legendMarkup,
  rangeOf,
  short,
  verticalTicks,
} from './chart-frame.ts';
import { SERIES_LOOKS } from './chart-style.ts';
import { type Markup, markup } from './markup.ts';

export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  /** Standard deviation over seeds; null for a single one. */
  readonly sd: number | null;
}

export interface ChartSeries {
  readonly label: string;
  /** Ascending in x. */
  readonly points: readonly ChartPoint[];
}

export interface LineChart {
  readonly id: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  /** At most SERIES_LOOKS look different. */
  readonly series: readonly ChartSeries[];
  /** One deviation up and down: a band where points are many and regular, whiskers where each is a run of its own. */
  readonly spread: 'band' | 'whiskers';
  /** Level lines, such as a run without what is varied. */
  readonly references?: readonly { readonly label: string; readonly y: number }[];
  /** Instead of a scale: these values side by side at equal distances. */
  readonly places?: readonly number[];
}

/** The chart as an svg element. */
export function lineChart(chart: LineChart): Markup {
  const { id, title, series, references = [], places } = chart;
  const at = (x: number) => (places ? places.indexOf(x) : x);
  const points = series.flatMap((one) => one.points);
  const xRange = rangeOf(points.map(({ x }) => at(x)));
  const xTicks = places
    ? places.map((value, i) => ({ at: i, text: chart.x.format(value) }))
    : innerTicks(chart.x, xRange);
  const levels = [...points.flatMap(({ y, sd }) => [y - (sd ?? 0), y + (sd ?? 0)]), ...references.map(({ y }) => y)];
  const yTicks = verticalTicks(chart.y, rangeOf(levels));
  const frame = frameOf({ xRange, yRange: rangeOf(yTicks.map((tick) => tick.at)), yTicks, height: PLOT_HEIGHT });
  const drawn: Drawn[] = series.map((one, i) => ({
    look: i % SERIES_LOOKS,
    points: one.points.map((point) => ({ ...point, at: frame.x(at(point.x)), level: frame.y(point.y) })),
    series: one,
  }));
  const entries = [
    ...drawn.map((one): LegendEntry => ({ label: one.series.label, swatch: swatch(one) })),
    ...references.map(
      ({ label }, i): LegendEntry => ({
        label,
        swatch: markup`<line class="reference c${referenceLook(i)}" x1="-8" x2="8" y1="0" y2="0"/>`,
      }),
    ),
  ];
  const legend = legendMarkup(entries, frame.plot.bottom + 40);
  return chartMarkup({
    id,
    title,
    description: descriptionOf(chart),
    height: frame.plot.bottom + 46 + legend.height,
    content: markup`${axesMarkup(frame, { x: chart.x, y: chart.y, xTicks, yTicks })}
${references.map(({ y }, i) => referenceMarkup(frame, y, referenceLook(i)))}${drawn.map((one) => spreadMarkup(one, frame, chart))}${drawn.map((one) => lineMarkup(one, chart))}${legend.markup}`,
  });
}

// --- internal ---

const PLOT_HEIGHT = 180;

/** Beyond this many points, marks would be a thicker line. */
const MAX_MARKS = 24;

const DASHES: readonly (string | null)[] = [null, '6 3', '2 2.5', '9 3 2 3'];

interface Drawn {
  readonly look: number;
  readonly series: ChartSeries;
  /** With their place in the view box. */
  readonly points: readonly (ChartPoint & { readonly at: number; readonly level: number })[];
}

function referenceLook(index: number): number {
  return (SERIES_LOOKS - 1 - index + SERIES_LOOKS) % SERIES_LOOKS;
}

function referenceMarkup({ plot, y }: Frame, level: number, look: number): Markup {
  return markup`<line class="reference c${look}" x1="${plot.left}" x2="${plot.right}" y1="${short(y(level))}" y2="${short(y(level))}"/>`;
}

function spreadMarkup({ look, points }: Drawn, { y }: Frame, chart: LineChart): Markup | null {
  const known = points.filter(({ sd }) => sd !== null);
  const { low, high } = chart.y.limits ?? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const end = (point: ChartPoint, sign: 1 | -1) =>
    short(y(Math.min(high, Math.max(low, point.y + sign * (point.sd ?? 0)))));
  if (known.length === 0) return null;
  if (chart.spread === 'whiskers') {
    const lines = known.map((point) => {
      const [top, bottom, x] = [end(point, 1), end(point, -1), short(point.at)];
      return `M${x} ${top}V${bottom}M${x - 3} ${top}h6M${x - 3} ${bottom}h6`;
    });
    return markup`<path class="whisker c${look}" d="${lines.join('')}"/>`;
  }
  const upper = known.map((point) => `${short(point.at)} ${end(point, 1)}`);
  const lower = known.map((point) => `${short(point.at)} ${end(point, -1)}`).reverse();
  return markup`<path class="band f${look}" d="M${[...upper, ...lower].join('L')}Z"/>`;
}

function lineMarkup({ look, points, series }: Drawn, chart: LineChart): Markup {
  const dashes = DASHES[look % DASHES.length] ?? null;
  const path = points.map(({ at, level }) => `${short(at)} ${short(level)}`).join('L');
  const line = markup`<path class="line c${look}" ${dashes === null ? null : markup`stroke-dasharray="${dashes}" `}d="M${path}"/>`;
  if (points.length > MAX_MARKS) return line;
  const marks = points.map(
    (point) =>
      markup`<g transform="translate(${short(point.at)} ${short(point.level)})"><title>${series.label}, ${pointWords(point, chart)}</title>${markOf(look)}</g>`,
  );
  return markup`${line}${marks}`;
}

/** Circle, square, diamond, triangle: seen where colours are not. */
function markOf(look: number): Markup {
  switch (look % 4) {
    case 0:
      return markup`<circle class="f${look}" r="3"/>`;
    case 1:
      return markup`<rect class="f${look}" x="-2.8" y="-2.8" width="5.6" height="5.6"/>`;
    case 2:
      return markup`<path class="f${look}" d="M0-4 4 0 0 4-4 0Z"/>`;
    default:
      return markup`<path class="f${look}" d="M0-3.8 3.8 3-3.8 3Z"/>`;
  }
}

function swatch({ look, points }: Drawn): Markup {
  const dashes = DASHES[look % DASHES.length] ?? null;
  return markup`<path class="line c${look}" ${dashes === null ? null : markup`stroke-dasharray="${dashes}" `}d="M-8 0H8"/>${points.length > MAX_MARKS ? null : markOf(look)}`;
}

function pointWords({ x, y, sd }: ChartPoint, chart: LineChart): string {
  const deviation = sd === null ? '' : `, deviation ${chart.y.format(sd)}`;
  return `${chart.x.label} ${chart.x.format(x)}: ${chart.y.format(y)}${deviation}`;
}

/** For those who hear the chart instead of seeing it. */
function descriptionOf(chart: LineChart): string {
  const lines = chart.series.flatMap(({ label, points }) => {
    const [first, last] = [points[0], points[points.length - 1]];
    if (!first || !last) return [];
    return [`${label}: ${pointWords(first, chart)}${first === last ? '' : `; to ${pointWords(last, chart)}`}.`];
  });
  const levels = (chart.references ?? []).map(({ label, y }) => `${label}: ${chart.y.format(y)}.`);
  return [`${chart.y.label} by ${chart.x.label}.`, ...lines, ...levels].join(' ');
}
