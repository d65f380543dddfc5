// Everything that the paper shows, as sweeps: which runs stand behind each of its tables and curves, at three scales.

import type { SweepRequest } from './sweep-plan.ts';

/** The paper's scripts have five or ten rounds; private silos have two longer ones at any scale. */
export const PAPER_SCALES = ['full', 'medium', 'quick'] as const;
export type PaperScale = (typeof PAPER_SCALES)[number];

/** What each scale is, in words. */
export const SCALE_WORDS: Readonly<Record<PaperScale, string>> = {
  full: 'all images, five rounds',
  medium: 'a third of the images, three rounds',
  quick:
    'a twelfth of the images, two rounds of 5 local and 10 server epochs in batches of 64 (with DP-SGD 10 and 10, of 256), ' +
    "one split of the probe: to try it out, NOT to compare with the paper's numbers",
};

/** One question and the runs that answer it. */
export interface PaperStudy {
  /** Its folder, and how it is named on the command line. */
  readonly id: string;
  /** What is asked, in one line. */
  readonly question: string;
  readonly sweep: SweepRequest;
}

/** The studies at a scale, those that others are compared with first. `seeds` replaces their own, such as `1,2,3`. */
export function paperStudies(scale: PaperScale, seeds?: string): readonly PaperStudy[] {
  const size = SIZES[scale];
  const study = ({ id, question, target, set = [], vary = [], role }: Draft): PaperStudy => ({
    id,
    question,
    sweep: {
      target,
      set: [
        ...foreignIn(target),
        'evaluation.controls=false',
        ...size.set,
        ...(target.endsWith('-dp') ? size.privateSet : []),
        ...set,
      ],
      vary,
      seeds: seeds ?? size.seeds[role],
    },
  });
  return [
    ...SETS.flatMap(({ name, target, targetDp }): Draft[] => [
      {
        id: `${name}-mechanisms`,
        question:
          'What does each form of Lipschitz control cost beside no mechanism, and does it reproduce outliers less?',
        target,
        set: [ALIGN_ONLY, JUDGE_OUTLIERS],
        vary: [`privacy=${MECHANISMS.join(',')}`],
        role: 'comparison',
      },
      {
        id: `${name}-baselines`,
        question: 'What do averaging, training alone and training on everything reach?',
        target,
        set: ['strategies=[fedavg,fedprox,local-only,centralised]', 'evaluation.controls=true'],
        role: 'curve',
        isInQuick: name === 'mnist',
      },
      {
        id: `${name}-dp`,
        question: 'What does DP-SGD cost, with a guarantee that holds, as the paper clips, and in the decoder alone?',
        target: targetDp,
        set: [ALIGN_ONLY, JUDGE_OUTLIERS],
        vary: [`privacy=${DP_FORMS.join(',')}`],
        role: 'comparison',
        isInQuick: name === 'mnist',
      },
    ]),
    {
      id: 'mnist-epsilon',
      question: 'How does accuracy follow epsilon?',
      target: 'paper-mnist-dp',
      set: [ALIGN_ONLY],
      vary: ['privacy.epsilon=1,5,15,20'],
      role: 'curve',
    } as const,
    {
      id: 'mnist-lambda',
      question: "How does accuracy follow the weight of the paper's penalty?",
      target: 'paper-mnist',
      set: [ALIGN_ONLY, 'privacy={mechanism: lipschitz, lipschitzForm: paper-penalty, lipschitzWeight: 1}'],
      vary: ['privacy.lipschitzWeight=0,0.01,0.05,0.1,0.5'],
      role: 'curve',
    } as const,
    {
      id: 'mnist-images',
      question: 'Do more synthetic images help?',
      target: 'paper-mnist',
      set: [ALIGN_ONLY],
      vary: [`server.images=${size.images.join(',')}`],
      role: 'curve',
    } as const,
    {
      id: 'mnist-latent',
      question: 'What do more latent dimensions give?',
      target: 'paper-mnist',
      set: [ALIGN_ONLY],
      vary: ['model.latent=4,8,16'],
      role: 'curve',
    } as const,
  ]
    .filter(({ isInQuick = true }: Draft) => scale !== 'quick' || isInQuick)
    .map(study);
}

// --- internal ---

interface Draft {
  readonly id: string;
  readonly question: string;
  /** A preset. */
  readonly target: string;
  readonly set?: readonly string[];
  readonly vary?: readonly string[];
  /** What others are compared with has more seeds than a point of a curve. */
  readonly role: 'comparison' | 'curve';
  /** Default true. */
  readonly isInQuick?: boolean;
}

interface Size {
  readonly set: readonly string[];
  /** Besides, of the private presets, which have a schedule of their own. */
  readonly privateSet: readonly string[];
  /** Synthetic images of a silo, beside those of the preset. */
  readonly images: readonly number[];
  readonly seeds: Readonly<Record<Draft['role'], string>>;
}

/** Without the value that the preset itself has: that run is among the methods, or the forms. */
const SIZES: Readonly<Record<PaperScale, Size>> = {
  full: {
    set: ['rounds=5'],
    privateSet: ['rounds=2'],
    images: [1000, 2000, 3000, 4000, 6000, 7000, 8000, 9000, 10_000],
    seeds: { comparison: '1-5', curve: '1-3' },
  },
  medium: {
    set: ['data.partition.perClass=2000', 'rounds=3', 'server.images=1500'],
    privateSet: ['rounds=2'],
    images: [300, 600, 900, 1200, 1800, 2100, 2400, 2700, 3000],
    seeds: { comparison: '1-5', curve: '1-3' },
  },
  quick: {
    set: [
      ...['data.partition.perClass=500', 'rounds=2', 'local.epochs=5', 'server.images=500', 'server.epochs=10'],
      ...[
        'local.batchSize=64',
        'server.batchSize=64',
        'evaluation.probeSplits=1',
        'evaluation.gridImages=32',
        'evaluation.generation.every=end',
      ],
    ],
    privateSet: ['local.epochs=10', 'local.batchSize=256'],
    images: [100, 250, 750, 1000],
    seeds: { comparison: '1', curve: '1' },
  },
};

const SETS = [
  { name: 'mnist', target: 'paper-mnist', targetDp: 'paper-mnist-dp' },
  { name: 'fashion', target: 'paper-fashion', targetDp: 'paper-fashion-dp' },
] as const;

/** The paper's 600 images of the other set in the first silo: 5 %, to the image. */
function foreignIn(target: string): readonly string[] {
  const isFashion = target.startsWith('paper-fashion');
  const kind = isFashion ? 'mnist' : 'fashion-mnist';
  return [`data.foreign={source: {kind: ${kind}}, rate: ${isFashion ? 0.05 : 0.050323}, silos: [silo-a]}`];
}

const ALIGN_ONLY = 'strategies=[align]';
const JUDGE_OUTLIERS = 'evaluation.outliers={synthetic: 1000}';

const MECHANISMS: readonly string[] = [
  '{mechanism: none}',
  '{mechanism: lipschitz, lipschitzForm: paper-penalty, lipschitzWeight: 1}',
  '{mechanism: lipschitz, lipschitzForm: spectral-normalisation, lipschitzBound: 16}',
  '{mechanism: lipschitz, lipschitzForm: jacobian-frobenius, lipschitzWeight: 1, lipschitzBound: 4}',
];

const DP = 'mechanism: dp-sgd, epsilon: 10, delta: 1e-5, averaging: 0.995';

/** With a guarantee; the paper's un-noised median of norms; the paper's ablation. The last two have no guarantee. */
const DP_FORMS: readonly string[] = [`{${DP}}`, `{${DP}, clipping: paper-unsound}`, `{${DP}, mode: decoder-only}`];
