// The global model for others to use: as ONNX files beside the server's state.

import { join } from 'node:path';
import { StateError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { exportClassifier } from '../models/classifier-export.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { exportEncoder } from '../models/encoder-export.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { Vae } from '../models/vae.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { loadState } from '../training/state-file.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { RunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';

/** The file of the global model's state under a strategy. */
export function globalStateFile(folder: RunFolder, strategy: StrategyName): string {
  return join(folder.layout.global(strategy), 'state.safetensors');
}

/** Parameters of the global model. Throws StateError where the strategy has not finished a round. */
export async function globalParameters(folder: RunFolder, strategy: StrategyName): Promise<NamedArrays> {
  const file = globalStateFile(folder, strategy);
  const state = await loadState(file);
  if (state) return state.parameters;
  throw new StateError(`${file} is missing: no round of ${strategy} is complete. Run the same command again.`, {
    file,
  });
}

/** Writes `encoder.onnx` (x -> code) and `decoder.onnx` (z -> x). */
export async function saveGlobalModel(options: {
  readonly strategy: StrategyName;
  readonly folder: RunFolder;
  readonly vae: Vae;
  readonly shape: ImageShape;
}): Promise<void> {
  const { vae, shape } = options;
  await saveFiles(options, {
    'encoder.onnx': (parameters) => exportEncoder(vae, parameters, shape),
    'decoder.onnx': (parameters) => exportDecoder(vae, parameters, shape),
  });
}

/** Writes `classifier.onnx` (x -> logits). */
export async function saveGlobalClassifier(options: {
  readonly strategy: StrategyName;
  readonly folder: RunFolder;
  readonly classifier: Classifier;
  readonly shape: ImageShape;
}): Promise<void> {
  const { classifier, shape } = options;
  await saveFiles(options, { 'classifier.onnx': (parameters) => exportClassifier(classifier, parameters, shape) });
}

// --- internal ---

async function saveFiles(
  { strategy, folder }: { readonly strategy: StrategyName; readonly folder: RunFolder },
  files: Readonly<Record<string, (parameters: NamedArrays) => Uint8Array>>,
): Promise<void> {
  const parameters = await globalParameters(folder, strategy);
  for (const [name, exported] of Object.entries(files)) {
    await writeFileAtomic(join(folder.layout.global(strategy), name), exported(parameters));
  }
}
