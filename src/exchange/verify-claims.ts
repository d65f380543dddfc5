// What the receiver of a decoder checks of the statement that comes with it: of claims about weights, the weights tell.

import {
  CERTIFICATE_TOLERANCE,
  type LipschitzCertificate,
  refuseCertificate,
  verifyCertificate,
} from './lipschitz-certificate.ts';
import { lipschitzClaimOf } from './privacy-statement.ts';
import type { PrivacyStatement } from './privacy-statement-schema.ts';

/**
 * Computes the Lipschitz certificate of a decoder's file again where its statement claims one, and returns it; null where
 * none is claimed. Throws ReleaseError with `facts.reason`: `certificate-missing` where spectral normalisation is claimed
 * without, `certificate-false` where the weights do not keep it, or it is above the bound that it should prove.
 */
export function verifyClaims(onnx: Uint8Array, statement: PrivacyStatement): LipschitzCertificate | null {
  const claim = lipschitzClaimOf(statement);
  if (claim === null) return null;
  const { form, bound, certificate } = claim;
  if (certificate === null) {
    if (form !== 'spectral-normalisation') return null;
    return refuseCertificate(
      'certificate-missing',
      `It claims ${form} with bound ${bound}, but brings no certificate.`,
    );
  }
  if (form === 'spectral-normalisation' && !(certificate.bound <= (bound ?? 0) * (1 + CERTIFICATE_TOLERANCE))) {
    refuseCertificate(
      'certificate-false',
      `It claims bound ${bound}, but its own certificate says ${certificate.bound}.`,
      {
        claimed: bound,
        certificate: certificate.bound,
      },
    );
  }
  return verifyCertificate(onnx, certificate);
}
