import { createUser, fromPublic } from '@nats-io/nkeys';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ed25519Signer, isEd25519Signature } from './ed25519.ts';

test('signs and verifies as the nkeys of the NATS client do', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const pair = createUser();
      const seed = new TextDecoder().decode(pair.getSeed());
      const signature = ed25519Signer(seed)(bytes);
      expect(Buffer.from(signature).equals(pair.sign(bytes))).toBe(true);
      expect(fromPublic(pair.getPublicKey()).verify(bytes, signature)).toBe(true);
      expect(isEd25519Signature(pair.getPublicKey(), bytes, signature)).toBe(true);
      signature[7] = (signature[7] ?? 0) ^ 1;
      expect(isEd25519Signature(pair.getPublicKey(), bytes, signature)).toBe(false);
    }),
    { numRuns: 10, seed: 1 },
  );
});
