// Line charts of metrics with their numbers beside them: no more lines in one chart than look different.

import { SERIES_LOOKS } from './chart-style.ts';
import { type ChartSeries, lineChart, type LineChart } from './line-chart.ts';
import { formatMetric, type MetricLabel } from './metric-labels.ts';
import type { Figure } from './report-blocks.ts';
import { type Cell, left, numberCell, right, type Table } from './table.ts';

export interface CountedSeries extends ChartSeries {
  /** As the chart's points, with the number of runs behind each. */
  readonly points: readonly (ChartSeries['points'][number] & { readonly count: number })[];
}

export interface MetricChart extends Omit<LineChart, 'y' | 'series'> {
  readonly caption: string;
  readonly metric: MetricLabel;
  readonly series: readonly CountedSeries[];
}

/** One figure, or several where there are more series than a chart can tell apart. */
export function metricFigures({ caption, metric, series, ...chart }: MetricChart): readonly Figure[] {
  const parts = Math.ceil(series.length / SERIES_LOOKS);
  return Array.from({ length: parts }, (_, part): Figure => {
    const own = series.slice(part * SERIES_LOOKS, (part + 1) * SERIES_LOOKS);
    const id = parts === 1 ? chart.id : `${chart.id}-${part + 1}`;
    const y = {
      label: metric.name,
      format: (value: number) => formatMetric(metric, value),
      ...(metric.kind === 'share' && { limits: { low: 0, high: 1 } }),
    };
    return {
      id,
      caption: parts === 1 ? caption : `${caption} (${part + 1} of ${parts})`,
      svg: lineChart({ ...chart, id, y, series: own }),
      data: { id, title: caption, notes: [], ...numbersOf(own, metric, chart.x.label) },
    };
  });
}

// --- internal ---

function numbersOf(
  series: readonly CountedSeries[],
  metric: MetricLabel,
  xLabel: string,
): Pick<Table, 'columns' | 'rows'> {
  return {
    columns: [left('series'), right(xLabel), right(metric.name), right('runs')],
    rows: series.flatMap(({ label, points }) =>
      points.map(({ x, y, sd, count }): Cell[] => [
        label,
        numberCell(x),
        { text: formatMetric(metric, y), value: y, sd },
        numberCell(count),
      ]),
    ),
  };
}
