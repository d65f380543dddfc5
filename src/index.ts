// The public list: all that other programs may use, by name. Nobody inside imports this file.

export { type DataSet, FOREIGN_LABEL, type ImageSet } from './data/image-set.ts';
export { type ArraySpec, type DType, float32, type HostArray, type Tree, uint32 } from './engine/array-spec.ts';
export { type Engine, type EngineOptions, openEngine } from './engine/engine.ts';
export { childKey, fillBits, type Key, normals, permutation, seedKey, uniforms } from './engine/keys.ts';
export type { BoundRun, Buffers, Program } from './engine/program.ts';
export * from './errors.ts';
export { type DecoderContract, inspectDecoder } from './exchange/inspect.ts';
export { probeDecoder } from './exchange/probe.ts';
export type { Release } from './exchange/release.ts';
export type { DataAccess } from './experiments/materials.ts';
export { loadSpec } from './experiments/load-spec.ts';
export { parseSpec } from './experiments/parse-spec.ts';
export { type Preset, presets } from './experiments/presets.ts';
export { type RunOptions, runExperiment } from './experiments/run.ts';
export type { RunEvent } from './experiments/run-events.ts';
export { closeRunFolder, openRunFolder, type RunFolder, resumeRunFolder } from './experiments/run-folder.ts';
export type { Spec, SpecInput } from './experiments/spec.ts';
export { specJsonSchema } from './experiments/spec-schema.ts';
export { type Metrics, readSummary, type Summary } from './experiments/summary.ts';
export type { Architecture } from './models/architecture.ts';
export { exportDecoder } from './models/decoder-export.ts';
export type { ImageShape } from './models/image-shape.ts';
export { type Vae, vaeOf } from './models/vae.ts';
