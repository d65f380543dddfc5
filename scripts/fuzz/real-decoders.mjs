// Real decoders of every kind that we write, small: what fuzzing begins with.

/**
 * @typedef {object} RealDecoder
 * @property {string} name
 * @property {Uint8Array} bytes
 * @property {{ channels: number, height: number, width: number }} shape
 * @property {number | null} classes C where the file takes a class
 */

/** The makers, from src/ in tests and from dist/ elsewhere.
 * @typedef {object} Makers
 * @property {typeof import('../../src/models/vae.ts').vaeOf} vaeOf
 * @property {typeof import('../../src/models/conditional-vae.ts').conditionalVaeOf} conditionalVaeOf
 * @property {typeof import('../../src/models/linear-gaussian.ts').linearGaussianOf} linearGaussianOf
 * @property {typeof import('../../src/models/initialise.ts').initialParameters} initialParameters
 * @property {typeof import('../../src/models/decoder-export.ts').exportDecoder} exportDecoder
 * @property {typeof import('../../src/models/labelled-decoder.ts').exportLabelledDecoder} exportLabelledDecoder
 * @property {typeof import('../../src/engine/keys.ts').seedKey} seedKey
 * @property {typeof import('../../src/engine/keys.ts').normals} normals
 */

export const SHAPE = { channels: 1, height: 8, width: 8 };
export const CLASSES = 3;

/** @typedef {import('../../src/models/architecture.ts').Architecture} Architecture */

/**
 * @param {Makers} makers
 * @returns {RealDecoder[]}
 */
export function realDecoders({
  vaeOf,
  conditionalVaeOf,
  linearGaussianOf,
  initialParameters,
  exportDecoder,
  exportLabelledDecoder,
  seedKey,
  normals,
}) {
  const key = seedKey('real decoders');
  /** @type {(name: string, architecture: Architecture) => RealDecoder} */
  const plain = (name, architecture) => {
    const vae = vaeOf(architecture, SHAPE);
    return {
      name,
      bytes: exportDecoder(vae, initialParameters(vae.parameters, key), SHAPE),
      shape: SHAPE,
      classes: null,
    };
  };
  /** @type {(name: string, architecture: Architecture, prior: import('../../src/models/conditional-vae.ts').LatentPrior) => RealDecoder} */
  const labelled = (name, architecture, prior) => {
    const vae = conditionalVaeOf(architecture, { shape: SHAPE, classes: CLASSES, prior });
    const bytes = exportLabelledDecoder(vae.generator, initialParameters(vae.parameters, key), SHAPE);
    return { name, bytes, shape: SHAPE, classes: CLASSES };
  };
  /** @type {(name: string, components: number) => RealDecoder} */
  const gaussian = (name, components) => {
    const options = { components, frequencies: 3, rank: 2 };
    const generator = linearGaussianOf(options, { shape: SHAPE, classes: CLASSES, offered: [0, 1, 2] });
    const parameters = Object.fromEntries(
      Object.entries(generator.parameters).map(([parameter, { shape }]) => {
        const count = shape.reduce((product, side) => product * side, 1);
        return [parameter, normals(seedKey(parameter), count)];
      }),
    );
    parameters['decoder.offered'] = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
    parameters['decoder.rows'] = Float32Array.from(generator.transform.rows);
    parameters['decoder.columns'] = Float32Array.from(generator.transform.columns);
    return { name, bytes: exportLabelledDecoder(generator, parameters, SHAPE), shape: SHAPE, classes: CLASSES };
  };
  return [
    plain('dense', { kind: 'mlp', hidden: [6, 5], latent: 2 }),
    plain('convolutional', { kind: 'conv', channels: [3, 4], latent: 2 }),
    labelled(
      'conditional, with a flow',
      { kind: 'mlp', hidden: [6], latent: 2 },
      { kind: 'flow', hidden: [4], steps: 2 },
    ),
    labelled('conditional, convolutional', { kind: 'conv', channels: [3], latent: 2 }, { kind: 'normal' }),
    gaussian('linear-Gaussian', 1),
    gaussian('linear-Gaussian mixture', 2),
  ];
}
