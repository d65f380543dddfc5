// Every error the product throws on purpose, sorted by what its reader can do next.
// `docs/errors.md` has an entry for each `code`; a test keeps it complete.

/** Facts of an error as data: printed by `--json`, asserted by tests. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly (string | number)[] | null>>;

/** Parent of all deliberate errors. `message` says what was expected, what came and what to do next. */
export abstract class AlignError extends Error {
  abstract readonly code: string;
  readonly facts: ErrorFacts;

  constructor(message: string, facts: ErrorFacts = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.facts = facts;
  }
}

/** The spec or a command-line argument is wrong: edit it. `facts.path` says where. */
export class SpecError extends AlignError {
  readonly code = 'SPEC';
}

/** A data file is missing, damaged or not what it claims to be: fetch or repair it. */
export class DataError extends AlignError {
  readonly code = 'DATA';
}

/** A run folder or saved state is missing, damaged or of another version. */
export class StateError extends AlignError {
  readonly code = 'STATE';
}

/** An array has another shape or type than the function needs: a bug at the caller. */
export class ShapeError extends AlignError {
  readonly code = 'SHAPE';
}

/** A traced function uses a primitive, shape or type the engine cannot express. */
export class LoweringError extends AlignError {
  readonly code = 'LOWERING';
}

/** The machine lacks what was asked for: a device, a library, an executor. */
export class DeviceError extends AlignError {
  readonly code = 'DEVICE';
}

/** A loss or an output is not finite: replay the step that `facts` names. */
export class NumericalError extends AlignError {
  readonly code = 'NUMERICAL';
}

/** Refused to protect privacy: nothing left the silo. */
export class PrivacyError extends AlignError {
  readonly code = 'PRIVACY';
}

/** A release was refused on arrival. `facts.reason` says why. */
export class ReleaseError extends AlignError {
  readonly code = 'RELEASE';
}

/** A message from the network is not what the protocol allows, and was dropped. `facts.reason` says why. */
export class MessageError extends AlignError {
  readonly code = 'MESSAGE';
}

/** The other side is gone: a thread, a process or a connection ended in the middle of a task. Retry: nothing counts twice. */
export class LostPeerError extends AlignError {
  readonly code = 'LOST_PEER';
}

/** One side did not let the other in, or is not who it should be: a certificate, a key, a permission, an invite. `facts.reason` says which. */
export class AccessError extends AlignError {
  readonly code = 'ACCESS';
}

/** Work was stopped on request (Ctrl-C, an abort signal); what was completed is on disk. */
export class AbortedError extends AlignError {
  readonly code = 'ABORTED';
}
