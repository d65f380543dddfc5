// `datasheet.md`: the datasheet on one page, for people.

import { statedEpsilon } from '../privacy/event-words.ts';
import { DATASHEET_FILE, type Datasheet, HASH_LIST } from './datasheet.ts';

/** The page. Whatever came from outside (names, statements) is escaped. */
export function datasheetText(sheet: Datasheet): string {
  const { origin, images, labels, silos, formalPrivacy, utility, limits, files, madeAt } = sheet;
  const { channels, height, width } = images;
  return [
    `# Synthetic images from ${escaped(origin.run)}`,
    '',
    `${images.count} ${channels === 1 ? 'grey' : `${channels}-channel`} images of ${height} x ${width} pixels, drawn on ${madeAt.slice(0, 10)} ` +
      `by align-fl ${escaped(sheet.alignFlVersion)} from the decoders of ${silos.length} silo${silos.length === 1 ? '' : 's'}. ` +
      `For programs: \`${DATASHEET_FILE}\`. To check the files: \`sha256sum -c ${HASH_LIST}\`.`,
    '',
    '## Privacy',
    '',
    formalPrivacy.everySilo ? formalPrivacy.text : `**${escaped(formalPrivacy.text)}**`,
    '',
    ...table(
      ['silo', 'mechanism', 'epsilon', 'delta'],
      silos.map(({ name, privacy }) => [
        name,
        privacy.guarantee === 'none' ? `${privacy.mechanism}: no formal privacy` : privacy.mechanism,
        statedEpsilon(privacy.epsilon),
        privacy.delta ?? '–',
      ]),
    ),
    '',
    'As the releases claim it, in their words:',
    '',
    ...statements(silos),
    '',
    '## Origin',
    '',
    `Run \`${origin.run.replaceAll('`', "'")}\` with seed ${origin.seed} on ${escaped(origin.dataSet)}, ${origin.rounds} round${origin.rounds === 1 ? '' : 's'}, align-fl ` +
      `${escaped(origin.alignFlVersion)}, spec ${origin.specHash}. No silo gave images: each gave a decoder.`,
    '',
    ...table(
      ['silo', 'round', 'images', ...(labels ? ['offers classes'] : []), 'SHA-256 of its decoder'],
      silos.map(({ name, round, images: drawn, offers, decoderSha256 }) => [
        name,
        round,
        drawn,
        ...(labels ? [(offers ?? []).join(', ')] : []),
        decoderSha256,
      ]),
    ),
    '',
    'The same set again:',
    '',
    `    ${sheet.command}`,
    '',
    '## What is in it',
    '',
    ...(labels
      ? table(
          ['class', 'images'],
          labels.perClass.map((one) => [one.class, one.count]),
        )
      : ['Images without labels.']),
    '',
    ...(labels && labels.missing.length > 0 ? [`Missing: class ${labels.missing.join(', ')}.`, ''] : []),
    `Rows lie ${labels ? 'class after class, and within a class ' : ''}silo after silo (\`shares\` in \`${DATASHEET_FILE}\`): shuffle before you train. ` +
      `Pixels are bytes, ${images.quantisation} of a decoder's output x in [0, 1].`,
    '',
    ...table(
      ['file', 'bytes', 'SHA-256'],
      files.map(({ path, bytes, sha256 }) => [path, bytes, sha256]),
    ),
    '',
    '## What it is good for',
    '',
    ...(utility.testImages === 0
      ? []
      : [
          ...table(
            [`on ${utility.testImages} real images`, ''],
            accuracies(utility.metrics).map(([name, value]) => [name, `${(100 * value).toFixed(1)} %`]),
          ),
          '',
        ]),
    utility.text,
    '',
    '## What it is not',
    '',
    ...limits.map((limit) => `- ${limit}`),
    '',
    '## Licence',
    '',
    'None is given here. Ask the owners of the images and of the decoders, and write it down before you pass the set on.',
    '',
  ].join('\n');
}

// --- internal ---

/** Each once, behind the silos that make it. */
function statements(silos: Datasheet['silos']): readonly string[] {
  const texts = [...new Set(silos.map(({ privacy }) => privacy.text))];
  return texts.map((text) => {
    const names = silos.filter(({ privacy }) => privacy.text === text).map(({ name }) => name);
    return `- ${names.join(', ')}: "${escaped(text)}"`;
  });
}

/** What each judge of a summary is called; another one stands under its own name. */
const JUDGES: Readonly<Record<string, string>> = {
  classification: 'accuracy of the classifier that the run trained',
  probeFullTest: "accuracy of a linear probe on the run's representation",
  probePaperSplit: "the same on the paper's split",
};

/** Every accuracy among the metrics, as it is or as a mean over splits. */
function accuracies(metrics: Datasheet['utility']['metrics']): readonly (readonly [name: string, value: number])[] {
  return Object.entries(metrics).flatMap(([name, judged]: [string, unknown]) => {
    const accuracy: unknown = judged !== null && typeof judged === 'object' && 'accuracy' in judged && judged.accuracy;
    const value: unknown =
      accuracy !== null && typeof accuracy === 'object' && 'mean' in accuracy ? accuracy.mean : accuracy;
    return typeof value === 'number' ? [[JUDGES[name] ?? name, value] as const] : [];
  });
}

function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): readonly string[] {
  const line = (cells: readonly (string | number)[]) => `| ${cells.map((cell) => escaped(String(cell))).join(' | ')} |`;
  return [line(header), `|${'---|'.repeat(header.length)}`, ...rows.map(line)];
}

/** On one line, with nothing that Markdown or HTML would take for more than text. */
function escaped(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_<>|[\]]/g, '\\$&');
}
