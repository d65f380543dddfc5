// An experiment with fewer or more silos than its spec names: which stay, which are new, and who has which classes then.

import { SpecError } from '../errors.ts';
import { counted } from '../experiments/counted.ts';
import { draftPartition } from '../experiments/draft-spec.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import type { PartitionSpec, Spec } from '../experiments/spec.ts';

/** A spec, and what a person should know of how it differs from the one that they named. Sentences. */
export interface ChangedSilos {
  readonly spec: Spec;
  readonly notes: readonly string[];
}

/**
 * `spec` with `count` silos (1 or more; null: as many as it has): its first ones as they are, and plain ones beyond. Lists of classes are made
 * anew, of the classes that the spec deals; any other partition stays. Throws SpecError where silos would be left without a
 * class, or the spec names a silo that is left out.
 */
export function withSilos(spec: Spec, count: number | null): ChangedSilos {
  const { silos } = spec;
  const { partition } = spec.data;
  if (count === null || count === silos.length) return { spec, notes: [] };
  const kept = silos.slice(0, count);
  const added = newNames(
    silos.map(({ name }) => name),
    count - kept.length,
  );
  const dealt = partitionFor(partition, count);
  const changed = parseSpec(
    { ...spec, silos: [...kept, ...added.map((name) => ({ name }))], data: { ...spec.data, partition: dealt } },
    { source: `The spec with --silos ${count}` },
  );
  const leftOut = silos.slice(count).map(({ name }) => name);
  const notes = [
    leftOut.length > 0
      ? `${count} of the ${counted(silos.length, 'silo')} of ${spec.name} take part; ${listed(leftOut)} ${leftOut.length === 1 ? 'is' : 'are'} left out.`
      : `${listed(added)} ${added.length === 1 ? 'joins' : 'join'} the ${counted(silos.length, 'silo')} of ${spec.name}.`,
    ...(dealt === partition ? [] : [`The classes are dealt anew: ${classesText(changed)}.`]),
  ];
  return { spec: changed, notes };
}

// --- internal ---

function partitionFor(partition: PartitionSpec, count: number): PartitionSpec {
  if (partition.kind !== 'class-disjoint') return partition;
  const present = partition.classes.flat().toSorted((a, b) => a - b);
  if (count > present.length) {
    throw new SpecError(
      `--silos: expected at most ${present.length}, one for each class that the spec deals, got ${count}. Take fewer, or ` +
        'another partition, such as --set data.partition={kind: iid}.',
      { path: '--silos' },
    );
  }
  const dealt = draftPartition(count, present);
  return dealt.kind === 'class-disjoint' ? { ...partition, ...dealt } : { ...partition, classes: [present] };
}

/** As the silos of presets are called: `silo-f`, `silo-g`; beyond the alphabet by number. */
function newNames(taken: readonly string[], count: number): readonly string[] {
  const names: string[] = [];
  for (let i = taken.length; names.length < count; i++) {
    const name = `silo-${i < LETTERS.length ? LETTERS[i] : i + 1}`;
    if (!taken.includes(name)) names.push(name);
  }
  return names;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

function classesText({ silos, data: { partition } }: Spec): string {
  if (partition.kind !== 'class-disjoint') return '';
  return silos.map(({ name }, i) => `${name} has ${partition.classes[i]?.join(' ')}`).join(', ');
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}
