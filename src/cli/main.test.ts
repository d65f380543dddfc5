import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { presets } from '../experiments/presets.ts';
import { said } from '../../test/command-line.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'align-fl-main-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a run that cannot be', () => {
  const out = (name: string) => ['--out', join(folder, name)];
  const never = () => join(folder, 'never');

  test.each([
    ['an unknown preset', ['quickstrat'], 'There is no preset "quickstrat"'],
    ['a mistyped key', ['quickstart', '--set', 'local.epoch=3'], 'local.epoch'],
    ['a value out of range', ['quickstart', '--set', 'rounds=0'], 'rounds'],
    ['a seed that is none', ['quickstart', '--seed', 'x'], 'seed'],
    [
      'averaging of different models',
      ['mixed-silos', '--set', 'strategies=[align, fedavg]'],
      'fedavg averages weights, so all silos and the server need the same model',
    ],
    ['a spec file that is not there', ['missing.yaml'], 'missing.yaml: there is no such file'],
    ['a change that says nothing', ['quickstart', '--set', 'rounds'], 'rounds'],
  ])('because of %s: exit code 2, one message that says what, nothing on disk', async (_, args, message) => {
    const { code, stdout, stderr } = await said('run', ...args, '--out', never());
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/SpecError/);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(existsSync(never())).toBe(false);
  });

  test('because nothing is named', async () => {
    const { code, stderr } = await said('run');
    expect(code).toBe(2);
    expect(stderr).toContain('Which experiment?');
  });

  test('because the folder to go on in is none, or holds something else', async () => {
    for (const dir of [join(folder, 'nothing'), import.meta.dirname]) {
      const { code, stderr } = await said('run', '--resume', dir);
      expect(code).toBe(2);
      expect(stderr).toContain(`${dir} is no run folder`);
    }
  });

  test('because --resume takes the spec of the folder', async () => {
    for (const more of [['quickstart'], ['--seed', '1'], ['--set', 'rounds=1'], ['--out', folder]]) {
      const { code, stderr } = await said('run', '--resume', folder, ...more);
      expect(code).toBe(2);
      expect(stderr).toContain('--resume takes the spec of the folder itself');
    }
  });

  test('because the folder to write to holds something else', async () => {
    const { code, stderr } = await said('run', 'quickstart', '--out', import.meta.dirname);
    expect(code).toBe(2);
    expect(stderr).toContain('is not empty and no run folder');
  });

  test('because the data are not where --data says: exit code 1', async () => {
    const { code, stdout, stderr } = await said(
      'run',
      'paper-mnist',
      '--data',
      join(folder, 'no-data'),
      ...out('data'),
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('no-data, which is no folder');
  });

  test('because the feature extractor is not there, before there is a folder: exit code 1', async () => {
    const missing = join(folder, "it's: not [here].onnx"); // of which nothing may be read as YAML
    for (const command of [['run'], ['sweep', '--seeds', '1,2']]) {
      const { code, stderr } = await said(...command, 'quickstart', '--fid-extractor', missing, ...out('extractor'));
      expect(code).toBe(1);
      expect(stderr).toContain(`There is no file at ${missing} to serve`);
    }
    expect(existsSync(join(folder, 'extractor'))).toBe(false);
  });

  test('without what could forge a terminal, whoever wrote it', async () => {
    const { code, stderr } = await said('run', 'quick\u001b[2J\u202estart\r', ...out('escape'));
    expect(code).toBe(2);
    expect(stderr).toContain('There is no preset "quick [2J start ".');
    expect(stderr).toMatch(/^[\P{C}\n]*$/u);
  });

  test('is told as JSON too where JSON is asked for', async () => {
    const { code, stdout, stderr } = await said('run', 'quickstrat', '--json', ...out('json'));
    expect(code).toBe(2);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; facts: { path: string } } };
    expect(error).toMatchObject({ code: 'SPEC', facts: { path: 'quickstrat' } });
    expect(stderr).toContain(error.message);
  });
});

describe('the command line', () => {
  test.each([
    ['an unknown command', ['rnu'], "unknown command 'rnu'"],
    ['an unknown option', ['run', 'quickstart', '--sead', '1'], "unknown option '--sead'"],
    ['a word too many', ['presets', 'quickstart', 'paper-mnist'], 'too many arguments'],
  ])('refuses %s with exit code 2', async (_, argv, message) => {
    const { code, stdout, stderr } = await said(...argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  test('explains itself: help and version on stdout, exit code 0', async () => {
    for (const argv of [['--help'], ['run', '--help'], ['--version']]) {
      const { code, stdout, stderr } = await said(...argv);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).not.toBe('');
    }
  });

  test('knows every command that the help lists by the name that it has there', async () => {
    const { stdout } = await said('--help');
    const names = [...stdout.matchAll(/^ {2}([a-z]+)(?= |$)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'align');
    expect(names.length).toBeGreaterThan(15);
    for (const name of names.filter((one) => one !== 'help')) {
      const help = await said(name, '--help');
      expect(help.code).toBe(0);
      expect(help.stdout).toContain(`Usage: align-fl ${name}`);
    }
  });

  test('lists the presets, for people and for programs', async () => {
    const { stdout } = await said('presets');
    for (const { name } of presets()) expect(stdout).toContain(name);
    const { stdout: json } = await said('presets', '--json');
    expect(JSON.parse(json)).toEqual(presets());
  });

  test('prints the schema of a spec', async () => {
    const { code, stdout } = await said('schema');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty('$schema');
  });
});
