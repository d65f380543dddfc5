// The pictures that runs left: what decoders dream, what the global model dreams, and whatever else they drew.

import { basename } from 'node:path';
import { type Block, type CaptionedPicture, type Section, foldsAway } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { readPicture, type RunRecord } from './run-record.ts';
import { strategyLabel } from './strategy-label.ts';

/** Pictures of the first run of each group that has any. Null where none has. */
export async function picturesSection(groups: readonly RunGroup[]): Promise<Section | null> {
  const blocks: Block[] = [];
  for (const group of groups) {
    const run = group.runs.find(({ pictures }) => pictures.length > 0);
    if (!run) continue;
    const names = [...run.pictures].sort((a, b) => Number(isOfSilo(a)) - Number(isOfSilo(b)));
    const read = await Promise.all(names.map((name) => readPicture(run.root, name)));
    const pictures = read.flatMap((picture): CaptionedPicture[] =>
      picture ? [{ ...picture, caption: captionOf(picture.name, run) }] : [],
    );
    const heading = `${groups.length === 1 ? 'Seed' : `${group.label}, seed`} ${run.summary.seed}`;
    if (pictures.length > 0) blocks.push({ kind: 'pictures', heading, folded: foldsAway(groups.length), pictures });
  }
  return blocks.length === 0 ? null : { id: 'pictures', title: 'Pictures', blocks };
}

// --- internal ---

/** Global models come first. */
function isOfSilo(fileName: string): boolean {
  return fileName.startsWith('decoder-');
}

function captionOf(fileName: string, { outliers }: RunRecord): string {
  const figure = outliers?.figure;
  if (figure && basename(figure.file) === fileName)
    return `Foreign images; rows from the top: ${figure.rows.join(', ')}`;
  const name = fileName.replace(/\.png$/i, '');
  const [, kind, of = ''] = /^(decoder|global|reconstructions?)-(.+)$/.exec(name) ?? [];
  if (kind === 'decoder') return `Synthetic images from the decoder of ${of}, last round`;
  if (kind === 'global') return `Images that the global model makes of random codes, ${strategyLabel(of)}`;
  if (kind !== undefined) return `Test images and their reconstructions, ${strategyLabel(of)}`;
  const words = name.replaceAll('-', ' ');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}
