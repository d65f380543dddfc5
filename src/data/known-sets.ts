// The data sets that are known by name: their files, hashes, classes, and where the public copies are.

import type { IdxRole } from './idx-files.ts';

/** A set that can be asked for by name. */
export type KnownSetName = 'mnist' | 'fashion-mnist';

/** One of the four files of a known set. */
export interface KnownFile {
  readonly role: IdxRole;
  readonly count: number;
  /** Size without gzip. */
  readonly sizeBytes: number;
  /** SHA-256 (hex) without gzip: this one decides, since the same images may be compressed in many ways. */
  readonly sha256: string;
  /** Size of the published `.gz`. */
  readonly gzipSizeBytes: number;
  /** SHA-256 (hex) of the published `.gz`, for those who fetch by hand. */
  readonly gzipSha256: string;
}

/** What is known of a set before any file of it is there. */
export interface KnownSet {
  /** Also the name of its folder. */
  readonly name: string;
  readonly title: string;
  /** Name of class i at index i. */
  readonly classNames: readonly string[];
  /** In the order of `IDX_ROLES`. */
  readonly files: readonly KnownFile[];
  /** Folders on the web, each ending in `/`, tried in this order. */
  readonly mirrors: readonly string[];
}

/** All known sets by name. */
export const KNOWN_SETS: Readonly<Record<KnownSetName, KnownSet>> = {
  mnist: {
    name: 'mnist',
    title: 'MNIST handwritten digits',
    classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    files: [
      {
        ...idxPart('train-images', 60_000),
        sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
        gzipSizeBytes: 9_912_422,
        gzipSha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      },
      {
        ...idxPart('train-labels', 60_000),
        sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
        gzipSizeBytes: 28_881,
        gzipSha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      },
      {
        ...idxPart('t10k-images', 10_000),
        sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
        gzipSizeBytes: 1_648_877,
        gzipSha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      },
      {
        ...idxPart('t10k-labels', 10_000),
        sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
        gzipSizeBytes: 4_542,
        gzipSha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
      },
    ],
    mirrors: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
  },
  'fashion-mnist': {
    name: 'fashion-mnist',
    title: 'Fashion-MNIST, pictures of clothes (Zalando SE, MIT licence)',
    classNames: [
      'T-shirt/top',
      'Trouser',
      'Pullover',
      'Dress',
      'Coat',
      'Sandal',
      'Shirt',
      'Sneaker',
      'Bag',
      'Ankle boot',
    ],
    files: [
      {
        ...idxPart('train-images', 60_000),
        sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
        gzipSizeBytes: 26_421_880,
        gzipSha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
      },
      {
        ...idxPart('train-labels', 60_000),
        sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
        gzipSizeBytes: 29_515,
        gzipSha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
      },
      {
        ...idxPart('t10k-images', 10_000),
        sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
        gzipSizeBytes: 4_422_102,
        gzipSha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
      },
      {
        ...idxPart('t10k-labels', 10_000),
        sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
        gzipSizeBytes: 5_148,
        gzipSha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
      },
    ],
    mirrors: [
      'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
      'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    ],
  },
};

/** All of them, in a fixed order. */
export const ALL_KNOWN_SETS: readonly KnownSet[] = Object.values(KNOWN_SETS);

// --- internal ---

/** Both sets hold images of 28 x 28 after a header of 16 bytes, and labels after one of 8. */
function idxPart(role: IdxRole, count: number): Pick<KnownFile, 'role' | 'count' | 'sizeBytes'> {
  return { role, count, sizeBytes: role.endsWith('images') ? 16 + count * 28 * 28 : 8 + count };
}
