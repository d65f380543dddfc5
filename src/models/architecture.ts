// The shapes a variational autoencoder may have, as plain data: what specs name and silos may choose freely.

/** Dense encoder `hidden` wide, decoder mirrored. The paper: hidden [512, 256, 128], latent 2. */
export interface MlpArchitecture {
  readonly kind: 'mlp';
  /** Widths from the image inwards. */
  readonly hidden: readonly number[];
  /** L */
  readonly latent: number;
}

/** Strided 4 x 4 convolutions (stride 2, padding 1), one per entry of `channels`; decoder mirrored. */
export interface ConvArchitecture {
  readonly kind: 'conv';
  readonly channels: readonly number[];
  /** L */
  readonly latent: number;
}

export type Architecture = MlpArchitecture | ConvArchitecture;
