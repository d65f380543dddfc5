// The size of one image, as data, models and decoders share it.

/** D = channels * height * width values, channel by channel, row by row. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** D */
export function pixelCount(shape: ImageShape): number {
  return shape.channels * shape.height * shape.width;
}
