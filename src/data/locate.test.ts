import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { type DataPlace, dataPlaces } from './data-places.ts';
import { encodeIdxImages, encodeIdxLabels } from './idx.ts';
import { IDX_ROLES, type IdxRole, idxFileName } from './idx-files.ts';
import { inspectKnownSets } from './inspect-sets.ts';
import type { KnownSet } from './known-sets.ts';
import { type LocateOptions, loadKnownSet } from './locate.ts';

/** A set of 3 training and 2 test images of 2 x 2, whose grey tells sets apart. */
function tinySet(
  name: string,
  grey: number,
): { readonly set: KnownSet; readonly contents: ReadonlyMap<IdxRole, Uint8Array> } {
  const contents = new Map<IdxRole, Uint8Array>(
    IDX_ROLES.map((role) => {
      const count = role.startsWith('train') ? 3 : 2;
      return role.endsWith('images')
        ? [role, encodeIdxImages({ count, height: 2, width: 2, pixels: new Uint8Array(4 * count).fill(grey) })]
        : [role, encodeIdxLabels(Uint8Array.from({ length: count }, (_, i) => (i + grey) % 2))];
    }),
  );
  const files = [...contents].map(([role, bytes]) => ({
    role,
    count: role.startsWith('train') ? 3 : 2,
    sizeBytes: bytes.length,
    sha256: contentHash(bytes),
    gzipSizeBytes: 50,
    gzipSha256: contentHash(gzipSync(bytes)),
  }));
  return { set: { name, title: name, classNames: ['a', 'b'], files, mirrors: ['http://127.0.0.1:1/'] }, contents };
}

const RED = tinySet('red', 10);
const BLUE = tinySet('blue', 201);
const KNOWN = [RED.set, BLUE.set];

describe('a known set', () => {
  let root: string;
  let cache: DataPlace;
  let option: DataPlace;
  let server: Server;
  let mirrors: readonly string[];
  let requests: string[];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'align-fl-locate-'));
    cache = { kind: 'cache', dir: join(root, 'cache') };
    option = { kind: 'option', dir: join(root, 'mine') };
    await mkdir(option.dir);
    requests = [];
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      const role = IDX_ROLES.find((r) => request.url === `/${idxFileName(r)}.gz`);
      const bytes = role === undefined ? undefined : RED.contents.get(role);
      if (bytes === undefined) response.writeHead(404).end();
      else response.end(gzipSync(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    mirrors = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`];
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(root, { recursive: true, force: true });
  });

  async function place(dir: string, { contents }: typeof RED, end: '' | '.gz'): Promise<void> {
    await mkdir(dir, { recursive: true });
    for (const [role, bytes] of contents) {
      await writeFile(join(dir, `${idxFileName(role)}${end}`), end === '' ? bytes : gzipSync(bytes));
    }
  }
  const options = (more: Partial<LocateOptions> = {}): LocateOptions => ({
    places: [option, cache],
    knownSets: KNOWN,
    mirrors,
    ...more,
  });
  async function failure(promise: Promise<unknown>): Promise<DataError> {
    const error: unknown = await promise.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DataError);
    return error as DataError;
  }

  it('is found below the given folder, or directly in it, plain or zipped', async () => {
    for (const end of ['', '.gz'] as const) {
      for (const dir of [join(option.dir, 'red'), option.dir]) {
        await place(dir, RED, end);
        const data = await loadKnownSet(RED.set, options({ download: false }));
        expect(data.train.name).toBe('red/train');
        expect(data.classNames).toEqual(['a', 'b']);
        expect([...data.train.labels]).toEqual([0, 1, 0]);
        expect([...data.test.images]).toEqual(Array.from({ length: 8 }, () => 10));
        await rm(option.dir, { recursive: true });
        await mkdir(option.dir);
      }
    }
    expect(requests).toEqual([]);
  });

  it('comes from the option before the environment before the cache', async () => {
    const environment: DataPlace = { kind: 'environment', dir: join(root, 'env') };
    await place(join(environment.dir, 'red'), RED, '');
    const places = [option, environment, cache];
    await loadKnownSet(RED.set, options({ places, download: false })); // nothing in the option's folder: go on
    await mkdir(join(option.dir, 'red'));
    await writeFile(join(option.dir, 'red', idxFileName('train-labels')), 'broken');
    expect((await failure(loadKnownSet(RED.set, options({ places })))).facts.dir).toBe(join(option.dir, 'red'));
  });

  it('is downloaded into the cache, whole files only, and then found there', async () => {
    const seen = new Set<string>();
    const data = await loadKnownSet(RED.set, options({ onProgress: ({ url }) => seen.add(url) }));
    expect(data.test.labels.length).toBe(2);
    expect(seen.size).toBe(4);
    expect((await readdir(join(cache.dir, 'red'))).sort()).toEqual(IDX_ROLES.map((r) => `${idxFileName(r)}.gz`).sort());
    expect(requests).toHaveLength(4);
    await loadKnownSet(RED.set, options({ download: false }));
    expect(requests).toHaveLength(4);
  });

  it('is repaired in the cache, also behind a damaged file of another name', async () => {
    await place(join(cache.dir, 'red'), RED, '.gz');
    await writeFile(join(cache.dir, 'red', `${idxFileName('train-images')}.gz`), gzipSync('nonsense'));
    await writeFile(join(cache.dir, 'red', idxFileName('t10k-labels')), 'nonsense'); // its .gz is whole
    await loadKnownSet(RED.set, options());
    expect(requests).toEqual([`/${idxFileName('train-images')}.gz`]);
    await loadKnownSet(RED.set, options({ download: false }));
  });

  it('is never repaired in a folder of the user: the error names file and hash, and nothing is fetched', async () => {
    await place(join(option.dir, 'red'), RED, '.gz');
    const path = join(option.dir, 'red', `${idxFileName('train-images')}.gz`);
    await writeFile(path, gzipSync(encodeIdxImages({ count: 3, height: 2, width: 2, pixels: new Uint8Array(12) })));
    const error = await failure(loadKnownSet(RED.set, options()));
    expect(error.message).toContain(`${path}: expected SHA-256 ${RED.set.files[0]?.sha256} (without gzip), found `);
    await rm(path);
    expect((await failure(loadKnownSet(RED.set, options()))).message).toContain('train-images-idx3-ubyte: missing');
    expect(requests).toEqual([]);
  });

  it('is told from another known set', async () => {
    await place(option.dir, BLUE, '.gz'); // loose files: simply not red
    await loadKnownSet(RED.set, options());
    expect(requests).toHaveLength(4);
    await place(join(option.dir, 'red'), BLUE, '.gz'); // in a folder of that name: a mistake
    expect((await failure(loadKnownSet(RED.set, options()))).message).toContain('This is a file of blue.');
  });

  it('that can not be had ends in an error with all that is needed to place it by hand', async () => {
    const error = await failure(loadKnownSet(BLUE.set, options()));
    for (const file of BLUE.set.files) {
      expect(error.message).toContain(`${idxFileName(file.role)}.gz  SHA-256 ${file.gzipSha256}`);
    }
    expect(error.message).toContain(join(cache.dir, 'blue'));
    expect(error.message).toContain('http://127.0.0.1:1/');
    expect(error.message).toContain('expected SHA-256'); // what the mirror had instead
    expect(error.facts).toMatchObject({ set: 'blue', dir: join(cache.dir, 'blue') });
    const offline = await failure(loadKnownSet(BLUE.set, options({ mirrors: ['http://127.0.0.1:1/'] })));
    expect(offline.message).toContain('Could not download train-images-idx3-ubyte.gz');
    expect((await failure(loadKnownSet(BLUE.set, options({ download: false })))).message).toContain('switched off');
    expect((await failure(loadKnownSet(BLUE.set, options({ places: [] })))).message).toContain('no cache');
  });

  it('in a folder that does not exist is an error that names the option', async () => {
    const places = [{ kind: 'option' as const, dir: join(root, 'typo') }, cache];
    expect((await failure(loadKnownSet(RED.set, options({ places })))).message).toMatch(
      /--data names .*typo, which is no folder/,
    );
  });

  it('is reported as present, damaged or absent in every place', async () => {
    await place(join(option.dir, 'red'), RED, '.gz');
    await place(join(cache.dir, 'blue'), BLUE, '');
    await writeFile(join(cache.dir, 'blue', idxFileName('t10k-labels')), 'nonsense');
    const reports = await inspectKnownSets([option, cache, { kind: 'environment', dir: join(root, 'nowhere') }], KNOWN);
    expect(reports.map(({ set, place: { kind }, state }) => [set, kind, state])).toEqual([
      ['red', 'option', 'complete'],
      ['red', 'cache', 'absent'],
      ['red', 'environment', 'absent'],
      ['blue', 'option', 'absent'],
      ['blue', 'cache', 'partial'],
      ['blue', 'environment', 'absent'],
    ]);
    const damaged = reports[4]?.files[3];
    expect(damaged).toMatchObject({ role: 't10k-labels', state: 'damaged' });
    expect(damaged?.problem).toContain('magic');
    expect(reports[4]?.files[0]).toMatchObject({ state: 'verified', problem: '' });
  });
});

describe('the places to look in', () => {
  it('are option, environment and cache, without those that are not given', () => {
    const homeDir = join('/', 'home', 'ada');
    expect(dataPlaces({ env: {}, homeDir })).toEqual([
      { kind: 'cache', dir: join(homeDir, '.cache', 'align-fl', 'data') },
    ]);
    const env = { ALIGN_FL_DATA: 'sets', XDG_CACHE_HOME: join('/', 'var', 'tmp') };
    expect(dataPlaces({ dataDir: 'mine', env, homeDir })).toEqual([
      { kind: 'option', dir: 'mine' },
      { kind: 'environment', dir: 'sets' },
      { kind: 'cache', dir: join('/', 'var', 'tmp', 'align-fl', 'data') },
    ]);
    expect(dataPlaces({ dataDir: '', env: { ALIGN_FL_DATA: '' }, homeDir })).toHaveLength(1);
  });
});
