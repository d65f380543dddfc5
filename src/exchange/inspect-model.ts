// The envelope of a decoder from outside: a supported version, the standard operators, one graph and nothing beside it.

import type { GraphProto, ModelProto } from 'onnx-buf';
import { refuse, shown } from './refusal.ts';

/** The graph of a model that is only a graph. Throws ReleaseError: `version`, `domain`, `not-plain` or `not-onnx`. */
export function inspectModel(model: ModelProto): GraphProto {
  const [opset, ...others] = model.opsetImport;
  if (!opset || others.length > 0 || (opset.domain !== '' && opset.domain !== 'ai.onnx')) {
    const domains = model.opsetImport.slice(0, 8).map(({ domain }) => shown(domain));
    refuse('domain', `It imports [${domains.join(', ')}]; expected was the standard set alone.`);
  }
  if (model.irVersion < MIN_IR_VERSION || opset.version < MIN_OPSET) {
    const found = `format ${model.irVersion}, operators ${opset.version}`;
    refuse('version', `It has ${found}; needed are at least ${MIN_IR_VERSION} and ${MIN_OPSET}.`, { found });
  }
  const { graph } = model;
  if (!graph) return refuse('not-onnx', 'It has no graph.');
  const parts = {
    functions: model.functions,
    'training steps': model.trainingInfo,
    'device placements': model.configuration,
    'sparse tensors': graph.sparseInitializer,
    'quantisation annotations': graph.quantizationAnnotation,
  };
  const present = Object.entries(parts).flatMap(([name, list]) => (list.length > 0 ? [name] : []));
  if (present.length > 0) refuse('not-plain', `It has ${present.join(', ')}.`, { found: present });
  return graph;
}

// --- internal ---

/** Initialisers that are no inputs came with format version 4. */
const MIN_IR_VERSION = 4n;
const MIN_OPSET = 9n;
