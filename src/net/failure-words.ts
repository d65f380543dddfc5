// What a silo says of a round that it could not play: a code and a fixed sentence, never the message of its error, which may
// tell of its data, its folders or its losses.

import {
  AlignError,
  DataError,
  DeviceError,
  type ErrorFacts,
  LostPeerError,
  LoweringError,
  MessageError,
  NumericalError,
  PrivacyError,
  ReleaseError,
  ShapeError,
  SpecError,
  StateError,
} from '../errors.ts';

/** The code and words that leave the silo for `error`. */
export function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof PrivacyError && error.facts['lost'] === true) return failureOfCode(LOST_CODE);
  return failureOfCode(error instanceof AlignError ? error.code : 'UNEXPECTED');
}

/** The words that go with a code that left before. */
export function failureOfCode(code: string): { readonly code: string; readonly message: string } {
  const known = Object.hasOwn(WORDS, code) ? code : 'UNEXPECTED';
  return { code: known, message: WORDS[known as keyof typeof WORDS] };
}

/** At the server: the error again, of the class that has the code; LostPeerError for one that none has. */
export function revivedFailure(
  silo: string,
  round: number,
  { code, message }: { code: string; message: string },
): AlignError {
  const facts: ErrorFacts = { silo, round, code, failed: true };
  const text = `Silo ${silo} could not play round ${round}: ${code}, ${message}`;
  const Class = Object.hasOwn(CLASSES, code) ? CLASSES[code as keyof typeof CLASSES] : LostPeerError;
  return new Class(text, facts);
}

/** Of a decoder that has left a silo and is lost: the server may stop asking for it. Its error is a PrivacyError with `facts.lost`. */
export const LOST_CODE = 'LOST_RELEASE';

// --- internal ---

const WORDS = {
  PRIVACY: 'its privacy budget or rules refuse it. Nothing left it. Its owner can see more on its machine.',
  [LOST_CODE]:
    'its decoder has left it once, and the folder that could give it again is lost. It is not made a second time.',
  DATA: 'its data cannot be used. Its owner can see more on its machine.',
  STATE: 'its saved state cannot be used. Its owner can see more on its machine.',
  SPEC: 'it cannot be done as it was asked for. Its owner can see more on its machine.',
  DEVICE: 'its machine lacks what was asked for. Its owner can see more on its machine.',
  NUMERICAL: 'its training did not stay finite. Its owner can see more on its machine.',
  RELEASE: 'its decoder would be refused. Its owner can see more on its machine.',
  LOST_PEER: 'a part of it ended in the middle. It may be asked again.',
  SHAPE: 'of a bug. Its owner can see more on its machine.',
  LOWERING: 'of a bug. Its owner can see more on its machine.',
  MESSAGE: 'its answer does not fit into a message. Its owner can see more on its machine.',
  COMMITTED:
    'it was told that this release is committed, and has removed it. The file should be in the folder of the run.',
  UNEXPECTED: 'of an error that nobody expected. Its owner can see more on its machine.',
} as const;

const CLASSES = {
  PRIVACY: PrivacyError,
  [LOST_CODE]: PrivacyError,
  DATA: DataError,
  STATE: StateError,
  COMMITTED: StateError,
  SPEC: SpecError,
  DEVICE: DeviceError,
  NUMERICAL: NumericalError,
  RELEASE: ReleaseError,
  LOST_PEER: LostPeerError,
  MESSAGE: MessageError,
  SHAPE: ShapeError,
  LOWERING: LoweringError,
} as const;

/** What a silo says when it is asked for a round that is committed. */
export const COMMITTED_FAILURE = { code: 'COMMITTED', message: WORDS.COMMITTED } as const;
