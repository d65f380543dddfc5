// What is claimed about the privacy of each silo, and plainly where nothing is.

import type { GaussianPrivacy } from '../exchange/privacy-statement-schema.ts';
import type { SiloSummary } from '../experiments/summary.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { strategiesOf, summariesOf } from './group-metrics.ts';
import { lipschitzTable } from './lipschitz-table.ts';
import type { Block, Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { leavesOf } from './spec-leaves.ts';
import { strategyLabel } from './strategy-label.ts';
import { type Cell, left, right, type Table, withoutEmptyColumns } from './table.ts';

export function privacySection(groups: readonly RunGroup[]): Section {
  const claims = groups.flatMap(claimsOf);
  const open = claims.filter(({ privacy }) => privacy.guarantee === 'none').length;
  const statement =
    open === 0
      ? 'Every silo has the guarantee that its row states, and no other.'
      : open === claims.length
        ? 'There is NO privacy guarantee for any silo in these runs.'
        : `There is NO privacy guarantee for ${open} of ${claims.length} silos, each counted in every experiment and strategy; the others have what their rows state.`;
  const slopes = lipschitzTable(groups);
  const blocks: Block[] = [
    { kind: 'list', items: [{ term: 'In short', text: statement, strong: open > 0 }] },
    { kind: 'table', table: privacyTable(claims) },
    ...(slopes ? [{ kind: 'table', table: slopes } as const] : []),
    { kind: 'list', items: statementsOf(claims) },
  ];
  return { id: 'privacy', title: 'Privacy', blocks };
}

// --- internal ---

interface Claim extends SiloSummary {
  readonly experiment: string;
  readonly strategy: string;
}

/** Of every silo in the run of its group that spent most on it. */
function claimsOf(group: RunGroup): readonly Claim[] {
  return strategiesOf(group).flatMap((strategy) => {
    const all = summariesOf(group, strategy).flatMap(({ silos }) => silos);
    return [...new Set(all.map(({ name }) => name))].map((name): Claim => {
      const own = all.filter((silo) => silo.name === name);
      const most = own.reduce((worst, silo) => (spentBy(silo) > spentBy(worst) ? silo : worst));
      return { ...most, experiment: group.label, strategy };
    });
  });
}

/** No claim is no bound. */
function spentBy({ epsilon }: Pick<SiloSummary, 'epsilon'>): number {
  return Number(epsilon ?? Number.POSITIVE_INFINITY);
}

function privacyTable(claims: readonly Claim[]): Table {
  return withoutEmptyColumns({
    id: 'privacy',
    title: 'Privacy of each silo',
    columns: [
      left('experiment'),
      left('strategy'),
      left('silo'),
      left('mechanism'),
      left('guarantee'),
      right('epsilon'),
      right('delta'),
      left('how'),
    ],
    rows: mergedRows(claims),
    notes: [
      'Over all rounds, by the ledger of each silo; of several seeds, the run that spent most. An epsilon holds for one record of one silo.',
    ],
  });
}

/** Silos of which all the same is said share a row. */
function mergedRows(claims: readonly Claim[]): readonly (readonly Cell[])[] {
  const byWords = new Map<
    string,
    { readonly claim: Claim; readonly names: string[]; readonly said: readonly Cell[] }
  >();
  for (const claim of claims) {
    const said = saidOf(claim);
    const key = JSON.stringify([claim.experiment, claim.strategy, said]);
    const same = byWords.get(key);
    if (same) same.names.push(claim.name);
    else byWords.set(key, { claim, names: [claim.name], said });
  }
  return [...byWords.values()].map(({ claim, names, said }) => [
    claim.experiment,
    strategyLabel(claim.strategy),
    names.join(', '),
    ...said,
  ]);
}

function saidOf({ mechanism, epsilon, delta, privacy }: Claim): readonly Cell[] {
  const spent = spentBy({ epsilon });
  return [
    mechanism,
    privacy.guarantee === 'none' ? { text: 'NO guarantee', strong: true } : privacy.guarantee,
    Number.isFinite(spent) ? { text: epsilonWords(spent), value: spent } : 'infinite',
    delta === null ? null : { text: String(delta), value: delta },
    howWords(privacy),
  ];
}

/** In columns of their own, or the same in every statement. */
const NOT_HOW: ReadonlySet<string> = new Set([
  ...['mechanism', 'guarantee', 'epsilon', 'delta', 'text'],
  ...['unit', 'accountant.method', 'sampling.kind'],
]);

/** Bounds are not rounded down. */
const BOUNDS = /^(accountant\.|nominalEpsilon$|lipschitz\.certificate\.bound$)/;

/** Everything else that a statement says, whatever its mechanism. */
function howWords(privacy: SiloSummary['privacy']): Cell {
  const { stages, before, ...others } = { stages: [], before: [], ...privacy };
  const looks = [
    ...(stages.length > 0 ? [`${looksWords(stages.length)}: ${stages.map(stageWords).join(', ')}`] : []),
    ...(before.length > 0
      ? [`before the first step ${looksWords(before.length)}: ${before.map(stageWords).join(', ')}`]
      : []),
  ];
  const facts = [...leavesOf(others)].flatMap(([path, value]) => {
    if (NOT_HOW.has(path) || value === null || path.includes('.perLayer')) return [];
    const name = path
      .replaceAll('.', ' ')
      .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
    if (typeof value !== 'number') return [`${name} ${value}`];
    return [`${name} ${BOUNDS.test(path) ? epsilonWords(value) : Number(value.toPrecision(4))}`];
  });
  const all = [...looks, ...(facts.length > 0 ? [facts.join(', ')] : [])];
  return all.length === 0 ? null : all.join('; ');
}

function looksWords(count: number): string {
  return count === 1 ? 'one look at the records' : `${count} looks at the records`;
}

/** One look of a closed form: what the mechanism adds, and to what records are clipped. */
function stageWords({ name, noiseMultiplier, clipNorm }: GaussianPrivacy['stages'][number]): string {
  return `${name.replaceAll('-', ' ')} (noise ${Number(noiseMultiplier.toPrecision(4))}, clip norm ${Number(clipNorm.toPrecision(4))})`;
}

/** Every statement once, with the silos that make it. */
function statementsOf(claims: readonly Claim[]): readonly { term: string; text: string; strong: boolean }[] {
  const byText = new Map<string, Claim[]>();
  for (const claim of claims) byText.set(claim.privacyText, [...(byText.get(claim.privacyText) ?? []), claim]);
  return [...byText].map(([text, own]) => {
    const experiments = [...new Set(own.map(({ experiment }) => experiment))];
    const silos = [...new Set(own.map(({ name }) => name))];
    return {
      term: `${experiments.join('; ')}: ${silos.join(', ')}`,
      text,
      strong: own.some(({ privacy }) => privacy.guarantee === 'none'),
    };
  });
}
