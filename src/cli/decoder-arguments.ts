// What the commands about a decoder's file take: the file, the shape of its images, its classes.

import { SpecError, StateError } from '../errors.ts';
import { shapeInFile } from '../exchange/describe-decoder.ts';
import { MAX_CLASSES, MAX_SIDE } from '../exchange/inspect-ports.ts';
import { MAX_DECODER_BYTES } from '../exchange/parse-decoder.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import type { NumberKind } from './number-argument.ts';

/** Help of `--shape`. */
export const SHAPE_HELP =
  'shape of its images, channels x height x width, such as 1x28x28 (default: what the file says)';

/** How many classes there are. */
export const CLASS_COUNT: NumberKind = {
  expected: `a number of classes from 1 to ${MAX_CLASSES}`,
  example: '10',
  accepts: (value) => Number.isInteger(value) && value >= 1 && value <= MAX_CLASSES,
};

/** The bytes of a decoder's file. Throws SpecError where there is none, StateError where it cannot be read or is too large. */
export function readDecoder(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return readFileBounded(path, { maxBytes: MAX_DECODER_BYTES }).catch((error: unknown) => {
    if (!(error instanceof StateError && ['ENOENT', 'ENOTDIR'].includes(String(error.facts['reason'])))) throw error;
    const message = `There is no file ${path}. Name the ONNX file of a decoder, such as digits.onnx.`;
    throw new SpecError(message, { path }, { cause: error });
  });
}

/** The shape that `--shape` gives, or else the file. Throws SpecError where neither tells, ReleaseError for no ONNX model. */
export function shapeArgument(text: string | undefined, onnx: Uint8Array): ImageShape {
  if (text === undefined) {
    const found = shapeInFile(onnx);
    if (found) return found;
    throw new SpecError(
      "--shape is missing: the file does not say how large its images 'x' are. Give it, such as 1x28x28.",
      {
        path: '--shape',
      },
    );
  }
  const [channels, height, width] = (/^(\d{1,4})x(\d{1,4})x(\d{1,4})$/.exec(text) ?? []).slice(1).map(Number);
  if (![channels, height, width].every((side) => side !== undefined && side >= 1 && side <= MAX_SIDE)) {
    throw new SpecError(
      `--shape: expected channels x height x width, each from 1 to ${MAX_SIDE}, got '${text.slice(0, 100)}'. Write 1x28x28.`,
      { path: '--shape' },
    );
  }
  return { channels, height, width } as ImageShape;
}

/** Classes as a list of numbers and ranges, `0,1` or `0-4,7`: ascending, each once. Throws SpecError, also above `count` - 1. */
export function classList(flag: string, text: string, count: number): readonly number[] {
  const parts = text.split(',').map((part) => /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part.trim()));
  const labels = parts.flatMap((part) => {
    if (part === null) return [Number.NaN];
    const [low, high] = [Number(part[1]), Number(part[2] ?? part[1])];
    return high < low ? [Number.NaN] : Array.from({ length: high - low + 1 }, (_, i) => low + i);
  });
  if (labels.every((label) => label < count)) return [...new Set(labels)].sort((a, b) => a - b);
  throw new SpecError(
    `${flag}: expected classes from 0 to ${count - 1}, such as 0,1 or 0-${count - 1}, got '${text.slice(0, 100)}'.`,
    { path: flag },
  );
}
