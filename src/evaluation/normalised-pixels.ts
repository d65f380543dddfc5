// Images without brightness and contrast, so that distances between them compare what they show.

/** Each image of [N, D] less its mean, with norm 1: distances are then sqrt(2 - 2 r), r being the correlation. A flat one becomes 0. */
export function normalisedPixels(images: Float32Array, pixels: number): Float32Array {
  const out = new Float32Array(images.length);
  for (let from = 0; from < images.length; from += pixels) {
    const image = images.subarray(from, from + pixels);
    const mean = image.reduce((sum, value) => sum + value, 0) / pixels;
    const norm = Math.sqrt(image.reduce((sum, value) => sum + (value - mean) ** 2, 0));
    if (norm > 0) for (let d = 0; d < pixels; d++) out[from + d] = ((image[d] as number) - mean) / norm;
  }
  return out;
}
