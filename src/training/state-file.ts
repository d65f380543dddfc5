// A training state on disk: one safetensors file, replaced atomically, which says how far training had come.

import { z } from 'zod';
import { StateError } from '../errors.ts';
import { readFileBounded, writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { decodeSafetensors, encodeSafetensors, type Tensor, type TensorFile } from '../storage/safetensors.ts';
import type { NamedArrays, TrainingState } from './parameter-slots.ts';

/** A state with its place in the federation: within round `round`, or at its end. */
export interface StoredState extends TrainingState {
  readonly round: number;
  /** Whether the round's training is complete; the optimizer's memory is then empty, since each round starts anew. */
  readonly finished: boolean;
}

/** Replaces the file. When the promise resolves the state survives a power failure. */
export async function saveState(path: string, state: StoredState): Promise<void> {
  const tensors: Record<string, Tensor> = {};
  const add = (prefix: string, arrays: NamedArrays) => {
    for (const [name, data] of Object.entries(arrays)) {
      tensors[prefix + name] = { dtype: 'F32', shape: [data.length], data };
    }
  };
  add(PARAMETER, state.parameters);
  if (!state.finished) add(MEMORY, state.memory);
  const metadata = {
    format: FORMAT,
    round: String(state.round),
    epochsDone: String(state.epochsDone),
    finished: String(state.finished),
  };
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

/** The state in the file, or null where there is none. Throws StateError for a damaged file or another format. */
export async function loadState(path: string): Promise<StoredState | null> {
  if (!isThere(path)) return null;
  const bytes = await readFileBounded(path, { maxBytes: MAX_STATE_BYTES });
  const { tensors, metadata } = decoded(bytes, path);
  const parsed = metadataSchema.safeParse(metadata);
  if (!parsed.success) {
    throw new StateError(
      `${path} is not a training state of this version (expected format ${FORMAT}). ` +
        'Move the run folder away to start afresh, or use the version of align-fl that wrote it.',
      { path },
      { cause: parsed.error },
    );
  }
  const part = (prefix: string): NamedArrays =>
    Object.fromEntries(
      Object.entries(tensors)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, { dtype, data }]) => {
          if (dtype === 'F32') return [name.slice(prefix.length), data];
          throw new StateError(`${path} holds '${name}' as ${dtype}; a training state is all F32. ${RESTORE}`, {
            path,
          });
        }),
    );
  return {
    parameters: part(PARAMETER),
    memory: part(MEMORY),
    round: parsed.data.round,
    epochsDone: parsed.data.epochsDone,
    finished: parsed.data.finished === 'true',
  };
}

// --- internal ---

const FORMAT = 'align-fl/training-state@1';
const PARAMETER = 'parameter/';
const MEMORY = 'memory/';
const MAX_STATE_BYTES = 2 ** 31;
const RESTORE = 'Restore it from a copy, or start afresh in another run folder.';

/** Says which file it was: the reader of the format knows bytes only. */
function decoded(bytes: Uint8Array, path: string): TensorFile {
  try {
    return decodeSafetensors(bytes);
  } catch (cause) {
    if (!(cause instanceof StateError)) throw cause;
    throw new StateError(`${path} is damaged. ${cause.message} ${RESTORE}`, { ...cause.facts, path }, { cause });
  }
}

const metadataSchema = z.object({
  format: z.literal(FORMAT),
  round: z.coerce.number().int().min(0),
  epochsDone: z.coerce.number().int().min(0),
  finished: z.enum(['true', 'false']),
});
