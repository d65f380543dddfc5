// What a release claims about the privacy of the examples behind it, in words that anyone can read and programs can check.

/** Nothing was done to protect the training images. */
export interface NoPrivacy {
  readonly mechanism: 'none';
  readonly guarantee: 'none';
  /** Privacy spent. Text, as JSON knows no infinity. */
  readonly epsilon: 'Infinity';
  /** There is none to an epsilon that is no number. */
  readonly delta: null;
  /** For people: shown wherever the release is. */
  readonly text: string;
}

/** Told apart by `mechanism`. */
export type PrivacyStatement = NoPrivacy;

/** What a spec says of privacy, as far as a statement depends on it. */
export interface PrivacyChoice {
  readonly mechanism: 'none';
}

/** The statement of training without a privacy mechanism. To be chosen by name: there is no default. */
export const NO_PRIVACY: NoPrivacy = {
  mechanism: 'none',
  guarantee: 'none',
  epsilon: 'Infinity',
  delta: null,
  text: 'No privacy mechanism was applied. The decoder may reproduce images it was trained on.',
};

/** What may be claimed of training under `choice`. The one source of every such claim. */
export function privacyStatement(choice: PrivacyChoice): PrivacyStatement {
  switch (choice.mechanism) {
    case 'none':
      return NO_PRIVACY;
  }
}
