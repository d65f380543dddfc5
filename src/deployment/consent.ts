// What the owner of a silo is shown before anything leaves: what is asked for, what will leave, and what never does.

import { classCounts, type ImageSet } from '../data/image-set.ts';
import { counted } from '../experiments/counted.ts';
import { decodersBy } from '../experiments/participation.ts';
import { siloIn } from '../experiments/silo-configs.ts';
import { generatorOfSilo, type PrivacySpec, privacyOfSilo, type SiloSpec, type Spec } from '../experiments/spec.ts';
import { plainLine } from '../exchange/plain-text.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import { whyNoGuarantee } from '../privacy/dp-plan.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import type { SiloConfig } from '../silo/silo-config.ts';

/** What an owner agrees to. */
export interface Consent {
  readonly federation: string;
  readonly silo: string;
  readonly spec: Spec;
  /** SHA-256 of the plan, hex. */
  readonly plan: string;
  /** Where the plan can be read before anybody agrees. */
  readonly planFile: string;
  /** That was agreed to before: another, or this one with other images; null where there was none. */
  readonly before: string | null;
  /** Null where a decoder is brought along. */
  readonly images: ImageSet | null;
  /** Null where the decoder is made here. */
  readonly brought: BroughtDecoder | null;
  readonly config: SiloConfig | null;
  /** That the owner set; null where the plan's own numbers begin the ledger. */
  readonly budget: Budget | null;
  readonly notes: readonly string[];
}

/** A decoder that was trained elsewhere. */
export interface BroughtDecoder {
  /** The folder that `align-fl release` wrote. */
  readonly dir: string;
  /** Of its release.json. */
  readonly privacy: PrivacyStatement;
}

/** The text that is shown, as lines. None of them has a control character, whoever wrote what it says. */
export function consentLines(consent: Consent): readonly string[] {
  return linesOf(consent).map(plainLine);
}

// --- internal ---

function linesOf(consent: Consent): readonly string[] {
  const { federation, silo, spec, plan, planFile, before, images, brought, config, notes } = consent;
  const isCountPublic = images !== null && tellsHowMany(consent);
  return [
    `Federation '${federation}' asks silo '${silo}' to take part${federation === spec.name ? '' : ` in '${spec.name}'`}: ${counted(spec.rounds, 'round')} with ${counted(spec.silos.length, 'silo')}.`,
    `Plan ${plan.slice(0, 16)} (the whole of it lies in ${planFile}).`,
    ...(before === null ? [] : [changeText(consent, before)]),
    '',
    ...(images ? ['Here', `  ${imagesText(images)}`, ...notes.map((note) => `  ${note}`), ''] : []),
    'What will leave this machine',
    brought
      ? `  the decoder in ${brought.dir}, the same in every round`
      : `  one decoder a round, made from these images: ${generatorText(spec, siloIn(spec, silo))}`,
    `  what is claimed of its privacy: ${brought ? brought.privacy.text : privacyText(consent)}`,
    ...(brought ? askedOfOthers(consent, brought.privacy) : []),
    ...(config ? offersText(config) : []),
    ...(isCountPublic ? ['  how many images there are (the plan makes their number public)'] : []),
    '  the code of an error when a round fails',
    '  whether this silo trains, uploads, waits or pauses, and how far it is, in percent of a round',
    '',
    'What never leaves it',
    `  images, labels, ${isCountPublic ? '' : 'how many there are, '}encoders, codes, losses, other weights, and the private key of this silo`,
    '',
    `The server draws images from ${counted(decodersBy(spec, spec.rounds), 'decoder')} and trains a model of its own; it sends none back. Each release is`,
    'written down in departures.jsonl before it leaves. What has left cannot be called back.',
  ];
}

function changeText({ plan, brought }: Consent, before: string): string {
  if (before !== plan) return `The plan HAS CHANGED: you agreed to ${before.slice(0, 16)}.`;
  return `You agreed to this plan with ANOTHER ${brought ? 'DECODER' : 'SET OF IMAGES'}.`;
}

function imagesText(images: ImageSet): string {
  const counts = classCounts(images.labels).map(({ label, count }) => `${label} (${count})`);
  const { channels, height, width } = images.shape;
  return `${counted(images.labels.length, 'image')} of ${channels} x ${height} x ${width}, by class: ${counts.join(', ')}`;
}

function generatorText(spec: Spec, silo: SiloSpec): string {
  const generator = spec.task === 'classify' ? generatorOfSilo(spec, silo) : null;
  if (generator?.kind === 'linear-gaussian') {
    return `closed form, ${counted(generator.components, 'Gaussian')} a class, computed once and the same in every round`;
  }
  const model = silo.model ?? spec.model;
  return `of a ${generator ? 'conditional ' : ''}VAE (${model.kind}, ${counted(model.latent, 'latent dimension')}), trained ${counted(spec.local.epochs, 'epoch')} a round`;
}

function privacyText({ spec, silo, budget }: Consent): string {
  const privacy = privacyOfSilo(spec, siloIn(spec, silo));
  switch (privacy.mechanism) {
    case 'none':
      return 'NOTHING: no mechanism bounds what a decoder tells of single images; whoever has it may see some of them again';
    case 'lipschitz':
      return 'no guarantee. The decoder is kept flat, which makes outliers less likely to come back; epsilon is infinite';
    case 'gaussian':
    case 'dp-sgd': {
      const reason = whyNothing(privacy);
      if (reason !== null) return `NOTHING: ${reason}`;
      const allowed = budget ?? { epsilon: privacy.epsilon, delta: privacy.delta };
      return (
        `epsilon ${epsilonWords(privacy.epsilon)} at delta ${privacy.delta} for each record, over all rounds together. This silo's ` +
        `ledger allows epsilon ${epsilonWords(allowed.epsilon)} at delta ${allowed.delta}, and refuses more`
      );
    }
  }
}

/** What the plan asks of those who train, beside what a decoder from elsewhere says of itself. */
function askedOfOthers({ spec, silo }: Consent, { mechanism }: PrivacyStatement): readonly string[] {
  const asked = privacyOfSilo(spec, siloIn(spec, silo));
  if (!('epsilon' in asked) || whyNothing(asked) !== null) return [];
  const plan = `epsilon ${epsilonWords(asked.epsilon)} at delta ${asked.delta} for each record`;
  return [
    mechanism === 'none'
      ? `  LESS than the plan asks of those who train: ${plan}`
      : `  the plan asks of those who train ${plan}; whether this decoder keeps to it, nobody here can check`,
  ];
}

/** Why no epsilon may be claimed of a private mechanism, or null where one may. */
function whyNothing(privacy: Extract<PrivacySpec, { mechanism: 'gaussian' | 'dp-sgd' }>): string | null {
  if (privacy.mechanism === 'dp-sgd') return whyNoGuarantee(privacy);
  return whyNoGuarantee({ clipping: 'fixed', mode: 'full', noise: privacy.noise });
}

/** The sampling rate and the expected batch, which a statement tells, give the number of records away. */
function tellsHowMany({ spec, silo }: Consent): boolean {
  const privacy = privacyOfSilo(spec, siloIn(spec, silo));
  return privacy.mechanism === 'dp-sgd' && privacy.records === null;
}

function offersText({ model }: SiloConfig): readonly string[] {
  if (!('classes' in model) || typeof model.classes === 'number') return [];
  return [`  which classes it can draw: ${model.classes.offered.join(', ')}`];
}
