import { randomFillSync } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Objm } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { QUICK } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from '../../test/nats-fixture.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { AbortedError, SpecError, StateError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { insistOn, type Link } from './bucket.ts';
import { downloadDecoder } from './download.ts';
import type { ReleaseHeader } from './messages.ts';
import { removeOtherParts, splitIntoParts, uploadParts } from './parts.ts';
import { provision } from './provision.ts';

const ROOT = temporaryFolder();

describe.skipIf(!natsServer)(`Parts over a real nats-server${NEEDS_NATS}`, () => {
  let nats: TestNats;
  let [silo, server] = [] as unknown as [NatsConnection, NatsConnection];
  let folder: string;
  const signal = new AbortController().signal;
  const link = (nc: NatsConnection): Link => ({ nc, timing: QUICK, signal });
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b'] });
    [silo, server] = [await nats.connectSilo('a'), await nats.connectServer()];
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(ROOT, 'case-'));
    const jsm = await jetstreamManager(server);
    for await (const { config } of jsm.streams.list()) await jsm.streams.delete(config.name);
    await provision(server, ['a', 'b'], { signal, timing: QUICK });
  });
  afterAll(() => nats.close());

  /** A file that is no decoder, and what a silo would sign of it. */
  function fileOf(sizeBytes: number) {
    const bytes = randomFillSync(new Uint8Array(sizeBytes));
    const file = join(folder, 'decoder.onnx');
    writeFileSync(file, bytes);
    const parts = [...splitIntoParts(bytes)];
    const header = { silo: 'a', parts, decoder: { sha256: contentHash(bytes), sizeBytes } } as unknown as ReleaseHeader;
    return { bytes, file, parts, header };
  }
  const messagesLeft = async () => (await (await jetstreamManager(server)).streams.info('OBJ_up-a')).state.messages;

  test('a file of several parts comes out as it went in, and is sent once', async () => {
    const { bytes, file, parts, header } = fileOf(9 * 1024 * 1024 + 5);
    expect(parts.map(({ sizeBytes }) => sizeBytes)).toEqual([4_194_304, 4_194_304, 1_048_581]);
    expect(await uploadParts(link(silo), 'a', file, parts)).toBe(bytes.length);
    expect(await uploadParts(link(silo), 'a', file, parts)).toBe(0);
    const path = join(folder, 'incoming', 'a.onnx');
    expect(await downloadDecoder(link(server), header, path)).toBe(true);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(readdirSync(join(folder, 'incoming'))).toEqual(['a.onnx']);
  });

  test('an upload that was interrupted goes on with the next part, and leaves no loose chunks', async () => {
    const { file, parts, header } = fileOf(9 * 1024 * 1024);
    await uploadParts(link(silo), 'a', file, parts.slice(0, 1));
    await jetstream(silo).publish('$O.up-a.C.INTERRUPTED', new Uint8Array(1000)); // what a killed client leaves
    expect(await downloadDecoder(link(server), header, join(folder, 'half'))).toBe(false);
    expect(existsSync(join(folder, 'half'))).toBe(false);
    await removeOtherParts(link(silo), 'a', new Set(parts.map(({ sha256 }) => sha256)));
    const before = await messagesLeft();
    expect(before).toBe(9); // eight chunks and what names them
    expect(await uploadParts(link(silo), 'a', file, parts)).toBe(5 * 1024 * 1024);
    expect(await downloadDecoder(link(server), header, join(folder, 'whole'))).toBe(true);
    await removeOtherParts(link(silo), 'a', new Set());
    expect(await messagesLeft()).toBe(0);
  });

  test('a part of which chunks are gone is sent again', async () => {
    const { file, parts, header } = fileOf(1_000_000);
    await uploadParts(link(silo), 'a', file, parts);
    await (await jetstreamManager(server)).streams.purge('OBJ_up-a', { filter: '$O.up-a.C.>', keep: 1 });
    expect(await downloadDecoder(link(server), header, join(folder, 'out'))).toBe(false);
    expect(await uploadParts(link(silo), 'a', file, parts)).toBe(1_000_000);
    expect(await downloadDecoder(link(server), header, join(folder, 'out'))).toBe(true);
  });

  test('a file that is not what is to leave does not leave', async () => {
    const { file, parts } = fileOf(1000);
    writeFileSync(file, 'other');
    await expect(uploadParts(link(silo), 'a', file, parts)).rejects.toThrow(StateError);
    expect(await messagesLeft()).toBe(0);
  });

  describe('what is not as it was signed is refused, and leaves no file:', () => {
    const put = async (name: string, bytes: Uint8Array) => {
      const store = await new Objm(silo).open('up-a', false);
      await store.putBlob({ name, options: { max_chunk_size: 512 * 1024 } }, bytes);
    };
    const reasonOf = async (header: ReleaseHeader) => {
      const path = join(folder, 'out');
      const error: unknown = await downloadDecoder(link(server), header, path).catch((thrown: unknown) => thrown);
      expect(existsSync(path)).toBe(false);
      expect(readdirSync(folder)).toEqual(['decoder.onnx']);
      return (error as { facts?: { reason?: unknown } }).facts?.reason ?? error;
    };

    test('a part with other bytes', async () => {
      const { bytes, parts, header } = fileOf(1000);
      await put(
        parts[0]?.sha256 ?? '',
        bytes.map((byte) => byte ^ 1),
      );
      expect(await reasonOf(header)).toBe('part-hash');
    });

    test('a part that is longer, and one that is shorter', async () => {
      const { parts, header } = fileOf(1000);
      await put(parts[0]?.sha256 ?? '', new Uint8Array(3_000_000));
      expect(await reasonOf(header)).toBe('part-size');
      await put(parts[0]?.sha256 ?? '', new Uint8Array(999));
      expect(await reasonOf(header)).toBe('part-size');
    });

    test('parts that are another file together', async () => {
      const { bytes, header } = fileOf(1000);
      await put(header.parts[0]?.sha256 ?? '', bytes);
      expect(await reasonOf({ ...header, decoder: { ...header.decoder, sha256: contentHash('') } })).toBe('file-hash');
    });

    test('a link into the bucket of another silo is not followed, and no bucket comes of it', async () => {
      const { bytes, parts, header } = fileOf(1000);
      const name = parts[0]?.sha256 ?? '';
      const other = await new Objm(server).open('up-b', false);
      await other.putBlob({ name }, bytes);
      for (const bucket of ['up-b', 'up-made-by-a']) {
        const meta = { name, bucket: 'up-a', nuid: 'X', size: 0, chunks: 0, digest: '', mtime: '' };
        const token = Buffer.from(name).toString('base64url');
        const padded = token.padEnd(Math.ceil(token.length / 4) * 4, '=');
        const link = JSON.stringify({ ...meta, options: { link: { bucket, name } } });
        await jetstream(silo).publish(`$O.up-a.M.${padded}`, link);
        expect(await reasonOf(header)).toBe(false); // as if it were not there
      }
      const streams = [];
      for await (const { config } of (await jetstreamManager(server)).streams.list()) streams.push(config.name);
      expect(streams.sort()).toEqual(['OBJ_up-a', 'OBJ_up-b', 'TASKS', 'UPDATES']);
    });
  });

  test('making what is there again changes nothing, and takes no name that could be another subject', async () => {
    const { file, parts } = fileOf(1000);
    await uploadParts(link(silo), 'a', file, parts);
    await provision(server, ['a', 'b'], { signal, timing: QUICK });
    expect(await messagesLeft()).toBe(2);
    for (const name of ['', 'A', 'a.b', '*', '>', '-a', 'a_b', 'a'.repeat(33)]) {
      await expect(provision(server, [name], { signal })).rejects.toThrow(SpecError);
    }
  });

  test('an upload stops at once when it is asked to', async () => {
    const { file, parts } = fileOf(5_000_000);
    const stop = new AbortController();
    const stopping = { ...link(silo), signal: stop.signal };
    const uploading = uploadParts(stopping, 'a', file, parts);
    stop.abort();
    await expect(uploading).rejects.toThrow(AbortedError);
    await expect(insistOn(stopping, 'More', async () => 1)).rejects.toThrow(AbortedError);
  });
});
