// A federation over a real nats-server: the same decoders and the same global model as in one process, byte for byte.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { dealToSilos } from '../src/deployment/deal-to-silos.ts';
import { federationSpec } from '../src/deployment/federation-spec.ts';
import { initServer } from '../src/deployment/init-server.ts';
import { inviteSilo } from '../src/deployment/invitations.ts';
import { joinFederation } from '../src/deployment/join.ts';
import { loopbackSettings } from '../src/deployment/laptop.ts';
import { serveFederation } from '../src/deployment/serve.ts';
import { readRegistry } from '../src/deployment/silo-registry.ts';
import { loadIdentity } from '../src/net/identity.ts';
import type { ServerEvent } from '../src/deployment/server-events.ts';
import { type ServerLayout, serverLayout } from '../src/deployment/server-folder.ts';
import { serverStatus } from '../src/deployment/server-status.ts';
import type { SiloEvent } from '../src/deployment/silo-events.ts';
import { leaveFederation } from '../src/deployment/leave.ts';
import { changeSiloSettings, readSiloSettings, siloLayout } from '../src/deployment/silo-home.ts';
import { siloStatus } from '../src/deployment/silo-status.ts';
import { openRunFolder, parseSpec, runExperiment, type Spec } from '../src/index.ts';
import { natsServer, NEEDS_NATS } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
const now = () => new Date();
const data = { env: {} };

const TINY = parseSpec({
  ...TWO_SILOS,
  name: 'tiny',
  data: { ...TWO_SILOS.data, source: { kind: 'drawn-digits', train: 120, test: 100 } },
  server: { epochs: 2, batchSize: 16, images: 20 },
});

const LABELLED = parseSpec({
  ...TINY,
  name: 'labelled',
  task: 'classify',
  rounds: 1,
  generator: { kind: 'linear-gaussian', components: 1, frequencies: 6, rank: 4 },
});

/** Hashes of every decoder and of the global model, by path. */
function hashesIn(run: string): Readonly<Record<string, string>> {
  const files = [...filesBelow(join(run, 'decoders')), join(run, 'global', 'align', 'state.safetensors')];
  return Object.fromEntries(
    files.map((file) => [file.slice(run.length), createHash('sha256').update(readFileSync(file)).digest('hex')]),
  );
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function inOneProcess(spec: Spec): Promise<Readonly<Record<string, string>>> {
  const path = await mkdtemp(join(ROOT, 'alone-'));
  await runExperiment({ folder: await openRunFolder({ path, spec }), data });
  return hashesIn(path);
}

interface Federation {
  readonly layout: ServerLayout;
  readonly home: (silo: string) => string;
  readonly data: (silo: string) => string;
}

async function federationOf(spec: Spec): Promise<Federation> {
  const root = await mkdtemp(join(ROOT, 'fed-'));
  const layout = serverLayout(join(root, 'server'));
  const dataOf = (silo: string) => join(root, silo, 'data');
  const { images } = await dealToSilos(spec, data, dataOf);
  const { source } = spec.data;
  if (source.kind === 'at-silos') throw new Error('a simulation was expected');
  const settings = await loopbackSettings();
  await initServer({ layout, spec: federationSpec(spec, images, source), settings, now: now() });
  return { layout, home: (silo) => join(root, silo, 'home'), data: dataOf };
}

function serve({ layout }: Federation, signal: AbortSignal, emit: (event: ServerEvent) => void = () => {}) {
  return serveFederation({ layout, nats: 'local', data, emit, signal, now, version: '0.1.0' });
}

async function join_(
  { layout, home, data: from }: Federation,
  silo: string,
  options: Partial<Parameters<typeof joinFederation>[0]>,
) {
  return joinFederation({
    layout: siloLayout(home(silo)),
    invite: options.invite ?? (await inviteSilo(layout, silo, { again: true })).line,
    data: from(silo),
    release: null,
    ledger: null,
    budget: null,
    ask: async () => true,
    emit: () => {},
    signal: AbortSignal.timeout(140_000),
    now,
    version: '0.1.0',
    ...options,
  });
}

/** Without an invite, as after a stop. */
function joinAgain(federation: Federation) {
  return joinFederation({
    layout: siloLayout(federation.home('north')),
    invite: null,
    data: null,
    release: null,
    ledger: null,
    budget: null,
    ask: async () => true,
    emit: () => {},
    signal: AbortSignal.timeout(20_000),
    now,
    version: '0.1.0',
  });
}

describe.skipIf(natsServer === null)(`a federation over TLS${NEEDS_NATS}`, () => {
  test.each([TINY, LABELLED])(
    'ends with the hashes of a run in one process: $name',
    { timeout: 150_000 },
    async (spec) => {
      const federation = await federationOf(spec);
      const stop = new AbortController();
      const events: SiloEvent[] = [];
      const serving = serve(federation, stop.signal);
      const silos = spec.silos.map(({ name }) => join_(federation, name, { emit: (event) => events.push(event) }));
      const [summary, ...ends] = await Promise.all([serving, ...silos]);
      expect(ends).toEqual(['ended', 'ended']);
      expect(hashesIn(federation.layout.run)).toEqual(await inOneProcess(spec));
      expect(summary.strategies[0]?.rounds).toHaveLength(spec.rounds);
      const status = await serverStatus(federation.layout, now());
      expect(status).toMatchObject({ state: 'complete', isAtWork: false, roundsDone: spec.rounds, playing: null });
      for (const silo of status.silos) {
        expect(silo).toMatchObject({ state: expect.any(String) as string, isHere: false, trouble: null });
      }
      const log = readFileSync(federation.layout.networkLog, 'utf8');
      for (const kind of ['server-began', 'silo-joined', 'task-sent', 'release-committed', 'server-ended']) {
        expect(log).toContain(`"kind":"${kind}"`);
      }
      expect(log).not.toMatch(/silo-status|invite|seed|nonce|percent/);
      const north = await siloStatus(siloLayout(federation.home('north')));
      expect(north.departures.map(({ state }) => state)).toEqual(
        Array.from({ length: spec.rounds }, () => ['leaving', 'delivered', 'committed']).flat(),
      );
      expect(north.isAtWork).toBe(false);
      for (const secret of [
        join(federation.home('north'), 'silo.nk'),
        federation.layout.identity,
        federation.layout.nats.key,
      ]) {
        expect(statSync(secret).mode & 0o077).toBe(0);
      }
    },
  );

  test('another invite makes another key, the same invite none', async () => {
    const federation = await federationOf(TINY);
    const { line } = await inviteSilo(federation.layout, 'north', { again: false });
    const stop = new AbortController();
    const serving = serve(federation, stop.signal).catch(() => {});
    const keyNow = async () => (await readRegistry(federation.layout.registry)).silos[0]?.key;
    const refusing = (invite: string) =>
      expect(join_(federation, 'north', { invite, ask: async () => false })).rejects.toThrow('Not agreed');
    await refusing(line);
    const first = await keyNow();
    await refusing(line);
    expect(await keyNow()).toBe(first);
    const again = await inviteSilo(federation.layout, 'north', { again: true });
    // The server looks once a second whom another process has invited.
    await vi.waitFor(() => refusing(again.line), 15_000);
    const second = await keyNow();
    expect(second).not.toBe(first);
    const { identity } = siloLayout(federation.home('north'));
    expect((await loadIdentity(identity)).publicKey).toBe(second);
    expect(readdirSync(federation.home('north')).filter((name) => name.startsWith('silo.nk'))).toEqual(['silo.nk']);
    stop.abort();
    await serving;
  });

  test('a silo that leaves while its owner is asked ends without an answer, and its server hears of it', async () => {
    const federation = await federationOf(TINY);
    const stop = new AbortController();
    const events: ServerEvent[] = [];
    const serving = serve(federation, stop.signal, (event) => events.push(event)).catch(() => {});
    const layout = siloLayout(federation.home('north'));
    let isAsked = () => {};
    const asked = new Promise<void>((done) => (isAsked = done));
    const joining = join_(federation, 'north', {
      ask: () => {
        isAsked();
        return new Promise(() => {});
      },
    });
    await asked;
    await leaveFederation({ layout, emit: () => {}, signal: AbortSignal.timeout(20_000), version: '0.1.0' });
    expect(await joining).toBe('left');
    const isFarewell = (event: ServerEvent) => event.kind === 'network' && event.event.kind === 'silo-left';
    await vi.waitFor(() => expect(events.filter(isFarewell)).toHaveLength(1), 5000);
    expect(await readSiloSettings(layout)).toMatchObject({ agreed: null, wish: 'left', farewell: true });
    await serving; // nobody is left to wait for
    await expect(joinAgain(federation)).rejects.toThrow('has left its federation for good. To take part again');
    const again = await inviteSilo(federation.layout, 'north', { again: true });
    const servingAgain = serve(federation, stop.signal).catch(() => {});
    const rejoining = join_(federation, 'north', { invite: again.line, ask: async () => false });
    await expect(rejoining).rejects.toThrow('Not agreed');
    expect(await readSiloSettings(layout)).toMatchObject({ wish: 'work', farewell: false });
    stop.abort();
    await servingAgain;
  });

  test.each([
    ['', false],
    [', also where its enrolment was interrupted at home', true],
  ])('a silo that leaves agrees to nothing, and needs no images%s', async (_, isInterrupted) => {
    const federation = await federationOf(TINY);
    const stop = new AbortController();
    const events: ServerEvent[] = [];
    const serving = serve(federation, stop.signal, (event) => events.push(event)).catch(() => {});
    await expect(join_(federation, 'north', { ask: async () => false })).rejects.toThrow('Not agreed');
    const layout = siloLayout(federation.home('north'));
    await rm(federation.data('north'), { recursive: true });
    if (isInterrupted) {
      const { invite } = (await readSiloSettings(layout)) ?? {};
      await rename(layout.identity, layout.nextIdentity(invite ?? ''));
      await changeSiloSettings(layout, { invite: null });
    }
    await leaveFederation({ layout, emit: () => {}, signal: AbortSignal.timeout(20_000), version: '0.1.0' });
    const isFarewell = (event: ServerEvent) => event.kind === 'network' && event.event.kind === 'silo-left';
    await vi.waitFor(() => expect(events.some(isFarewell)).toBe(true), 5000);
    expect((await readSiloSettings(layout))?.agreed).toBeNull();
    stop.abort();
    await serving;
  });
});
