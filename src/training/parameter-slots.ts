// Where a model's parameters and the optimizer's memory lie while it trains: one flat vector each, seen by name.

import { alignedLength, type Arena } from '../engine/arena.ts';
import { type ArraySpec, sizeOf } from '../engine/array-spec.ts';
import { ShapeError } from '../errors.ts';

/** Named arrays: parameters, and the optimizer's memory under `<memory>/<parameter>`. */
export type NamedArrays = Readonly<Record<string, Float32Array>>;

/** Where training stands between two epochs; enough to go on as if nothing had happened. */
export interface TrainingState {
  readonly parameters: NamedArrays;
  /** Empty before the first step: each array then begins as its trainer says, mostly with zeros. */
  readonly memory: NamedArrays;
  readonly epochsDone: number;
}

/** Live views of the arrays that change from step to step. */
export interface Slots {
  readonly parameters: NamedArrays;
  readonly memory: NamedArrays;
}

/** Where each parameter lies in one flat vector, each on a 64-byte border. */
export interface Layout {
  readonly length: number;
  /** The parameters' shares of an arena's vector. */
  named(arena: Arena, vector: string): NamedArrays;
}

/** A state before any training. */
export function freshState(parameters: NamedArrays): TrainingState {
  return { parameters, memory: {}, epochsDone: 0 };
}

/** The layout of parameters, in the order of the record. */
export function layoutOf(specs: Readonly<Record<string, ArraySpec>>): Layout {
  let length = 0;
  const places = Object.entries(specs).map(([name, spec]) => {
    const place = { name, offset: length, size: sizeOf(spec) };
    length += alignedLength(place.size);
    return place;
  });
  return {
    length,
    named(arena, vector) {
      const whole = arena.vector(vector);
      return Object.fromEntries(places.map(({ name, offset, size }) => [name, whole.subarray(offset, offset + size)]));
    },
  };
}

/** The same arrays under longer names. */
export function prefixed(prefix: string, arrays: NamedArrays): NamedArrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [prefix + name, array]));
}

/** Views of the optimizer's memory. */
export function memorySlots(layout: Layout, arena: Arena, names: readonly string[]): NamedArrays {
  return Object.assign({}, ...names.map((memory) => prefixed(`${memory}/`, layout.named(arena, memory))));
}

/** Copies a state into the slots; where it has no memory at all, memory becomes zero. Throws ShapeError where they do not fit. */
export function restore(slots: Slots, state: TrainingState): void {
  for (const [name, slot] of Object.entries(slots.parameters))
    fill(slot, `Parameter '${name}'`, state.parameters[name]);
  const isFresh = Object.keys(state.memory).length === 0;
  for (const [name, slot] of Object.entries(slots.memory)) {
    if (isFresh) slot.fill(0);
    else fill(slot, `Optimizer memory '${name}'`, state.memory[name]);
  }
}

/** A copy of what the slots hold. */
export function snapshot(slots: Slots, epochsDone: number): TrainingState {
  const copy = (arrays: NamedArrays) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice()]));
  return { parameters: copy(slots.parameters), memory: copy(slots.memory), epochsDone };
}

// --- internal ---

function fill(slot: Float32Array, what: string, value: Float32Array | undefined): void {
  if (value?.length !== slot.length) {
    const found = value?.length ?? 'none';
    throw new ShapeError(`${what} should have ${slot.length} values, but the given state has ${found}.`, { what });
  }
  slot.set(value);
}
