// Documents that lie are worse than none: their links lead somewhere, the files they name exist, and the commands they
// show are commands.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { RANKS } from '../scripts/structure-rules.mjs';
import { classifierSchema } from '../src/experiments/generator-spec.ts';
import { loadSpec } from '../src/experiments/load-spec.ts';
import { parseSpec } from '../src/experiments/parse-spec.ts';
import { generatorOfSilo } from '../src/experiments/spec.ts';
import { said } from './command-line.ts';

const ROOT = resolve(import.meta.dirname, '..');
const DOCUMENTS = ['.', 'docs', 'docs/decisions']
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name)))
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ name: relative(ROOT, path).replaceAll('\\', '/'), path, text: readFileSync(path, 'utf8') }));
const SPECS = mkdtempSync(join(tmpdir(), 'align-fl-docs-'));
afterAll(() => rmSync(SPECS, { recursive: true, force: true }));

describe.each(DOCUMENTS)('$name', ({ path, text }) => {
  test('has no dead relative link', () => {
    const dead = [...proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? path : join(dirname(path), file);
        if (!existsSync(target)) return true;
        return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
      });
    expect(dead).toEqual([]);
  });

  test('names only files that exist', () => {
    const named = [...text.matchAll(/(?<![\w./-])((?:src|test|scripts|bench|docs|bin)\/[\w./-]*)/g)].map(
      (match) => match[1] ?? '',
    );
    const missing = named.map((one) => one.replace(/[.]+$/, '')).filter((one) => !existsSync(join(ROOT, one)));
    expect(missing).toEqual([]);
  });
});

describe('a spec in YAML', () => {
  const blocks = DOCUMENTS.flatMap(({ name, text }) =>
    [...text.matchAll(/^```ya?ml\n([\s\S]*?)^```/gm)].map(
      ([, yaml = ''], i) => [`${name}, block ${i + 1}`, yaml, parse(yaml) as Record<string, unknown>] as const,
    ),
  );
  /** What a fragment leaves out. */
  const rest = {
    name: 'fragment',
    task: 'classify',
    data: { source: { kind: 'mnist' }, partition: { kind: 'iid' } },
    silos: [{ name: 'silo-a' }],
    privacy: { mechanism: 'none' },
  };

  test.each(blocks)('in %s is one, or a part of one', async (_, yaml, value) => {
    const file = join(SPECS, 'spec.yaml');
    writeFileSync(file, yaml);
    if (value['silos']) await expect(loadSpec(file)).resolves.toBeDefined();
    else
      expect(() =>
        parseSpec({ ...rest, ...value, data: { ...rest.data, ...(value['data'] as object | undefined) } }),
      ).not.toThrow();
  });

  test('shows every kind of generator, what silos offer, and the classifier', () => {
    const whole = blocks.map(([, , value]) => value).filter(({ task }) => task === 'classify');
    const specs = whole.map((value) => parseSpec(value));
    const kinds = specs.flatMap((spec) => spec.silos.map((silo) => generatorOfSilo(spec, silo).kind));
    expect(new Set(kinds)).toEqual(new Set(['vae', 'linear-gaussian', 'release']));
    expect(specs.some(({ silos }) => silos.some(({ offers }) => offers !== undefined))).toBe(true);
    const classifiers = whole.flatMap((value) => Object.keys((value['classifier'] as object | undefined) ?? {}));
    expect(new Set(classifiers)).toEqual(new Set(Object.keys(classifierSchema.unwrap().shape)));
  });
});

test('a document that ends in a slash means a folder', () => {
  for (const { text } of DOCUMENTS) {
    for (const [, folder = ''] of text.matchAll(/`((?:src|test|scripts|bench|docs|bin)\/[\w/-]*\/)`/g)) {
      expect(statSync(join(ROOT, folder)).isDirectory(), folder).toBe(true);
    }
  }
});

test('the rooms in ARCHITECTURE.md have the ranks that are enforced', () => {
  const text = DOCUMENTS.find(({ name }) => name === 'ARCHITECTURE.md')?.text ?? '';
  const told = [...text.matchAll(/^\| (\d+) \| `(?:src\/)?([a-z]+)(?:\.ts)?` \|/gm)].map(
    ([, rank, room]) => `${rank} ${room}`,
  );
  const enforced = RANKS.flatMap((rooms, rank) => rooms.map((room) => `${rank} ${room}`));
  expect(new Set(told)).toEqual(new Set(enforced));
});

test('every deviation that the sources mark is listed in the paper map, by file', () => {
  const map = DOCUMENTS.find(({ name }) => name === 'docs/paper-map.md')?.text ?? '';
  const marked = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && readFileSync(join(ROOT, 'src', name), 'utf8').includes('Deviates:'))
    .map((name) => `src/${name.replaceAll('\\', '/')}`);
  expect(marked.filter((name) => !map.includes(name))).toEqual([]);
});

describe('the commands of README.md', () => {
  const readme = DOCUMENTS.find(({ name }) => name === 'README.md')?.text ?? '';
  const commands = [
    ...readme.matchAll(/^(?: {4}|\$ )?((?:npx )?align-fl\b.*|npm .*)$|`((?:npx )?align-fl\b[^`]*|npm [^`]+)`/gm),
  ]
    .map((match) => (match[1] ?? match[2] ?? '').replace(/\s+#.*$/, '').trim())
    .map((command) => command.replace(/^npx /, ''));

  test('include the two that everything starts with', () => {
    expect(commands).toEqual(expect.arrayContaining(['npm start', 'npm test']));
  });

  test('that start with npm are scripts of package.json, or npm itself', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const known = (command: string) => {
      const [, verb = '', name = ''] = command.split(/\s+/);
      return ['install', 'ci', 'pack'].includes(verb) || (verb === 'run' ? name : verb) in scripts;
    };
    expect(commands.filter((command) => command.startsWith('npm ') && !known(command))).toEqual([]);
  });

  test('that start with align-fl are commands with those options', async () => {
    const ours = commands
      .filter((command) => command.startsWith('align-fl '))
      .map((command) => command.split(/\s+/).slice(1));
    expect(ours.length).toBeGreaterThan(0);
    const names = new Set(ours.map(([first = '']) => first).filter((first) => /^[a-z]/.test(first)));
    const known = new Map<string, string>();
    for (const name of names) {
      // Of a group of commands, such as server, also the help of those that are shown.
      const shown = ours.flatMap(([first, second = '']) => (first === name && /^[a-z]+$/.test(second) ? [second] : []));
      const help = await helpOf(name);
      const inner = [...new Set(shown)].filter((second) => new RegExp(`^  ${second}\\b`, 'm').test(help));
      const helps = [help];
      for (const second of inner) helps.push(await helpOf(name, second));
      known.set(name, helps.join('\n'));
    }
    const top = await helpOf();
    const wrong = ours.filter(([name = '', ...rest]) => {
      const help = name.startsWith('-') ? top : (known.get(name) ?? '');
      const options = [name, ...rest].flatMap((word) => /^\[?(--[a-z-]+)/.exec(word)?.[1] ?? []);
      const isCommand = name.startsWith('-') || new RegExp(`^ +${name}\\b`, 'm').test(top);
      return !isCommand || options.some((option) => !new RegExp(`${option}\\b`).test(help));
    });
    expect(wrong.map((words) => words.join(' '))).toEqual([]);
  });
});

/** What `align-fl [name] --help` prints. */
async function helpOf(...name: readonly string[]): Promise<string> {
  vi.stubEnv('NO_COLOR', '1');
  const { code, stdout } = await said(...name, '--help');
  expect(code, name.join(' ')).toBe(0);
  return stdout;
}

/** Without code blocks, whose brackets are no links. */
function proseOf(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

/** The anchors of headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}
