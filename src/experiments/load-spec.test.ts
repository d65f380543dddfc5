import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { loadSpec, MAX_SPEC_BYTES } from './load-spec.ts';
import { parseSpec } from './parse-spec.ts';
import { findPreset, presets } from './presets.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-spec-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const yaml = `# a spec
name: mine
data:
  source: { kind: drawn-digits }
  partition: { kind: iid }
silos:
  - name: a
  - name: b
privacy: { mechanism: none }
`;

describe('loadSpec', () => {
  it('takes a preset by name', async () => {
    expect(await loadSpec('quickstart')).toEqual(parseSpec(findPreset('quickstart')?.spec));
  });

  it('takes YAML and JSON files, tabs and $schema included', async () => {
    const fromYaml = await loadSpec(await file('a.yaml', yaml));
    const { name: _, ...rest } = fromYaml;
    expect(fromYaml.silos).toHaveLength(2);
    const json = JSON.stringify({ $schema: './spec.schema.json', ...fromYaml }, null, '\t');
    expect(await loadSpec(await file('a.json', json))).toEqual(fromYaml);
    expect(await loadSpec(await file('from-file.json', JSON.stringify(rest)))).toEqual({
      ...fromYaml,
      name: 'from-file',
    });
    expect(await loadSpec(await file('bom.yml', `\ufeff${yaml}`))).toEqual(fromYaml);
  });

  it('lays a file over the preset that it extends, and calls it after the file', async () => {
    const path = await file('deeper.yaml', 'extends: paper-mnist\nmodel: { latent: 4 }\nserver:\n  images: 1000\n');
    const paper = parseSpec(findPreset('paper-mnist')?.spec);
    expect(await loadSpec(path)).toEqual({
      ...paper,
      name: 'deeper',
      model: { ...paper.model, latent: 4 },
      server: { ...paper.server, images: 1000 },
    });
  });

  it('applies overrides last', async () => {
    const path = await file('seeded.yaml', 'extends: quickstart\nseed: 1\nrounds: 2\n');
    const { latent } = (await loadSpec('quickstart')).model;
    expect(await loadSpec(path, ['seed=5', 'model.kind=conv'])).toMatchObject({
      seed: 5,
      rounds: 2,
      model: { kind: 'conv', latent },
    });
  });

  it('lets an override mend what the file lacks', async () => {
    const path = await file('open.yaml', yaml.replace(/privacy.*\n/, ''));
    await expect(loadSpec(path)).rejects.toThrow(/privacy: missing/);
    expect((await loadSpec(path, ['privacy.mechanism=none'])).privacy).toEqual({ mechanism: 'none' });
  });

  it('says in which line a problem is, unless an override made it', async () => {
    const path = await file(
      'wrong.yaml',
      yaml.replace('kind: iid', 'kind: iid, alpa: 1').replace('name: b', 'name: B'),
    );
    await expect(loadSpec(path)).rejects.toThrow(`wrong.yaml has 2 problems:`);
    await expect(loadSpec(path)).rejects.toThrow(/data\.partition\.alpa: unknown key.*wrong\.yaml:5:27\)/);
    await expect(loadSpec(path)).rejects.toThrow(/silos\.1\.name: .*wrong\.yaml:8:5\)/);
    await expect(loadSpec(path, ['silos.1.name=C'])).rejects.toThrow(/silos\.1\.name: .*'C' \(from --set\)/);
    await expect(loadSpec('quickstart', ['rounds=0'])).rejects.toThrow(
      /Preset quickstart has a problem:\n {2}rounds: .*\(from --set\)/,
    );
  });

  it('names presets for an unknown one, the nearest first of all', async () => {
    await expect(loadSpec('quikstart')).rejects.toThrow(/no preset "quikstart"; did you mean "quickstart"\?/);
    await expect(loadSpec('zzz')).rejects.toThrow(
      presets()
        .map(({ name }) => name)
        .join(', '),
    );
    await expect(loadSpec('zzz')).rejects.toThrow(SpecError);
    const path = await file('based.yaml', 'name: x\nextends: paper-mnst\n');
    await expect(loadSpec(path)).rejects.toThrow(/extends: .*did you mean "paper-mnist"\? \(.*based\.yaml:2:1\)/);
    await expect(loadSpec(await file('list.yaml', 'extends: [quickstart]'))).rejects.toThrow(
      /extends: expected the name/,
    );
  });

  it('says that a file is not there', async () => {
    await expect(loadSpec(join(folder, 'none.yaml'))).rejects.toThrow(/no such file\. Presets are quickstart/);
    await expect(loadSpec(`${folder}/`)).rejects.toThrow(SpecError);
  });
});

describe('what a spec file must not do', () => {
  it.each([
    ['unclosed brackets', 'name: x\nsilos: [a, b\n', /bad\.yaml:\d+:\d+: /],
    ['a key twice', 'name: x\nname: y\n', /bad\.yaml:2:1: Map keys must be unique/],
    ['two documents', 'name: x\n---\nname: y\n', /bad\.yaml:2:1/],
    ['an unknown tag', 'name: !!python/object x\n', /Unresolved tag/],
    ['an alias of nothing', 'name: *nope\n', /Unresolved alias/],
    ['nothing inside', '', /expected an object with keys.*got null/],
    ['a list', '- a\n- b\n', /expected an object with keys/],
    ['itself inside itself', 'name: x\nsilos: &s [*s]\n', SpecError],
    ['brackets five thousand deep', `name: ${'['.repeat(5000)}`, SpecError],
    ['a billion laughs', laughs(), /alias/],
  ])('refuses %s', async (_, content, expected) => {
    const path = await file('bad.yaml', content);
    await expect(loadSpec(path)).rejects.toThrow(expected);
    await expect(loadSpec(path)).rejects.toThrow(SpecError);
  });

  it('follows a few aliases', async () => {
    const model = 'model: &m { kind: mlp, hidden: [8], latent: 2 }\n';
    const path = await file(
      'alias.yaml',
      yaml.replace('- name: a', '- name: a\n    model: *m').replace('silos:', `${model}silos:`),
    );
    expect((await loadSpec(path)).silos[0]?.model).toEqual({ kind: 'mlp', hidden: [8], latent: 2 });
  });

  it('refuses a file beyond the limit, and bytes that are no text', async () => {
    const large = await file('large.yaml', `${yaml}#${'x'.repeat(MAX_SPEC_BYTES)}`);
    await expect(loadSpec(large)).rejects.toThrow(/at most 1000000 are read/);
    const binary = await file('binary.yaml', Uint8Array.of(0x6e, 0xff, 0xfe));
    await expect(loadSpec(binary)).rejects.toThrow(/no text in UTF-8/);
  });
});

function laughs(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++)
    lines.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  return lines.join('\n');
}
