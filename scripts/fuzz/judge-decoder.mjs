// What one case must do: inspection returns or refuses, soon; the trial says sound or refuses, within its limits; we live.

import { performance } from 'node:perf_hooks';
import { resolve } from 'node:path';
import { rm, writeFile } from 'node:fs/promises';

/**
 * From src/ in tests and from dist/ elsewhere.
 * @typedef {object} Judges
 * @property {typeof import('../../src/exchange/inspect.ts').inspectDecoder} inspectDecoder
 * @property {typeof import('../../src/exchange/lipschitz-certificate.ts').lipschitzCertificate} lipschitzCertificate
 * @property {typeof import('../../src/server/guarded-trial.ts').openDecoderTrials} openDecoderTrials
 * @property {typeof import('../../src/errors.ts').AlignError} AlignError
 * @property {typeof import('../../src/errors.ts').ReleaseError} ReleaseError
 * @property {typeof import('../../src/engine/keys.ts').seedKey} seedKey
 */

/**
 * @typedef {object} Verdict
 * @property {string} outcome 'accepted', 'refused: reason' or 'tried: reason'
 * @property {number} inspectionMs
 * @property {number} certificateMs
 * @property {number} trialMs
 * @property {string | null} fault what must not happen and did
 */

const INSPECTION_WITHIN_MS = 10_000;
const START_AND_END_MS = 30_000;
const MEMORY_OVERSHOOT = 1.5; // between two looks, where the system itself enforces nothing

/**
 * @param {Judges} judges
 * @param {{ folder: string, shape: import('../../src/models/image-shape.ts').ImageShape, classes: number, limits: { timeoutMs: number, memoryBytes: number } }} options
 */
export function openJudge(judges, { folder, shape, classes, limits }) {
  const { inspectDecoder, lipschitzCertificate, openDecoderTrials, AlignError, ReleaseError, seedKey } = judges;
  const trials = new Map(
    [null, classes].map((count) => [count, openDecoderTrials({ shape, classes: count, key: seedKey('fuzz'), limits })]),
  );
  const file = resolve(folder, 'case.onnx'); // which trials want whole

  /** @param {() => unknown} run @returns {{ result: any, reason: string | null, ms: number, fault: string | null }} */
  const timed = (run) => {
    const before = performance.now();
    const ended = () => performance.now() - before;
    try {
      return { result: run(), reason: null, ms: ended(), fault: null };
    } catch (error) {
      if (error instanceof AlignError)
        return { result: null, reason: String(error.facts['reason'] ?? error.code), ms: ended(), fault: null };
      return {
        result: null,
        reason: 'fault',
        ms: ended(),
        fault: error instanceof Error ? String(error.stack) : String(error),
      };
    }
  };

  return {
    /**
     * @param {import('./decoder-mutations.mjs').DecoderCase} one
     * @param {{ tries: boolean, certificate: boolean }} what
     * @returns {Promise<Verdict>}
     */
    async judge({ bytes, decoder }, { tries, certificate }) {
      const { classes: asked } = decoder;
      const inspected = timed(() => inspectDecoder(bytes, { shape, classes: asked }));
      const verdict = {
        outcome: `refused: ${inspected.reason}`,
        inspectionMs: inspected.ms,
        certificateMs: 0,
        trialMs: 0,
        fault: inspected.fault,
      };
      if (inspected.ms > INSPECTION_WITHIN_MS) verdict.fault ??= `inspection took ${inspected.ms} ms`;
      const contract = inspected.result;
      if (contract === null) return verdict;
      verdict.outcome = 'accepted';
      if (certificate) {
        const { ms, fault } = timed(() => lipschitzCertificate(bytes));
        verdict.certificateMs = ms;
        verdict.fault ??= fault ?? (ms > INSPECTION_WITHIN_MS ? `the certificate took ${ms} ms` : null);
      }
      if (!tries) return verdict;
      await writeFile(file, bytes);
      const { sha256, sizeBytes, latent } = contract;
      const offers =
        asked === null ? null : { count: asked, offered: Array.from({ length: asked }, (_, label) => label) };
      const before = performance.now();
      try {
        const opened = /** @type {NonNullable<ReturnType<typeof trials.get>>} */ (trials.get(asked));
        await opened.inspect(file, {
          silo: 'fuzz',
          round: 1,
          decoder: { sha256, sizeBytes, latent, shape, classes: offers },
          privacy: { mechanism: 'none', guarantee: 'none', epsilon: 'Infinity', delta: null, text: 'None.' },
        });
        verdict.outcome = 'accepted, and sound';
      } catch (error) {
        const reason = error instanceof ReleaseError ? String(error.facts['reason']) : null;
        verdict.outcome = `tried: ${reason}`;
        if (reason === null) verdict.fault = error instanceof Error ? String(error.stack) : String(error);
      }
      verdict.trialMs = performance.now() - before;
      if (verdict.trialMs > 2 * limits.timeoutMs + START_AND_END_MS)
        verdict.fault ??= `the trial took ${verdict.trialMs} ms`;
      if (this.peakBytes() > MEMORY_OVERSHOOT * limits.memoryBytes)
        verdict.fault ??= `a trial held ${this.peakBytes()} bytes`;
      return verdict;
    },
    peakBytes: () => Math.max(...[...trials.values()].map((one) => one.peakBytes())),
    async close() {
      for (const one of trials.values()) await one.close();
      await rm(file, { force: true });
    },
  };
}
