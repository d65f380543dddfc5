import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { AbortedError, DataError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { type DownloadProgress, downloadKnownFile } from './download.ts';
import { encodeIdxLabels } from './idx.ts';
import type { KnownFile } from './known-sets.ts';

const CONTENT = encodeIdxLabels(Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251));
const ZIPPED = gzipSync(CONTENT);
const FILE: KnownFile = {
  role: 'train-labels',
  count: 5000,
  sizeBytes: CONTENT.length,
  sha256: contentHash(CONTENT),
  gzipSizeBytes: ZIPPED.length,
  gzipSha256: contentHash(ZIPPED),
};

describe('a download', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function mirror(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/sets/`;
  }
  const good: RequestListener = (request, response) => {
    response.writeHead(request.url === '/sets/train-labels-idx1-ubyte.gz' ? 200 : 404, {
      'content-length': ZIPPED.length,
    });
    response.end(ZIPPED);
  };

  it('delivers the file of the first mirror and tells how far it is', async () => {
    const progress: DownloadProgress[] = [];
    const bytes = await downloadKnownFile(FILE, { mirrors: [await mirror(good)], onProgress: (p) => progress.push(p) });
    expect(Buffer.compare(bytes, ZIPPED)).toBe(0);
    expect(progress[0]).toMatchObject({ receivedBytes: 0, totalBytes: ZIPPED.length });
    expect(progress.at(-1)).toMatchObject({ receivedBytes: ZIPPED.length, totalBytes: ZIPPED.length });
    const received = progress.map((p) => p.receivedBytes);
    expect(received).toEqual([...received].sort((a, b) => a - b));
  });

  it('takes a mirror that unpacks on the way, and another compression of the same contents', async () => {
    for (const body of [CONTENT, gzipSync(CONTENT, { level: 1 })]) {
      const url = await mirror((_, response) => response.end(body));
      expect(Buffer.compare(await downloadKnownFile(FILE, { mirrors: [url] }), body)).toBe(0);
    }
    const transparent = await mirror((_, response) => response.setHeader('content-encoding', 'gzip').end(ZIPPED));
    expect(Buffer.compare(await downloadKnownFile(FILE, { mirrors: [transparent] }), CONTENT)).toBe(0);
  });

  it('goes on to the next mirror after each kind of failure', async () => {
    const other = gzipSync(encodeIdxLabels(new Uint8Array(5000)));
    const mirrors = [
      'http://127.0.0.1:1/', // nobody listens
      await mirror((_, response) => response.writeHead(403).end('no')),
      await mirror((_, response) => response.end('<html>a friendly page</html>')),
      await mirror((_, response) => response.end(other)),
      await mirror((_, response) => response.end(ZIPPED.subarray(0, 100))),
      await mirror((_, response) => response.end(Buffer.alloc(FILE.sizeBytes + 2 ** 20))),
      await mirror((request) => request.socket.destroy()),
      await mirror(() => undefined), // never answers
      await mirror((_, response) => response.write(ZIPPED.subarray(0, 10))), // and stops
    ];
    const failing = downloadKnownFile(FILE, { mirrors, stallTimeoutMs: 100 });
    const error: unknown = await failing.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    const failures = (error as DataError).facts.failures as readonly string[];
    const expected = [
      /ECONNREFUSED|bad port/,
      /answered 403/,
      /magic/,
      /expected SHA-256/,
      /cut short/,
      /more than the \d+ bytes/,
      /UND_ERR_SOCKET|ECONNRESET/,
      /no bytes for 0.1 s/,
      /no bytes for 0.1 s/,
    ];
    expect(failures).toHaveLength(expected.length);
    expected.forEach((pattern, i) => expect(failures[i]).toMatch(pattern));
    const bytes = await downloadKnownFile(FILE, { mirrors: [...mirrors, await mirror(good)], stallTimeoutMs: 100 });
    expect(Buffer.compare(bytes, ZIPPED)).toBe(0);
  });

  it('stops when it is told to, and asks no other mirror', async () => {
    let asked = 0;
    const counting = await mirror(() => {
      asked += 1;
    });
    const stop = new AbortController();
    const hanging = await mirror((_, response) => {
      response.write(ZIPPED.subarray(0, 10), () => stop.abort());
    });
    const stopped = downloadKnownFile(FILE, { mirrors: [hanging, counting], signal: stop.signal });
    await expect(stopped).rejects.toBeInstanceOf(AbortedError);
    const before = downloadKnownFile(FILE, { mirrors: [counting], signal: AbortSignal.abort() });
    await expect(before).rejects.toBeInstanceOf(AbortedError);
    expect(asked).toBe(0);
  });
});
