// The entry file of the process for trials: makes one decoder after another prove itself, and answers each with one line.
//
// It reads requests from its standard input and writes answers to the pipe with number 3, where no library prints. It ends
// with its input, so it does not outlive the server for longer than one trial.

import { writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { openEngine } from '../engine/engine.ts';
import { childKey } from '../engine/keys.ts';
import { AlignError, DeviceError, ReleaseError } from '../errors.ts';
import { DRAWN_AT_ONCE, openDecoder } from '../exchange/open-decoder.ts';
import { MAX_DECODER_BYTES } from '../exchange/parse-decoder.ts';
import { refuse } from '../exchange/refusal.ts';
import { pixelCount } from '../models/image-shape.ts';
import { proveDecoder } from './prove-decoder.ts';
import { answerLine, type TrialAnswer, type TrialRequest, type TrialSetup } from './trial-messages.ts';

const ANSWERS = 3;
const say = (answer: TrialAnswer) => void writeSync(ANSWERS, answerLine(answer));

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })[Symbol.asyncIterator]();
const { engine: options } = JSON.parse((await lines.next()).value as string) as TrialSetup;
const engine = await openEngine(options);
say({ kind: 'ready' });
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  say(await tried(JSON.parse(line.value) as TrialRequest));
}
await engine.close();

// --- internal ---

async function tried(request: TrialRequest): Promise<TrialAnswer> {
  try {
    await tryDecoder(request);
    return { kind: 'ok' };
  } catch (error) {
    if (error instanceof ReleaseError) return { kind: 'refused', message: error.message, facts: error.facts };
    const { message } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'failed', device: error instanceof DeviceError, message };
  }
}

/** Proves the decoder, and then draws once as many images as a pool draws at once: it takes as much memory there as here. */
async function tryDecoder({ file, shape, classes, decoder, privacy, key: sent }: TrialRequest): Promise<void> {
  const key = { ...sent, bytes: new Uint8Array(Buffer.from(sent.bytes, 'base64')) };
  const onnx = await fileOfSize(file, decoder.sizeBytes);
  const contract = await proveDecoder(engine, onnx, { decoder, privacy }, { shape, classes, key });
  try {
    const opened = await openDecoder(engine, onnx, contract, { label: 'decoder' });
    try {
      const label = decoder.classes?.offered[0] ?? null;
      const rows = contract.batch ?? DRAWN_AT_ONCE;
      await opened.draw(new Float32Array(rows * pixelCount(shape)), { key: childKey(key, 'full'), label });
    } finally {
      await opened.close();
    }
  } catch (cause) {
    if (cause instanceof AlignError) throw cause;
    const said = cause instanceof Error ? cause.message : String(cause);
    refuse('does-not-run', `The runtime said: ${said.slice(0, 500)}.`, {}, cause);
  }
}

/** The whole file, of which no more is read than its header says. */
async function fileOfSize(path: string, sizeBytes: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size !== sizeBytes) {
      refuse('not-as-declared', `Its header says ${sizeBytes} bytes, but the file has ${size}.`, {
        field: 'sizeBytes',
        expected: sizeBytes,
        found: size,
      });
    }
    if (size > MAX_DECODER_BYTES) refuse('size', `It has ${size} bytes; at most ${MAX_DECODER_BYTES} are accepted.`);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0) break; // shorter by now: its hash will tell
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
