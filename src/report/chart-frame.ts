// What charts have in common: the frame with its scales, grid, numbers and legend. Sizes are in units of the view box,
// which are pixels on a phone: 360 fit its width.

import { type Markup, markup } from './markup.ts';
import { niceTicks } from './nice-ticks.ts';

/** Width of every chart. */
export const CHART_WIDTH = 360;

export interface Axis {
  readonly label: string;
  readonly format: (value: number) => string;
  /** No fractions among its marks. */
  readonly whole?: boolean;
  /** Values cannot be below or above; bands and paddings end there. */
  readonly limits?: { readonly low: number; readonly high: number };
}

export interface Range {
  readonly low: number;
  readonly high: number;
}

export interface Tick {
  readonly at: number;
  readonly text: string;
}

export interface Frame {
  readonly plot: { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number };
  /** View box coordinates of a value. */
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

export interface LegendEntry {
  readonly label: string;
  /** 16 units wide, drawn around its own middle at the origin. */
  readonly swatch: Markup;
}

/** The smallest range that holds all `values`; 0 to 1 where there are none. */
export function rangeOf(values: readonly number[]): Range {
  if (values.length === 0) return { low: 0, high: 1 };
  return values.reduce<Range>(({ low, high }, value) => ({ low: Math.min(low, value), high: Math.max(high, value) }), {
    low: Number.POSITIVE_INFINITY,
    high: Number.NEGATIVE_INFINITY,
  });
}

/** Marks of a vertical axis around `range`, within the axis' limits. */
export function verticalTicks(axis: Axis, range: Range): readonly Tick[] {
  const { low, high } = axis.limits ?? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const clamped = { low: Math.max(low, range.low), high: Math.min(high, range.high) };
  const ticks = niceTicks(clamped.low <= clamped.high ? clamped : range, { target: 4, whole: axis.whole ?? false });
  const allowed = ticks.filter((tick) => tick >= low && tick <= high);
  return named(allowed.length >= 2 ? allowed : ticks, axis);
}

/** Marks within `range`. */
export function innerTicks(axis: Axis, range: Range): readonly Tick[] {
  if (range.low === range.high) return named([range.low], axis);
  const ticks = niceTicks(range, { target: 6, whole: axis.whole ?? false });
  return named(
    ticks.filter((at) => at >= range.low && at <= range.high),
    axis,
  );
}

/** The frame of a plot `height` high. */
export function frameOf(options: {
  readonly xRange: Range;
  readonly yRange: Range;
  readonly yTicks: readonly Tick[];
  readonly height: number;
}): Frame {
  const { xRange, yRange, yTicks, height } = options;
  const widest = Math.max(...yTicks.map(({ text }) => textWidth(text)));
  const plot = { left: Math.ceil(widest) + 8, right: CHART_WIDTH - 12, top: 24, bottom: 24 + height };
  return {
    plot,
    x: scale(xRange, { low: plot.left + 6, high: plot.right - 6 }),
    y: scale(yRange, { low: plot.bottom, high: plot.top }),
  };
}

/** Grid lines, numbers and labels of both axes. */
export function axesMarkup(
  { plot, x, y }: Frame,
  axes: { readonly x: Axis; readonly y: Axis; readonly xTicks: readonly Tick[]; readonly yTicks: readonly Tick[] },
): Markup {
  const rows = axes.yTicks.map(
    ({ at, text }) =>
      markup`<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${short(y(at))}" y2="${short(y(at))}"/><text class="soft" text-anchor="end" x="${plot.left - 5}" y="${short(y(at) + 4)}">${text}</text>`,
  );
  const columns = axes.xTicks.map(
    ({ at, text }) =>
      markup`<line class="axis" x1="${short(x(at))}" x2="${short(x(at))}" y1="${plot.bottom}" y2="${plot.bottom + 4}"/><text class="soft" text-anchor="middle" x="${short(x(at))}" y="${plot.bottom + 16}">${text}</text>`,
  );
  return markup`${rows}<line class="axis" x1="${plot.left}" x2="${plot.right}" y1="${plot.bottom}" y2="${plot.bottom}"/>${columns}
<text x="${plot.left - 5}" y="13">${fitted(axes.y.label, CHART_WIDTH - plot.left)}</text><text text-anchor="end" x="${plot.right}" y="${plot.bottom + 31}">${fitted(axes.x.label, plot.right)}</text>`;
}

/** Entries from `top` downwards, in two columns where they are short, in several lines where they are long; and their height. */
export function legendMarkup(
  entries: readonly LegendEntry[],
  top: number,
): { readonly markup: Markup; readonly height: number } {
  const columns = entries.every(({ label }) => textWidth(label) < CHART_WIDTH / 2 - 36) ? 2 : 1;
  const width = (CHART_WIDTH - 8) / columns;
  let row = 0;
  const drawn = entries.map(({ label, swatch }, i) => {
    const left = 8 + (i % columns) * width;
    const y = top + 8 + row * LEGEND_ROW;
    const lines = wrapped(label, width - 24);
    if (columns === 1) row += lines.length;
    else row = Math.floor((i + 1) / columns);
    const words = lines.map((line, l) => markup`<tspan x="${left + 22}" y="${y + 4 + l * LEGEND_ROW}">${line}</tspan>`);
    return markup`<g transform="translate(${left + 8} ${y})">${swatch}</g><text>${words}</text>`;
  });
  return { markup: markup`${drawn}`, height: Math.max(row, Math.ceil(entries.length / columns)) * LEGEND_ROW };
}

/** The svg element around a chart. `id` must be one of its own in the page. */
export function chartMarkup(options: {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly height: number;
  readonly content: Markup;
}): Markup {
  const { id, title, description, height, content } = options;
  return markup`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${CHART_WIDTH} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc"><title id="${id}-title">${title}</title><desc id="${id}-desc">${description}</desc>${content}</svg>`;
}

/** A coordinate in as few letters as a picture needs. */
export function short(value: number): number {
  return Math.round(value * 10) / 10;
}

// --- internal ---

const LEGEND_ROW = 16;

/** Of one entry, at most. */
const LEGEND_LINES = 4;

/** Ticks with the fewest digits that tell them apart: zeros that all have at their end are left out. */
function named(ticks: readonly number[], { format }: Axis): readonly Tick[] {
  let texts = ticks.map(format);
  while (texts.length > 0 && texts.every((text) => END_OF_FRACTION.test(text))) {
    texts = texts.map((text) => text.replace(END_OF_FRACTION, '$1$2$3'));
  }
  return ticks.map((at, i) => ({ at, text: texts[i] as string }));
}

/** The last zero behind a point, or the point itself. */
const END_OF_FRACTION = /(\.\d*)0(\D*)$|\.(\D*)$/;

/** Of 11 units of type, on average; fonts differ. */
function textWidth(text: string): number {
  return text.length * 6.4;
}

function fitted(text: string, width: number): string {
  const letters = lettersIn(width);
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** `text` in lines of whole words; what is no name any more is cut. */
function wrapped(text: string, width: number): readonly string[] {
  const letters = lettersIn(width);
  const lines = text.split(' ').reduce<string[]>((before, word) => {
    const last = before.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    return last === undefined || longer.length > letters ? [...before, word] : [...before.slice(0, -1), longer];
  }, []);
  const kept = lines.slice(0, LEGEND_LINES);
  if (lines.length > kept.length) kept.push(`${kept.pop() as string}…`);
  return kept.map((line) => fitted(line, width));
}

function lettersIn(width: number): number {
  return Math.max(4, Math.floor(width / 6.3));
}

function scale(from: Range, to: Range): (value: number) => number {
  if (from.low === from.high) return () => (to.low + to.high) / 2;
  return (value) => to.low + ((value - from.low) / (from.high - from.low)) * (to.high - to.low);
}
