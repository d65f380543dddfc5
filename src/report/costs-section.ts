// What the runs cost: seconds of each phase, and bytes that left each silo.

import { sharesSilos } from '../experiments/spec.ts';
import { strategiesOf, summariesOf } from './group-metrics.ts';
import { formatBytes, formatSeconds } from './format.ts';
import type { Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { spreadOf } from './spread.ts';
import { strategyLabel } from './strategy-label.ts';
import { type Cell, left, numberCell, right, type Table } from './table.ts';

export function costsSection(groups: readonly RunGroup[]): Section {
  return {
    id: 'costs',
    title: 'Time and traffic',
    blocks: [
      { kind: 'table', table: timeTable(groups) },
      { kind: 'table', table: trafficTable(groups) },
      { kind: 'data', table: uploadTable(groups) },
    ],
  };
}

/** Seconds of each phase, over seeds. */
export function timeTable(groups: readonly RunGroup[]): Table {
  const rows = groups.flatMap((group) =>
    strategiesOf(group).map((strategy): Cell[] => {
      const all = summariesOf(group, strategy);
      const seconds = PHASES.map((phase): Cell => {
        const spread = spreadOf(all.map(({ secondsPerStage }) => secondsPerStage[phase]));
        if (spread === null) return null;
        const deviation = spread.sd === null ? '' : ` ± ${formatSeconds(spread.sd)}`;
        return { text: `${formatSeconds(spread.mean)}${deviation}`, value: spread.mean, sd: spread.sd };
      });
      return [group.label, strategyLabel(strategy), numberCell(all.length), ...seconds];
    }),
  );
  const machines = groups.flatMap(({ runs }) => runs.map(({ summary }) => machineWords(summary.machine)));
  return {
    id: 'time',
    title: 'Time of each phase',
    columns: [
      left('experiment'),
      left('strategy'),
      right('runs'),
      ...['silos', 'server', 'evaluation', 'all rounds'].map(right),
    ],
    rows,
    notes: [
      `On ${[...new Set(machines)].join('; ')}. Other work on a machine makes it slower.`,
      ...(groups.some(({ runs }) => runs.some(({ spec }) => sharesSilos(spec)))
        ? [
            `Played together, ${strategyLabel('local-only')} is read off ${strategyLabel('align')}'s silos: their training is counted there alone.`,
          ]
        : []),
    ],
  };
}

/** Words for where a run was finished. */
export function machineWords(machine: RunGroup['runs'][0]['summary']['machine']): string {
  const { platform, cores, node, executor, device } = machine;
  return `${platform}, ${cores} ${cores === 1 ? 'core' : 'cores'}, Node ${node}, ${executor} on ${device}`;
}

// --- internal ---

const PHASES = ['silos', 'server', 'evaluation', 'total'] as const;

/** What left each silo, of the first run of each group: seeds change no size. */
function trafficTable(groups: readonly RunGroup[]): Table {
  const isCentralised = groups.some((group) => strategiesOf(group).includes('centralised'));
  return {
    id: 'traffic',
    title: 'What left the silos',
    columns: [left('experiment'), left('strategy'), left('silo'), right('each round'), right('in all')],
    rows: firstRuns(groups).flatMap(({ group, strategy, silos }) =>
      silos.map(({ name, uploadBytes }): Cell[] => [
        group.label,
        strategyLabel(strategy),
        name,
        bytesEachRound(uploadBytes.perRound),
        numberCell(uploadBytes.total, formatBytes(uploadBytes.total)),
      ]),
    ),
    notes: [
      `Decoders as ONNX files under ALIGN-FL, weights of whole models where those are averaged${isCentralised ? `; ${strategyLabel('centralised')}, the images themselves, once` : ''}.`,
    ],
  };
}

function uploadTable(groups: readonly RunGroup[]): Table {
  return {
    id: 'uploads',
    title: 'Bytes that left each silo in each round',
    columns: [left('run folder'), left('strategy'), left('silo'), right('round'), right('bytes')],
    rows: groups.flatMap(({ runs }) =>
      runs.flatMap(({ root, summary }) =>
        summary.strategies.flatMap(({ strategy, silos }) =>
          silos.flatMap(({ name, uploadBytes }) =>
            uploadBytes.perRound.map((bytes, i): Cell[] => [
              root,
              strategy,
              name,
              numberCell(i + 1),
              numberCell(bytes),
            ]),
          ),
        ),
      ),
    ),
    notes: [],
  };
}

function firstRuns(groups: readonly RunGroup[]) {
  return groups.flatMap((group) =>
    strategiesOf(group).flatMap((strategy) => {
      const [first] = summariesOf(group, strategy);
      return first ? [{ group, strategy, silos: first.silos }] : [];
    }),
  );
}

/** `2.27 MB × 10`, or every size where they differ. */
function bytesEachRound(sizes: readonly number[]): string {
  const [first] = sizes;
  if (first === undefined) return '–';
  if (sizes.every((size) => size === first)) return `${formatBytes(first)} × ${sizes.length}`;
  return sizes.map((size) => formatBytes(size)).join(', ');
}
