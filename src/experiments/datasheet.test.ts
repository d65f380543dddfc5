import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { dpStatement, writeMadeUpRun } from '../../test/report-runs.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { lipschitzStatement } from '../exchange/privacy-statement.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { type Datasheet, datasheetSchema, parseDatasheet } from './datasheet.ts';
import { datasheetOf } from './datasheet-of.ts';
import { datasheetText } from './datasheet-text.ts';
import { runLayout } from './run-layout.ts';
import { readSummary } from './summary.ts';

const ROOT = temporaryFolder();
const SHA = 'ab'.repeat(32);
const SHAPE = { channels: 1, height: 2, width: 2 };

async function sheetOf(...statements: readonly PrivacyStatement[]): Promise<Datasheet> {
  await writeMadeUpRun(ROOT);
  const silos = statements.map((_, i) => `silo-${i}`);
  const releases = statements.map(
    (privacy, i): ReceivedRelease => ({
      kind: 'decoder',
      silo: `silo-${i}`,
      round: 2,
      decoder: {
        bytes: async () => new Uint8Array(),
        sha256: SHA,
        sizeBytes: 0,
        latent: 2,
        shape: SHAPE,
        classes: { count: 3, offered: [0, 2] },
      },
      privacy,
    }),
  );
  const count = silos.length;
  const sheet = datasheetOf({
    folder: '/somewhere/mine',
    rounds: 2,
    summary: await readSummary(runLayout(ROOT).summary),
    releases,
    set: {
      shape: SHAPE,
      images: new Uint8Array(4 * count),
      labels: new Uint8Array(count),
      classes: 3,
      silos,
      origins: Uint16Array.from(silos, (_, i) => i),
      shares: silos.map((silo, i) => ({ silo, class: 0, start: i, count: 1 })),
      missing: [1],
    },
    amount: { per: 'class', count },
    format: 'npz',
    seed: 3,
    now: new Date(0),
    files: [{ path: 'synthetic.npz', bytes: 1, sha256: SHA }],
  });
  return parseDatasheet(JSON.parse(JSON.stringify(sheet)), 'datasheet.json');
}

describe('a datasheet', () => {
  test('speaks of a guarantee only where every release claims one', async () => {
    const sheet = await sheetOf(dpStatement(1), dpStatement(8));
    expect(sheet.formalPrivacy).toMatchObject({ everySilo: true, without: [] });
    const page = datasheetText(sheet);
    expect(page).toContain('| silo-1 | dp-sgd | 8');
    expect(page).not.toContain('NO formal privacy');
  });

  test.each([
    ['Lipschitz control', lipschitzStatement({ form: 'paper-penalty', weight: 10 })],
    ['private training without a guarantee', dpStatement(1, 'none')],
  ])('says plainly that %s is no formal privacy, whatever the others claim', async (_, statement) => {
    const sheet = await sheetOf(dpStatement(1), statement);
    expect(sheet.formalPrivacy).toMatchObject({ everySilo: false, without: ['silo-1'] });
    const page = datasheetText(sheet);
    expect(page).toContain('**NO formal privacy: the releases of silo-1 do not claim differential privacy');
    expect(page).toContain(`| silo-1 | ${statement.mechanism}: no formal privacy | infinite | – |`);
  });

  test('keeps what came from outside from becoming markup', async () => {
    const page = datasheetText(
      await sheetOf({ ...dpStatement(1), text: '# Safe\n<img src=x> | [all](http://x) `good`' }),
    );
    expect(page).toContain('- silo-0: "# Safe \\<img src=x\\> \\| \\[all\\](http://x) \\`good\\`"');
  });

  test('names what is missing, and what was measured of what', async () => {
    const page = datasheetText(await sheetOf(dpStatement(1)));
    expect(page).toContain('There is no image of class 1');
    expect(page).toContain("| accuracy of a linear probe on the run's representation | 75.0 % |");
    expect(page).toContain('    align-fl synth mine --per-class 1 --format npz --seed 3\n');
  });

  test('of another version or damaged is refused', async () => {
    const sheet = await sheetOf(dpStatement(1));
    const format = 'align-fl/datasheet@2';
    expect(() => parseDatasheet({ ...sheet, format }, 'd.json')).toThrow(StateError);
    expect(() => parseDatasheet({ ...sheet, extra: 1 }, 'd.json')).toThrow(/extra/);
  });

  test('has no field that docs/synthetic-data.md does not name', () => {
    const text = readFileSync(new URL('../../docs/synthetic-data.md', import.meta.url), 'utf8');
    const named = new Set([...text.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    const { shape } = datasheetSchema;
    const below = ['origin', 'images', 'formalPrivacy', 'utility'] as const;
    const fields = [
      ...Object.keys(shape),
      ...below.flatMap((name) => Object.keys(shape[name].shape)),
      ...Object.keys(shape.labels.unwrap().shape),
      ...[shape.silos, shape.shares, shape.files].flatMap((list) => Object.keys(list.element.shape)),
    ];
    expect(fields.filter((name) => !named.has(name))).toEqual([]);
  });
});
