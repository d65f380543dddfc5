import { describe, expect, test } from 'vitest';
import { contentHash } from '../storage/content-hash.ts';
import { forgottenRound, type HelloRules, judgeHello } from './hub-hello.ts';
import { openHubRecords } from './hub-records.ts';
import { type Body, type Denied, MOST_NAMED, type NamedRelease, type ReleaseHeader } from './messages.ts';
import { createIdentity } from './identity.ts';
import { openMessage, sealMessage } from './envelope.ts';

const PLAN = contentHash('the plan');
const releaseOf = (round: number, name = 'only'): NamedRelease => ({ round, sha256: contentHash(`${name}/${round}`) });

/** A server that has committed some rounds of silo a, and was told of others. */
function server(committed: readonly NamedRelease[], announced: readonly NamedRelease[] = []): HelloRules {
  const records = openHubRecords();
  for (const { round, sha256 } of announced) {
    records.add({ silo: 'a', round, decoder: { sha256 } } as ReleaseHeader);
  }
  return { version: '0.1.0', plan: PLAN, records, committed: (silo) => (silo === 'a' ? committed : []) };
}

function hello(round: number | null, seals: readonly NamedRelease[] = []): Body<'hello'> {
  const state = round === null ? { plan: null, round: null } : { plan: PLAN, round };
  return { silo: 'a', instance: 'x', version: '0.1.0', state, pending: [], seals: [...seals] };
}

const LOST = { code: 'LOST_STATE' };

describe('a silo whose folder knows less than the server has', () => {
  test('is let in where its ledger has a seal of each release, and of others', () => {
    const rules = server([releaseOf(1)], [releaseOf(2)]);
    const sealed = [releaseOf(1), releaseOf(2), releaseOf(3)];
    for (const knows of [null, 1]) {
      expect(judgeHello(hello(knows), rules)).toMatchObject(LOST);
      expect(judgeHello(hello(knows, sealed), rules)).toBeNull();
      expect(forgottenRound(hello(knows, sealed), rules)).toBe(2);
    }
  });

  test.each([
    ['one of them', [releaseOf(2)]],
    ['the last of them', [releaseOf(1)]],
    ['one of them by its hash', [releaseOf(1, 'another'), releaseOf(2)]],
    ['one of them by its round', [{ ...releaseOf(1), round: 3 }, releaseOf(2)]],
  ])('is refused where its ledger lacks %s, and told what would help', (_, seals) => {
    const rules = server([releaseOf(1)], [releaseOf(2)]);
    const denied = judgeHello(hello(null, seals), rules);
    expect(denied).toMatchObject(LOST);
    expect(denied?.message).toMatch(/The ledger that was shown has no seal .* Put back the folder .*--ledger/);
  });

  test('needs a seal of every different release of a round that was not refused', () => {
    const rules = server([], [releaseOf(1), releaseOf(1, 'another')]);
    expect(judgeHello(hello(null, [releaseOf(1)]), rules)).toMatchObject(LOST);
    const [first] = rules.records.of('a').rounds.get(1) ?? [];
    if (first) first.state = 'refused';
    expect(judgeHello(hello(null, [releaseOf(1, 'another')]), rules)).toBeNull();
  });

  test('is refused for a revoked key or another version whatever it shows', () => {
    const rules = server([releaseOf(1)]);
    const shown = hello(null, [releaseOf(1)]);
    expect(judgeHello({ ...shown, version: '0.2.0' }, rules)).toMatchObject({ code: 'VERSION' });
    rules.records.of('a').gone = 'revoked';
    expect(judgeHello(shown, rules)).toMatchObject({ code: 'REVOKED' });
  });
});

test('a denial names what the server has, each once, and nothing where no hello could name it again', () => {
  const rules = server([releaseOf(1)], [releaseOf(1), releaseOf(2)]);
  expect(judgeHello(hello(null), rules)).toMatchObject({ ...LOST, releases: [releaseOf(1), releaseOf(2)] });
  const many = Array.from({ length: MOST_NAMED + 1 }, (_, i) => releaseOf(i + 1));
  const denied = judgeHello(hello(null), server(many));
  expect(denied).toMatchObject(LOST);
  expect(denied).not.toHaveProperty('releases');
  expect(denied?.message).toMatch(/No ledger helps: these are 257 releases, and a hello names 256 at most/);
});

test('a silo that leaves for good needs to know nothing of its past, and is not said to begin anew', () => {
  const rules = server([releaseOf(1)], [releaseOf(2)]);
  const leaving = { ...hello(null), isLeaving: true } as const;
  expect(judgeHello(leaving, rules)).toBeNull();
  expect(forgottenRound(leaving, rules)).toBeNull();
  rules.records.of('a').gone = 'revoked';
  expect(judgeHello(leaving, rules)).toMatchObject({ code: 'REVOKED' });
});

test('a silo whose folder knows all that the server has needs to show nothing', () => {
  const rules = server([releaseOf(1)], [releaseOf(2)]);
  for (const knows of [2, 3]) {
    expect(judgeHello(hello(knows), rules)).toBeNull();
    expect(forgottenRound(hello(knows), rules)).toBeNull();
  }
  expect(judgeHello({ ...hello(2), state: { plan: contentHash('another plan'), round: 2 } }, rules)).toMatchObject(
    LOST,
  );
  expect(judgeHello(hello(null), server([]))).toBeNull();
});

test('a denial fits its message, and a hello with all that it may name does', () => {
  const { identity } = createIdentity();
  const names = Array.from({ length: MOST_NAMED }, (_, i) => releaseOf(1_000_000 - i));
  const subject = 'fl.hello.a';
  const body = { ...hello(1_000_000, names), silo: 'a'.repeat(32), pending: names };
  const bytes = sealMessage(identity, { subject, kind: 'hello', body });
  expect(openMessage(bytes, { subject, from: identity.publicKey, kinds: ['hello'] }).body).toEqual(body);
  const silo = 'a'.repeat(32);
  const rules = { ...server([]), committed: () => [releaseOf(999_998), releaseOf(1_000_000)] };
  const denied = judgeHello({ ...hello(999_999, [releaseOf(1_000_000)]), silo }, rules);
  expect(denied?.message.length).toBeLessThanOrEqual(500);
  const full = judgeHello({ ...hello(null), silo }, { ...server([]), committed: () => names });
  expect(full).toHaveProperty('releases.length', MOST_NAMED);
  const answer = sealMessage(identity, { subject, kind: 'denied', body: full as Denied });
  expect(openMessage(answer, { subject, from: identity.publicKey, kinds: ['denied'] }).body).toEqual(full);
  const many = Array.from({ length: 2000 }, (_, i) => releaseOf(1_000_000 - i));
  const tooMany = judgeHello({ ...hello(990_000, names), silo }, { ...server([]), committed: () => many });
  expect(tooMany?.message.length).toBeLessThanOrEqual(500);
});
