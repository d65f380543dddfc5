// A traced function that is ready to run, whatever executes it.

import type { HostArray, NamedSpec } from './array-spec.ts';

/** Buffers by the names of a program's ports. */
export type Buffers = Readonly<Record<string, HostArray>>;

/** An array that enters or leaves a program. */
export interface Port extends NamedSpec {
  /** Its name inside a model file, where that differs: an output that is called like an input. */
  readonly tensor?: string;
}

/** The name of a port inside a model file. */
export function tensorName(port: Port): string {
  return port.tensor ?? port.name;
}

/** Runs once: reads the bound input buffers, fills the bound output buffers. */
export type BoundRun = () => Promise<void>;

/** A compiled function. Programs hold no data: bind them to buffers, as often as needed, and call what comes back. */
export interface Program {
  readonly label: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Ties ports to preallocated buffers. Contents are read and written at each run, never copied here: a caller that
   * feeds outputs back as inputs binds twice and alternates (ping-pong). An output buffer must not be an input buffer
   * of the same binding. Throws ShapeError for a missing or ill-sized buffer.
   */
  bind(inputs: Buffers, outputs: Buffers): BoundRun;
}

/** A model file as a program. It holds the file's weights until it is closed. */
export interface ModelProgram extends Program {
  close(): Promise<void>;
}
