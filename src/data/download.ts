// One file of a known set from the first mirror that delivers it: bounded in size and time, and kept only
// when its hash is right.

import { AbortedError, DataError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { inflateIdx } from './idx.ts';
import { idxFileName } from './idx-files.ts';
import type { KnownFile } from './known-sets.ts';

/** How far a download has come. */
export interface DownloadProgress {
  readonly url: string;
  readonly receivedBytes: number;
  /** What the mirror announced, or the size of the published file. */
  readonly totalBytes: number;
}

/** How to reach the mirrors. */
export interface DownloadOptions {
  /** Folders on the web, each ending in `/`. */
  readonly mirrors: readonly string[];
  readonly signal?: AbortSignal;
  /** Longest wait for the next bytes of a mirror, the first included, before the next one is tried. Default: 20 s. */
  readonly stallTimeoutMs?: number;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/**
 * The file as the mirror has it (gzip, usually), after a check of its contents.
 * Throws AbortedError when the signal fires, and DataError with a line per mirror when none delivers.
 */
export async function downloadKnownFile(file: KnownFile, options: DownloadOptions): Promise<Uint8Array> {
  const failures: string[] = [];
  for (const mirror of options.mirrors) {
    const url = `${mirror}${idxFileName(file.role)}.gz`;
    try {
      const bytes = await fetchBounded(url, file, options);
      const hash = contentHash(inflateIdx(bytes, url));
      if (hash === file.sha256) return bytes;
      failures.push(`${url}: expected SHA-256 ${file.sha256} without gzip, found ${hash}`);
    } catch (cause) {
      if (options.signal?.aborted === true) {
        throw new AbortedError(`The download of ${url} was stopped. Nothing of it was kept.`, { url }, { cause });
      }
      failures.push(cause instanceof DataError ? cause.message : `${url}: ${reasonOf(cause)}`);
    }
  }
  const tried = failures.length === 0 ? 'there is no mirror to ask' : failures.join('\n  ');
  throw new DataError(`Could not download ${idxFileName(file.role)}.gz:\n  ${tried}`, {
    file: idxFileName(file.role),
    failures,
  });
}

// --- internal ---

const STALL_TIMEOUT_MS = 20_000;
/** Room for other gzip levels and headers than the published ones. */
const SLACK_BYTES = 64 * 1024;

async function fetchBounded(url: string, file: KnownFile, options: DownloadOptions): Promise<Uint8Array> {
  const stallTimeoutMs = options.stallTimeoutMs ?? STALL_TIMEOUT_MS;
  const stalled = new AbortController();
  const giveUp = (): void => stalled.abort(new Error(`no bytes for ${stallTimeoutMs / 1000} s`));
  const signal = options.signal === undefined ? stalled.signal : AbortSignal.any([options.signal, stalled.signal]);
  const maxBytes = file.sizeBytes + SLACK_BYTES; // a mirror may also send it unpacked
  let timer = setTimeout(giveUp, stallTimeoutMs);
  try {
    const response = await fetch(url, { signal, redirect: 'follow' });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`the mirror answered ${response.status} ${response.statusText}`.trimEnd());
    }
    const announced = Number(response.headers.get('content-length') ?? Number.NaN);
    const totalBytes = announced > 0 ? announced : file.gzipSizeBytes;
    const chunks: Uint8Array[] = [];
    let receivedBytes = 0;
    options.onProgress?.({ url, receivedBytes, totalBytes });
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, stallTimeoutMs);
      receivedBytes += chunk.length;
      if (receivedBytes > maxBytes) throw new Error(`more than the ${maxBytes} bytes that the file can have`);
      chunks.push(chunk);
      options.onProgress?.({ url, receivedBytes, totalBytes: Math.max(totalBytes, receivedBytes) });
    }
    return Buffer.concat(chunks, receivedBytes);
  } finally {
    clearTimeout(timer);
    stalled.abort(); // ends a connection that an error left open
  }
}

/** `fetch failed` says nothing; the system's reason is in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error.cause;
  if (inner instanceof Error) return 'code' in inner ? `${error.message} (${String(inner.code)})` : inner.message;
  return error.message;
}
