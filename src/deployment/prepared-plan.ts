// A plan as a silo reads it: what it asks of this silo, with the silo's own images or the decoder that it brings along.

import { imageSetHash } from '../data/image-set.ts';
import { readSiloImages } from '../data/silo-images.ts';
import { PrivacyError, SpecError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { releaseAsAsked } from '../experiments/brought-releases.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { loadRelease } from '../experiments/release-folder.ts';
import { siloConfigOf, siloIn } from '../experiments/silo-configs.ts';
import type { Spec } from '../experiments/spec.ts';
import { isPlain } from '../exchange/plain-text.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { contentHash } from '../storage/content-hash.ts';
import type { BroughtDecoder } from './consent.ts';
import { imagesOf, MAX_PLAN_BYTES } from './federation-spec.ts';
import type { SiloLayout, SiloSettings } from './silo-home.ts';

/** A plan, and what this silo does in it. */
export interface Prepared {
  readonly spec: Spec;
  /** SHA-256 of the plan. */
  readonly plan: string;
  /** SHA-256 of the images, or of the decoder that is brought along. */
  readonly material: string;
  /** Null where a decoder is brought along. */
  readonly config: SiloConfig | null;
  readonly brought: BroughtDecoder | null;
  readonly notes: readonly string[];
}

/**
 * Reads a plan, and the images or the decoder of this silo. Throws SpecError where they do not go together; DataError and
 * ReleaseError for what cannot be read.
 */
export async function prepared(layout: SiloLayout, settings: SiloSettings, planText: string): Promise<Prepared> {
  const spec = specOf(planText);
  const plan = contentHash(planText);
  imagesOf(spec);
  siloIn(spec, settings.silo);
  if (settings.data === null) {
    const dir = settings.release as string;
    const { privacy, decoder } = await broughtRelease(spec, settings, 1);
    const material = decoder.sha256;
    return { spec, plan, material, config: null, brought: { dir, privacy }, notes: [] };
  }
  const { set, notes } = await readSiloImages(settings.data);
  const places = { stateDir: layout.state(plan), ledgerDir: settings.ledger };
  // Rounds may close without it, and another run may have the name of this one.
  const config: SiloConfig = { ...siloConfigOf(spec, settings.silo, set, places), gaps: 'allowed', plan };
  return { spec, plan, material: imageSetHash(set), config, brought: null, notes };
}

/** The decoder that is brought along, as the plan asks for it. */
export async function broughtRelease(
  spec: Spec,
  { silo, release }: SiloSettings,
  round: number,
): Promise<ReceivedRelease> {
  const dir = release as string;
  const loaded = await loadRelease(dir, { round, silo });
  const asked = { task: spec.task, ...imagesOf(spec), offers: siloIn(spec, silo).offers };
  return releaseAsAsked(loaded, asked, (_, what) => {
    return new SpecError(`--release: the decoder in ${dir} ${what} Nothing left this machine.`, {
      path: '--release',
      silo,
    });
  });
}

/** The plan that the owner agreed to. `agreed`: its SHA-256. Throws PrivacyError where the file is another one by now. */
export async function textOfPlan(layout: SiloLayout, agreed: string): Promise<string> {
  const path = layout.plan(agreed);
  const bytes = await readFileBounded(path, { maxBytes: MAX_PLAN_BYTES });
  if (contentHash(bytes) === agreed) return new TextDecoder().decode(bytes);
  throw new PrivacyError(
    `${path} is not the plan that the owner of this silo agreed to: it was changed since. Put it back, or delete ` +
      `"agreed" in ${layout.settings} (set it to null) to be asked again.`,
    { path },
  );
}

// --- internal ---

/** A plan as it came from the server, or as it lay here since. */
function specOf(planText: string): Spec {
  const plan = jsonOf(planText);
  if (!isPlain(plan)) {
    throw new SpecError(
      'The plan of the server has control characters in its texts, which could forge what is shown of it. Ask whoever runs the server.',
    );
  }
  try {
    return parseSpec(plan, { source: 'the plan of the server' });
  } catch (error) {
    if (!(error instanceof SpecError) || error.message.length <= MAX_PROBLEMS) throw error;
    throw new SpecError(`${error.message.slice(0, MAX_PROBLEMS)} ...`, {}, { cause: error });
  }
}

/** Characters of what is said of a plan that is wrong. */
const MAX_PROBLEMS = 4000;

function jsonOf(planText: string): unknown {
  try {
    return JSON.parse(planText);
  } catch (cause) {
    throw new SpecError('The plan of the server is no JSON. Ask whoever runs the server.', {}, { cause });
  }
}
