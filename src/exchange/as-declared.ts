// A decoder's file is the one that its header tells of: what was tried, what is opened and what is reported are the same bytes.

import type { DecoderContract } from './inspect.ts';
import { refuse } from './refusal.ts';
import type { ReleasedDecoder } from './release.ts';

/** What a header says of its decoder's file. */
export type DeclaredDecoder = Omit<ReleasedDecoder, 'onnx'>;

/** Throws ReleaseError, `not-as-declared`, unless a file of `contract` has the hash, size, L and shape of `declared`. */
export function requireAsDeclared(contract: DecoderContract, declared: DeclaredDecoder): void {
  const facts = (one: DecoderContract | DeclaredDecoder) => ({
    sha256: one.sha256,
    sizeBytes: one.sizeBytes,
    latent: one.latent,
    shape: [one.shape.channels, one.shape.height, one.shape.width].join(' x '),
  });
  const [found, said] = [facts(contract), facts(declared)];
  const wrong = (Object.keys(found) as (keyof typeof found)[]).find((name) => found[name] !== said[name]);
  if (wrong === undefined) return;
  refuse('not-as-declared', `Its header says ${wrong} ${said[wrong]}, but the file has ${found[wrong]}.`, {
    field: wrong,
    expected: said[wrong],
    found: found[wrong],
  });
}
