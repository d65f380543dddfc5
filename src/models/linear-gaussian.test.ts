import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { float32 } from '../engine/array-spec.ts';
import { openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { exportLabelledDecoder, labelledDecoderFunction } from './labelled-decoder.ts';
import { type LinearGaussian, linearGaussianOf } from './linear-gaussian.ts';

const KEY = seedKey('linear-gaussian');
const COLOUR = { channels: 2, height: 4, width: 6 };

/** Parameters that are drawn, for classes 1 and 3 of 4, but for the choice of classes, thresholds and basis. */
function drawnParameters(generator: LinearGaussian, thresholds: readonly number[] = []) {
  const { parameters: specs, transform, classes, offered } = generator;
  const filled = (name: string, scale: number) => {
    const count = specs[name]!.shape.reduce((product, side) => product * side, 1);
    return normals(childKey(KEY, name), count).map((value) => value * scale);
  };
  return {
    'decoder.offered': Float32Array.from({ length: classes * offered.length }, (_, at) =>
      offered[at % offered.length] === Math.floor(at / offered.length) ? 1 : 0,
    ),
    ...(thresholds.length > 0 && { 'decoder.thresholds': Float32Array.from(thresholds) }),
    'decoder.means': filled('decoder.means', 0.3),
    'decoder.factors': filled('decoder.factors', 0.3),
    'decoder.rows': Float32Array.from(transform.rows),
    'decoder.columns': Float32Array.from(transform.columns),
  };
}

async function draw(generator: LinearGaussian, bytes: Uint8Array, z: Float32Array, labels: readonly number[]) {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const n = labels.length;
  const hot = Float32Array.from({ length: n * generator.classes }, (_, at) =>
    labels[Math.floor(at / generator.classes)] === at % generator.classes ? 1 : 0,
  );
  const { x } = await session.run({
    z: new Tensor('float32', z, [n, generator.latent]),
    class: new Tensor('float32', hot, [n, generator.classes]),
  });
  await session.release();
  return { hot, data: x?.data as Float32Array };
}

/** x in float64, written out: the sum over frequencies of (mean + factors z) times both cosines, cut to [0, 1]. */
function slowImage(
  generator: LinearGaussian,
  parameters: ReturnType<typeof drawnParameters>,
  { group, code }: { readonly group: number; readonly code: Float32Array },
): number[] {
  const { rank, transform } = generator;
  const { size, height, width, rows, columns } = transform;
  const coefficient = (j: number) =>
    code.reduce(
      (sum, value, a) => sum + value * parameters['decoder.factors'][(group * rank + a) * size + j]!,
      parameters['decoder.means'][group * size + j]!,
    );
  return Array.from({ length: generator.pixels }, (_, at) => {
    const [channel, y, x] = [Math.floor(at / 24), Math.floor((at % 24) / 6), at % 6];
    let pixel = 0;
    for (let f = 0; f < height; f++) {
      for (let g = 0; g < width; g++) {
        pixel += coefficient((channel * height + f) * width + g) * rows[f * 4 + y]! * columns[g * 6 + x]!;
      }
    }
    return Math.min(1, Math.max(0, pixel));
  });
}

const options = { components: 1, frequencies: 3, rank: 2 };
const sizes = { shape: COLOUR, classes: 4, offered: [1, 3] };

describe('a linear-Gaussian generator', () => {
  test('has codes of its rank, and one more number to choose a component by', () => {
    expect(linearGaussianOf(options, sizes).latent).toBe(2);
    expect(linearGaussianOf({ ...options, components: 3 }, sizes).latent).toBe(3);
    expect(linearGaussianOf({ ...options, rank: 99 }, sizes).latent).toBe(18); // 2 channels of 3 x 3 frequencies
  });

  test.each([
    ['a Gaussian a class', 1, []],
    ['three components a class', 3, [-0.5, 0.5, -1, 20]],
  ])('as a file draws what its equation says: %s', async (_, components, thresholds) => {
    const generator = linearGaussianOf({ ...options, components }, sizes);
    const parameters = drawnParameters(generator, thresholds);
    const labels = [1, 3, 3, 1, 1, 3];
    const z = normals(childKey(KEY, 'z', components), labels.length * generator.latent);
    if (components > 1) [-1, -1.5, 0.3, 0, 1, 30].forEach((first, i) => (z[i * generator.latent] = first)); // all six
    const { data } = await draw(generator, exportLabelledDecoder(generator, parameters, COLOUR), z, labels);
    const chosen = new Set<number>();
    labels.forEach((label, i) => {
      const code = z.subarray(i * generator.latent, (i + 1) * generator.latent);
      const own = label === 1 ? thresholds.slice(0, 2) : thresholds.slice(2);
      const group = (label === 1 ? 0 : components) + own.filter((threshold) => code[0]! > threshold).length;
      chosen.add(group);
      const expected = slowImage(generator, parameters, { group, code: components > 1 ? code.subarray(1) : code });
      expected.forEach((pixel, at) => expect(data[i * 48 + at]).toBeCloseTo(pixel, 5));
    });
    expect(chosen.size).toBe(2 * components);
  });

  test('is the same function on both executors', async () => {
    const generator = linearGaussianOf({ ...options, components: 2 }, sizes);
    const parameters = drawnParameters(generator, [0, 0.2]);
    const labels = [1, 3, 0, 1];
    const z = normals(childKey(KEY, 'twin'), 4 * 3);
    const { hot, data } = await draw(generator, exportLabelledDecoder(generator, parameters, COLOUR), z, labels);
    const engine = await openEngine({ executor: 'wasm' });
    const inputs = { z: float32(4, 3), class: float32(4, 4), ...generator.parameters };
    const program = await engine.compile('generator', labelledDecoderFunction(generator, COLOUR), inputs);
    const x = new Float32Array(4 * 48);
    await program.bind({ z, class: hot, ...parameters }, { x })();
    await engine.close();
    x.forEach((pixel, at) => expect(data[at]).toBeCloseTo(pixel, 5));
    expect(data.subarray(96, 144).every((pixel) => pixel === 0)).toBe(true); // class 0 is not offered: blank
  });

  test('chooses the component below a threshold that z[0] meets exactly, and the one above by the least step', async () => {
    const generator = linearGaussianOf({ components: 2, frequencies: 1, rank: 1 }, { ...sizes, offered: [1] });
    const means = [0.1, 0.1, 0.5, 0.5].map((value) => value * Math.sqrt(24)); // coefficients of even images
    const parameters = {
      ...drawnParameters(generator, [0.7]),
      'decoder.means': Float32Array.from(means),
      'decoder.factors': new Float32Array(4),
    };
    const z = Float32Array.of(0.7, 1, 0.7 + 2 ** -24, 1, 0.7 - 2 ** -24, 1);
    const { data } = await draw(generator, exportLabelledDecoder(generator, parameters, COLOUR), z, [1, 1, 1]);
    expect([data[0], data[48], data[96]].map((pixel) => pixel?.toFixed(3))).toEqual(['0.100', '0.500', '0.100']);
  });

  test('is refused without components, frequencies, rank or classes', () => {
    for (const name of ['components', 'frequencies', 'rank']) {
      expect(() => linearGaussianOf({ ...options, [name]: 0 }, sizes)).toThrow(SpecError);
    }
    expect(() => linearGaussianOf(options, { ...sizes, offered: [] })).toThrow(/'offered' must be/);
  });
});
