// What a release claims about the privacy of the examples behind it, in words that anyone can read and programs can check.

/** Nothing was done to protect the training images. */
export interface NoPrivacy {
  readonly mechanism: 'none';
  readonly guarantee: 'none';
  /** For people: shown wherever the release is. */
  readonly text: string;
}

/** Told apart by `mechanism`. */
export type PrivacyStatement = NoPrivacy;

/** The statement of training without a privacy mechanism. To be chosen by name: there is no default. */
export const NO_PRIVACY: NoPrivacy = {
  mechanism: 'none',
  guarantee: 'none',
  text: 'No privacy mechanism was applied. The decoder may reproduce images it was trained on.',
};
