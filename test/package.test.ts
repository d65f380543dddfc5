// The package as a stranger gets it: packed, installed into an empty project, run and imported there.
// Installed without optional packages, so nothing may need onnxruntime-node, or a development tool, just to load.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const REPOSITORY = resolve(import.meta.dirname, '..');
/** Without what an npm around us set for itself, and without colours. */
const ENV = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_'))),
  NO_COLOR: '1',
  FORCE_COLOR: undefined,
};

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

let project = '';
let packed: Packed = { filename: '', size: 0, files: [] };

async function run(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  const shell = process.platform === 'win32'; // npm is a .cmd file there
  const { stdout } = await promisify(execFile)(program, args, { cwd, env: ENV, shell, timeout: 80_000 });
  return stdout;
}

beforeAll(async () => {
  await run(REPOSITORY, process.execPath, 'scripts/set-up.mjs');
  project = mkdtempSync(join(tmpdir(), 'align-fl-installed-'));
  const answer = await run(REPOSITORY, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', project);
  packed = firstPacked(JSON.parse(answer));
  writeFileSync(join(project, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }');
  const quick = ['--prefer-offline', '--no-audit', '--no-fund', '--omit=optional'];
  await run(project, 'npm', 'install', ...quick, `./${packed.filename}`);
}, 60_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** npm answers with a list, or by name, depending on its version. */
function firstPacked(answer: readonly Packed[] | Readonly<Record<string, Packed>>): Packed {
  const [first] = Object.values(answer);
  if (first === undefined) throw new Error('npm pack made nothing');
  return first;
}

test('the package holds what it needs and nothing that it does not', () => {
  const paths = packed.files.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining(['LICENSE', 'README.md', 'bin/align-fl.mjs', 'dist/index.js', 'dist/index.d.ts']),
  );
  expect(paths.filter((path) => /\.test\.|^(src|test|scripts|bench)\/|build-stamp/.test(path))).toEqual([]);
  expect(packed.size).toBeLessThan(2_000_000);
});

test('the command runs in the project', async () => {
  const help = await run(project, 'npx', 'align-fl', '--help');
  expect(help).toMatch(/^Usage: align-fl/m);
  expect(existsSync(join(project, 'node_modules', 'onnxruntime-node'))).toBe(false);
});

test('an experiment runs there, on WebAssembly as ONNX Runtime is absent', async () => {
  const sizes = [
    'data.source.train=100',
    'data.source.test=50',
    'local.batchSize=16',
    'server.batchSize=16',
    'server.images=20',
  ];
  const judged = ['evaluation.controls=false', 'evaluation.probeSplits=1', 'engine.silosAtOnce=1'];
  const small = [
    ...sizes,
    ...judged,
    'rounds=1',
    'local.epochs=1',
    'server.epochs=1',
    'model.hidden=[16]',
    'strategies=[align]',
  ];
  const settings = small.flatMap((setting) => ['--set', setting]);
  const summary: unknown = JSON.parse(
    await run(project, 'npx', 'align-fl', 'run', 'quickstart', '--json', '--out', 'run', ...settings),
  );
  expect(summary).toMatchObject({
    machine: { executor: 'wasm' },
    strategies: [{ strategy: 'align', silos: { length: 5 } }],
  });
  expect(existsSync(join(project, 'run', 'decoders', 'round-1', 'silo-e.onnx'))).toBe(true);
}, 90_000);

test('the public list can be imported, name by name the same as in the sources', async () => {
  const program = "console.log(JSON.stringify(Object.keys(await import('align-fl')).sort()));";
  const names: unknown = JSON.parse(await run(project, process.execPath, '--input-type=module', '-e', program));
  expect(names).toEqual(Object.keys(await import('../src/index.ts')).sort());
});

test('its types serve a strict TypeScript project', async () => {
  writeFileSync(
    join(project, 'use.ts'),
    "import { SpecError } from 'align-fl';\nexport const code: 'SPEC' = new SpecError('wrong').code;\n// @ts-expect-error: types are known, not any\nexport const wrong: number = new SpecError('wrong').code;\n",
  );
  const tsc = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');
  const strict = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    '',
    '--skipLibCheck',
    'use.ts',
  ];
  await expect(run(project, process.execPath, tsc, ...strict)).resolves.toBe('');
});

test('the JSON schema of the spec is where the package says', async () => {
  const program = "console.log(import.meta.resolve('align-fl/spec.schema.json'));";
  const url = (await run(project, process.execPath, '--input-type=module', '-e', program)).trim();
  expect(JSON.parse(readFileSync(new URL(url), 'utf8'))).toHaveProperty(
    '$schema',
    expect.stringContaining('json-schema.org'),
  );
});
