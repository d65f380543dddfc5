// What a decoder from outside takes and gives: float32 inputs z [n, L] and perhaps class [n, C], one float32 output x [n, ...image
// shape].

import { type GraphProto, TensorProto_DataType, type ValueInfoProto } from 'onnx-buf';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';
import { refuse, shown } from './refusal.ts';

/** The declared sides of input and output. */
export interface DecoderPorts {
  /** L */
  readonly latent: number;
  /** Images of one run; null where n is free. */
  readonly batch: number | null;
  /** C; null where there is no input for a class. */
  readonly classes: number | null;
}

/** Limit of L. */
export const MAX_LATENT = 4096;

/** Limit of channels, height and width where a file, and nobody else, tells them. */
export const MAX_SIDE = 1024;

/** Limit of C. */
export const MAX_CLASSES = 256;

/** Limit of n where the file fixes it. */
export const MAX_FIXED_BATCH = 1024;

/**
 * Reads the ports. Sides of the output behind n may be left open (exporters do where they cannot infer them), but
 * what is declared must be `shape`. `expected`: C, null where no class may go in, 'any' where the file decides. Throws
 * ReleaseError: `input`, `class-input` or `output`.
 */
export function inspectPorts(graph: GraphProto, shape: ImageShape, expected: number | 'any' | null): DecoderPorts {
  const labels = graph.input.filter(({ name }) => name === DECODER_CLASS);
  const others = labels.length === 1 ? graph.input.filter(({ name }) => name !== DECODER_CLASS) : graph.input;
  const z = sidesOf(others, { name: DECODER_INPUT, reason: 'input' });
  const [batch, latent] = z;
  if (z.length !== 2 || batch === undefined || !isCount(batch ?? 1, MAX_FIXED_BATCH) || !isCount(latent, MAX_LATENT)) {
    refuse('input', `'z' is declared as ${written(z)}; L must be from 1 to ${MAX_LATENT}.`, { found: written(z) });
  }
  const classes = labels.length === 1 ? classesOf(labels, batch ?? null, expected) : null;
  const x = sidesOf(graph.output, { name: DECODER_OUTPUT, reason: 'output' });
  const wanted = [batch, shape.channels, shape.height, shape.width];
  if (x.length !== wanted.length || x.some((side, axis) => side !== null && side !== wanted[axis])) {
    refuse('output', `'x' is declared as ${written(x)}; expected was ${written(wanted)}.`, {
      found: written(x),
      expected: written(wanted),
    });
  }
  return { latent, batch, classes };
}

/** The image shape that a graph's only output declares, or null where it leaves a side open. Checks nothing else. */
export function declaredShape({ output }: GraphProto): ImageShape | null {
  const type = output.find(({ name }) => name === DECODER_OUTPUT)?.type?.value;
  const dims = type?.case === 'tensorType' ? (type.value.shape?.dim ?? []) : [];
  const sides = dims.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : null));
  const [, channels, height, width] = sides;
  const isWhole = sides.length === 4 && sides.slice(1).every((side) => isCount(side, MAX_SIDE));
  return isWhole ? ({ channels, height, width } as ImageShape) : null;
}

// --- internal ---

interface Port {
  readonly name: string;
  readonly reason: 'input' | 'output' | 'class-input';
}

/** C of the input for classes, whose n must be that of `z`. */
function classesOf(labels: readonly ValueInfoProto[], batch: number | null, expected: number | 'any' | null): number {
  const sides = sidesOf(labels, { name: DECODER_CLASS, reason: 'class-input' });
  const [n, classes] = sides;
  const facts = { found: written(sides) };
  if (expected === null) {
    refuse(
      'class-input',
      "It takes a 'class', but images without labels are expected here. Send a decoder of z alone, or take part in a run of " +
        'labelled images.',
      facts,
    );
  }
  if (sides.length !== 2 || n !== batch || !isCount(classes, MAX_CLASSES)) {
    const limits = `expected was [${batch ?? 'n'}, C], n as in 'z', C from 1 to ${MAX_CLASSES}`;
    return refuse('class-input', `'class' is declared as ${written(sides)}; ${limits}.`, facts);
  }
  if (expected !== 'any' && classes !== expected) {
    refuse('class-input', `It knows ${classes} classes; expected were the ${expected} of the federation.`, {
      found: classes,
      expected,
    });
  }
  return classes;
}

/** Sides of the only port of a list; null where a side is open. */
function sidesOf(ports: readonly ValueInfoProto[], { name, reason }: Port): (number | null)[] {
  const [port] = ports;
  if (!port || ports.length !== 1 || port.name !== name) {
    const names = ports.slice(0, 8).map((one) => shown(one.name));
    const beside = reason === 'input' ? `, and at most one '${DECODER_CLASS}' beside it` : '';
    refuse(reason, `Its ${reason}s are [${names.join(', ')}]; expected was one, called '${name}'${beside}.`, {
      count: ports.length,
    });
  }
  const type = port.type?.value;
  if (type?.case !== 'tensorType' || type.value.elemType !== TensorProto_DataType.FLOAT || !type.value.shape) {
    refuse(reason, `'${name}' is not declared as a float32 tensor with a shape.`);
  }
  return type.value.shape.dim.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : null));
}

function isCount(side: number | null | undefined, most: number): side is number {
  return side !== null && side !== undefined && Number.isInteger(side) && side >= 1 && side <= most;
}

function written(sides: readonly (number | null | undefined)[]): string {
  return `[${sides
    .slice(0, 8)
    .map((side) => side ?? '?')
    .join(', ')}]`;
}
