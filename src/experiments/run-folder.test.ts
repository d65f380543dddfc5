import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpecError, StateError } from '../errors.ts';
import { parseSpec } from './parse-spec.ts';
import { findPreset } from './presets.ts';
import { closeRunFolder, commandToFinish, openRunFolder, resumeRunFolder } from './run-folder.ts';
import { defaultRunFolder, runLayout } from './run-layout.ts';
import { specHash } from './spec-identity.ts';

const spec = parseSpec(findPreset('quickstart')?.spec);
const PART = '.a.onnx.01234567-89ab-cdef-0123-456789abcdef.part';
let parent: string;
let path: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'align-fl-run-'));
  path = join(parent, 'runs', 'quick');
});
afterEach(async () => {
  await rm(parent, { recursive: true, force: true });
});

/** Opens and closes; tells the state. */
async function visit(asked = spec): Promise<string> {
  const folder = await openRunFolder({ path, spec: asked });
  await closeRunFolder(folder);
  return folder.state;
}

describe('openRunFolder', () => {
  it('makes a folder whose spec.json is the complete spec', async () => {
    const folder = await openRunFolder({ path, spec });
    expect(folder).toMatchObject({ root: path, state: 'new', spec, specHash: specHash(spec) });
    expect(await readFile(join(path, 'spec.json'), 'utf8')).toBe(`${JSON.stringify(spec, null, 2)}\n`);
    expect(await readdir(path)).toEqual([expect.stringMatching(/^lock-.*\.json$/), 'spec.json']);
    await closeRunFolder(folder);
    expect(await readdir(path)).toEqual(['spec.json']);
  });

  it('is new, then begun, then complete, for the same spec', async () => {
    expect(await visit()).toBe('new');
    await mkdir(join(path, 'silos'));
    expect(await visit()).toBe('begun');
    await writeFile(join(path, 'summary.json'), '{}');
    expect(await visit()).toBe('complete');
  });

  it('takes another spec as long as nothing was trained: the first one was refused', async () => {
    await visit();
    await writeFile(join(path, 'events.jsonl'), '{}\n');
    expect(await visit({ ...spec, rounds: spec.rounds + 1 })).toBe('new');
    expect(await readdir(path)).toEqual(['spec.json']);
  });

  it('remembers from which run it is rebuilt, and by which command that goes on', async () => {
    const rebuiltFrom = { folder: '/runs/old', silo: 'silo-b' };
    await closeRunFolder(await openRunFolder({ path, spec, rebuiltFrom }));
    const folder = await resumeRunFolder(path);
    await closeRunFolder(folder);
    expect(folder.rebuiltFrom).toEqual(rebuiltFrom);
    expect(commandToFinish(folder)).toBe('align-fl forget /runs/old silo-b');
    await writeFile(join(path, 'rebuilt-from.json'), '{}');
    await expect(resumeRunFolder(path)).rejects.toThrow(/rebuilt-from.json is damaged/);
  });

  it('refuses another spec, naming what differs and the ways out, and leaves the folder usable', async () => {
    await visit();
    await mkdir(join(path, 'silos'));
    const { rounds, model } = spec;
    const other = { ...spec, rounds: rounds + 1, model: { ...model, latent: model.latent + 1 } };
    const refused = openRunFolder({ path, spec: other });
    await expect(refused).rejects.toThrow(SpecError);
    await expect(refused).rejects.toThrow(
      `rounds: asked for ${rounds + 1}, the folder has ${rounds}\n` +
        `  model.latent: asked for ${model.latent + 1}, the folder has ${model.latent}`,
    );
    await expect(refused).rejects.toThrow(`--resume ${path}`);
    await expect(refused).rejects.toMatchObject({ facts: { paths: ['rounds', 'model.latent'] } });
    expect(await visit()).toBe('begun');
  });

  it('is the same run with more or fewer silos at once, and takes what is asked for now', async () => {
    await visit();
    const asked = { ...spec, engine: { ...spec.engine, silosAtOnce: 1 } };
    const folder = await openRunFolder({ path, spec: asked });
    await closeRunFolder(folder);
    expect(folder).toMatchObject({ state: 'new', spec: asked, specHash: specHash(spec) });
  });

  it('refuses a folder with other things in it, and a file, and touches neither', async () => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'thesis.tex'), 'x');
    await expect(visit()).rejects.toThrow(/not empty and no run folder: it holds thesis\.tex\. Choose another --out/);
    expect(await readdir(path)).toEqual(['thesis.tex']);
    path = join(path, 'thesis.tex');
    await expect(visit()).rejects.toThrow(/is a file/);
  });

  it('takes an empty folder, and what a run leaves that was killed before its first file', async () => {
    await mkdir(path, { recursive: true });
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const claim = { pid: child.pid, processStart: null, host: hostname() };
    await writeFile(join(path, 'lock-01234567-89ab-cdef-0123-456789abcdef.json'), JSON.stringify(claim));
    await writeFile(join(path, PART), 'half');
    expect(await visit()).toBe('new');
    expect(await readdir(path)).toEqual(['spec.json']);
  });

  it('fixes where the ledgers lie, so that the run finds them from any working directory', async () => {
    const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 };
    const at = (ledgerDir: string) => parseSpec({ ...spec, privacy: { ...privacy, ledgerDir } });
    expect(await visit(at('ledgers'))).toBe('new');
    expect(await visit(at('ledgers'))).toBe('new'); // the same command again, and nothing was trained
    const resumed = await resumeRunFolder(path);
    expect(resumed.spec.privacy.ledgerDir).toBe(resolve('ledgers'));
    await closeRunFolder(resumed);
    await mkdir(join(path, 'silos'));
    const elsewhere = visit(at(join('elsewhere', 'ledgers'))); // as 'ledgers' is from another working directory
    await expect(elsewhere).rejects.toThrow('privacy.ledgerDir: asked for');
  });

  it('removes half-written files of a killed run at any depth', async () => {
    await visit();
    await mkdir(join(path, 'decoders', 'round-1'), { recursive: true });
    await writeFile(join(path, 'decoders', 'round-1', PART), 'half');
    await writeFile(join(path, 'decoders', 'round-1', 'silo-a.onnx'), 'whole');
    expect(await visit()).toBe('begun');
    expect(await readdir(join(path, 'decoders', 'round-1'))).toEqual(['silo-a.onnx']);
  });

  it('keeps a second process out', async () => {
    const folder = await openRunFolder({ path, spec });
    await expect(openRunFolder({ path, spec })).rejects.toThrow(StateError);
    await expect(resumeRunFolder(path)).rejects.toThrow(/Another run works in this folder/);
    await closeRunFolder(folder);
  });

  it('lets one of several that begin at the same time make the folder', async () => {
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => openRunFolder({ path, spec })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StateError);
  });

  it('says so where spec.json is damaged or of another version', async () => {
    await visit();
    await writeFile(join(path, 'spec.json'), '{"name": "x",');
    await expect(visit()).rejects.toThrow(StateError);
    await writeFile(join(path, 'spec.json'), JSON.stringify({ ...spec, oldField: 1 }));
    await expect(visit()).rejects.toThrow(/damaged or from another version.*oldField/s);
    expect(await readdir(path)).toEqual(['spec.json']);
  });
});

describe('resumeRunFolder', () => {
  it("takes the folder's own spec", async () => {
    await visit();
    const folder = await resumeRunFolder(path);
    expect(folder).toMatchObject({ state: 'new', spec, specHash: specHash(spec) });
    await closeRunFolder(folder);
  });

  it('refuses a folder in which nothing was begun, and makes none', async () => {
    await expect(resumeRunFolder(path)).rejects.toThrow(/no run folder: there is no spec\.json/);
    await expect(resumeRunFolder(path)).rejects.toThrow(SpecError);
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('the layout', () => {
  it('finds the same folder for the same name and seed', () => {
    expect(defaultRunFolder({ name: 'paper-mnist', seed: 7 })).toBe(join('runs', 'paper-mnist-seed7'));
  });

  it('puts each thing where its name says', () => {
    const layout = runLayout('run');
    expect(layout.decoder(3, 'silo-a')).toBe(join('run', 'decoders', 'round-3', 'silo-a.onnx'));
    expect(layout.silo('silo-a', 'align')).toBe(join('run', 'silos', 'silo-a', 'align'));
    expect(layout.global('fedavg')).toBe(join('run', 'global', 'fedavg'));
    expect(layout.image('round-3-global')).toBe(join('run', 'images', 'round-3-global.png'));
  });

  it.each(['..', 'a/b', 'A', '', 'a\\b'])('lets no name %j lead out of the folder', (name) => {
    const layout = runLayout('run');
    expect(() => layout.decoder(1, name)).toThrow(SpecError);
    expect(() => layout.silo(name, 'align')).toThrow(SpecError);
    expect(() => layout.image(name)).toThrow(SpecError);
  });
});
