import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { said } from '../../test/command-line.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-federation-cli-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const at = (name: string) => join(ROOT, name);

const PLAIN = ['--silos', 'a,b', '--image', '28x28', '--classes', '10', '--privacy', 'none', '--host', 'localhost'];
const init = (dir: string, ...more: readonly string[]) => said('server', 'init', at(dir), ...more);

describe('align-fl server', () => {
  test('makes a federation, invites, and says what comes next', async () => {
    const made = await init('fed', ...PLAIN);
    expect(made).toMatchObject({ code: 0 });
    expect(made.stdout).toContain('align-fl server invite');
    expect(made.stdout).toContain('tls://localhost:4222');
    const invited = await said('server', 'invite', at('fed'), 'a');
    expect(invited.stdout.trim()).toMatch(/^align-fl-invite:[\w-]+\.[0-9a-f]{12}$/);
    expect(invited.stderr).toContain('hand it over in secret');
    const status = await said('server', 'status', at('fed'), '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({
      state: 'not begun',
      silos: [
        { name: 'a', access: 'invited', heardSecondsAgo: null },
        { name: 'b', access: 'not invited' },
      ],
    });
    expect((await said('server', 'stop', at('fed'))).stdout).toContain('No server is at work');
  });

  test.each([
    ['no silos', ['--image', '28x28'], '--silos: expected names'],
    ['a silo twice', ['--silos', 'a,a'], '--silos: expected names'],
    ['no size', ['--silos', 'a'], '--image: expected the size'],
    ['a size that is none', ['--silos', 'a', '--image', '2x28x28'], '--image: expected the size'],
    ['no classes', ['--silos', 'a', '--image', '28x28'], '--classes: expected how many'],
    ['no privacy', ['--silos', 'a', '--image', '28x28', '--classes', '2'], '--privacy: expected a mechanism'],
    ['gaussian without numbers', [...PLAIN, '--privacy', 'gaussian'], '--privacy: expected a mechanism'],
    ['another task', [...PLAIN, '--task', 'rank'], '--task: expected represent or classify'],
    ['a quorum alone', [...PLAIN, '--quorum', '1'], 'go together'],
    ['what a spec says already', ['--spec', 'quickstart', '--classes', '10'], '--classes: --spec says that already'],
    ['other names than silos', ['--spec', 'quickstart', '--silos', 'a,b'], 'the spec has 5 silos, got 2 names'],
    ['a host with a port', [...PLAIN.slice(0, -1), 'fed.example.org:4222'], '--host: expected a host name'],
    ['two settings that are none', [...PLAIN, '--set', 'rounds', '--set', '=3'], 'The command has 2 problems'],
    ['a port beyond the last', [...PLAIN, '--port', '70000'], "--port: expected a port from 1 to 65535, got '70000'"],
    ['a deadline of years', [...PLAIN, '--quorum', '1', '--deadline', '1e9'], '--deadline: expected minutes'],
    ['an address to listen on that is none', [...PLAIN, '--listen', 'here there'], '--listen: expected a host name'],
    [
      'more answers than silos',
      [...PLAIN, '--quorum', '3', '--deadline', '1'],
      '--quorum: 3 answers can never come from 2 silos',
    ],
  ])('refuses %s', async (_, args, words) => {
    const { code, stderr } = await init('refused', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });

  test('tells all options that are wrong at once', async () => {
    const wrong = '--silos a,B --task rank --image 2 --classes 0 --privacy dp-sgd --epsilon 0 --delta 2 --test nosuch';
    const address = '--host a:1 --port 0 --listen : --quorum 0 --deadline 0 --set rounds';
    const { code, stderr, stdout } = await init('all', ...wrong.split(' '), ...address.split(' '));
    expect([code, stdout]).toEqual([2, '']);
    const flags = ['--silos', '--task', '--image', '--classes', '--epsilon', '--delta', '--test', '--set'];
    const addresses = ['--host', '--port', '--listen', '--quorum', '--deadline'];
    expect(stderr).toContain('The command has 13 problems:');
    for (const flag of [...flags, ...addresses]) expect(stderr).toMatch(new RegExp(`^  ${flag}[: ]`, 'm'));
    expect(stderr).not.toContain('1000');
  });

  test('tells of a spec that is not there once, and of the options beside it', async () => {
    const { code, stderr } = await init('nospec', '--spec', at('nope.yaml'), '--silos', 'A', '--port', 'x');
    expect(code).toBe(2);
    expect(stderr).toContain('The command has 3 problems:');
    expect(stderr.match(/no such file|ENOENT/gi)).toHaveLength(1);
    const said_ = await init('said', '--spec', 'quickstart', '--classes', '10', '--epsilon', '8', '--silos', 'a');
    expect(said_.stderr).toContain('--epsilon and --classes: --spec says that already');
    expect(said_.stderr).toContain('the spec has 5 silos, got 1 name.');
  });

  test('takes over what a simulation did, with the images at its silos', async () => {
    expect((await init('simulated', '--spec', 'classify-quickstart', '--silos', 'v,w,x,y,z')).code).toBe(0);
    const text = readFileSync(join(at('simulated'), 'federation.yaml'), 'utf8');
    expect(text).toContain('kind: at-silos');
    expect(text).toMatch(/name: v\n\s+offers:\n\s+- 0\n\s+- 1\n/);
  });

  test('knows no folder that is none of a server', async () => {
    for (const command of [['status'], ['invite', 'a'], ['start'], ['revoke', 'a']]) {
      const [name = '', ...rest] = command;
      const { code, stderr } = await said('server', name, ROOT, ...rest);
      expect(code).toBe(1);
      expect(stderr).toContain('is no folder of a server');
    }
  });
});

test('align-fl up gives an example that fits the option', async () => {
  const { code, stderr } = await said('up', '--silos', '0', '--out', at('up'));
  expect(code).toBe(2);
  expect(stderr).toContain("--silos: expected a whole number from 1 up, got '0'. Give a number, such as 3.");
});

describe('align-fl silo', () => {
  test.each([
    ['no invite and no home', ['join'], 'Name the file of an invite'],
    [
      'an invite that is not there',
      ['join', 'nosuch.invite'],
      'Could not read the invite nosuch.invite: there is no such file',
    ],
    ['all that is wrong at once', ['join', '--data', 'nosuch', '--budget-epsilon', '1'], 'has 3 problems'],
    ['a budget without its delta', ['join', 'good', '--budget-epsilon', '1'], 'go together'],
    ['a folder of nobody', ['status', 'nosuch'], 'is no folder of a silo'],
    ['a folder of nobody', ['pause', 'nosuch'], 'is no folder of a silo'],
    ['a folder of nobody', ['leave', 'nosuch'], 'is no folder of a silo'],
  ])('refuses %s', async (_, args, words) => {
    await init('other', ...PLAIN);
    const invite = (await said('server', 'invite', at('other'), 'a')).stdout;
    writeFileSync(at('good'), invite);
    const { code, stderr } = await said('silo', ...args.map((word) => (word === 'good' ? at('good') : word)));
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain(words);
  });

  test('an invite that was cut is not believed', async () => {
    await init('cut', ...PLAIN);
    const invite = (await said('server', 'invite', at('cut'), 'a')).stdout;
    writeFileSync(at('cut.invite'), invite.slice(0, 100));
    const { code, stderr } = await said('silo', 'join', at('cut.invite'), '--data', ROOT);
    expect(code).toBe(1);
    expect(stderr).toContain('This is not a whole invite');
  });

  test('says what it needs where images are missing or not there', async () => {
    await init('needs', ...PLAIN);
    writeFileSync(at('needs.invite'), (await said('server', 'invite', at('needs'), 'a')).stdout);
    const join_ = (...more: string[]) => said('silo', 'join', at('needs.invite'), '--home', at('home'), ...more);
    expect((await join_()).stderr).toContain('What does this silo bring?');
    expect((await join_('--data', at('nosuch'))).stderr).toContain('there is no such folder or file');
    expect((await join_('--data', ROOT, '--release', ROOT)).stderr).toContain('Leave one of them out');
  });
});
