// What a silo does when it is asked: reads the plan, asks its owner, trains a round. The network's part is in net/silo-agent.ts.

import { AbortedError, PrivacyError, ShapeError, SpecError, StateError } from '../errors.ts';
import { imageSetHash } from '../data/image-set.ts';
import { readSiloImages } from '../data/silo-images.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { releaseAsAsked } from '../experiments/brought-releases.ts';
import { answeredRound } from '../experiments/participation.ts';
import { loadRelease } from '../experiments/release-folder.ts';
import { siloConfigOf, siloIn } from '../experiments/silo-configs.ts';
import type { Spec } from '../experiments/spec.ts';
import { openSiloThreads, type SiloThreads } from '../federation/thread-port.ts';
import { isPlain } from '../net/message-words.ts';
import type { Welcome } from '../net/messages.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { type SealedRelease, sealedReleases } from '../silo/sealed-releases.ts';
import { type SiloConfig, stateFileOf } from '../silo/silo-config.ts';
import { requireWholePlan } from '../silo/whole-plan.ts';
import { writeFileAtomic, readFileBounded } from '../storage/atomic-file.ts';
import { contentHash } from '../storage/content-hash.ts';
import { isThere } from '../storage/presence.ts';
import { loadState } from '../training/state-file.ts';
import { type BroughtDecoder, type Consent } from './consent.ts';
import { imagesOf } from './federation-spec.ts';
import type { SiloEvent } from './silo-events.ts';
import { releasesThatLeft, roundDone } from './silo-rounds.ts';
import { changeSiloSettings, type SiloLayout, type SiloSettings } from './silo-home.ts';
import { counted } from '../experiments/counted.ts';

/** How a silo deals with its owner. */
export interface SiloOwner {
  readonly layout: SiloLayout;
  /** That the ledger is to begin with; null for the plan's own numbers. */
  readonly budget: Budget | null;
  /** Whether the owner agrees. Asked once for a plan. */
  readonly ask: (consent: Consent) => Promise<boolean>;
  readonly emit: (event: SiloEvent) => void;
  readonly now: () => Date;
}

/** What the agent asks of a silo. */
export interface SiloWork {
  /** Of which plan this folder has completed which round. */
  readonly state: () => Promise<{ readonly plan: string | null; readonly round: number | null }>;
  /** Releases of this federation that the ledger has a seal of. */
  readonly seals: () => Promise<readonly SealedRelease[]>;
  /**
   * `isByLedger`: the server let this silo in for those seals, as it has releases that this folder knows nothing of. Throws
   * AbortedError where the owner does not agree, PrivacyError where the ledger does not allow the whole plan, or what is left of
   * it.
   */
  readonly agree: (welcome: Welcome, isByLedger?: boolean) => Promise<void>;
  readonly play: (
    round: number,
    hooks: { readonly signal: AbortSignal; readonly onPercent: (percent: number) => void },
  ) => Promise<ReceivedRelease>;
  readonly close: () => Promise<void>;
}

/** The work of the silo in this folder. Where it agreed before, it needs no server to go on. */
export async function openSiloWork(options: SiloOwner, settings: SiloSettings): Promise<SiloWork> {
  const { layout } = options;
  const { agreed: before } = settings;
  let ready = before === null ? null : await prepared(options, settings, await textOfPlan(layout, before));
  if (ready !== null && ready.material !== settings.material) {
    await requireNotBegun(layout, ready);
    ready = null; // to be asked again
  }
  let agreed = ready === null ? null : before;
  if (ready !== null && !(await isCharged(ready))) await requireAffordable(options, ready, false);
  if (ready !== null) await beginWith(options, ready);
  let isAnew = false;
  const threads: SiloThreads = openSiloThreads({ engine: { executor: 'auto', threads: 1 } }, 1);
  return {
    async state() {
      return { plan: agreed, round: agreed === null ? null : await roundDone(layout, agreed) };
    },
    seals: async () =>
      settings.data === null
        ? []
        : sealedReleases({ name: settings.silo, ledgerDir: settings.ledger }, settings.federation),
    async agree({ federation, plan, planText }, isByLedger = false) {
      isAnew = isByLedger;
      if (plan === agreed) return;
      if (contentHash(planText) !== plan) {
        throw new SpecError('The plan that came is not the one that was named. Ask whoever runs the server.', { plan });
      }
      const next = await prepared(options, settings, planText);
      await requireAffordable(options, next, isByLedger);
      const { spec, config } = next;
      const consent: Consent = {
        federation,
        silo: settings.silo,
        spec,
        plan,
        planFile: layout.proposed,
        before: agreed ?? before,
        images: config?.images ?? null,
        brought: next.brought,
        config,
        budget: config === null ? null : (options.budget ?? (await budgetIn(config.ledgerDir))),
        notes: isByLedger ? [...next.notes, BEGINS_ANEW] : next.notes,
      };
      await writeFileAtomic(layout.proposed, planText);
      if (!(await options.ask(consent))) {
        const seals = isByLedger ? ' and the seals of its ledger' : '';
        throw new AbortedError(`Not agreed: nothing left this machine but the public key of this silo${seals}.`);
      }
      await beginWith(options, next);
      await writeFileAtomic(layout.plan(plan), planText);
      await changeSiloSettings(layout, { agreed: plan, material: next.material });
      agreed = plan;
      ready = next;
    },
    async play(round, { signal, onPercent }) {
      if (ready === null) throw new ShapeError('A silo plays no round before its owner has agreed.');
      const { spec, config } = ready;
      requirePlanned(spec, settings.silo, round);
      if (config === null) return broughtRelease(spec, settings, round);
      await requirePast(layout, ready, { round, isAnew });
      const port = threads.port(config, {
        onSpent: (at, spent) => options.emit({ kind: 'spent', round: at, spent }),
        onProgress: (at, { step, steps, loss }) => {
          onPercent(Math.floor((100 * step) / steps));
          options.emit({ kind: 'training', round: at, step, steps, loss });
        },
      });
      const upload = await port.play({ kind: 'train-own', run: spec.name, round }, { signal });
      if (upload.kind === 'decoder') return upload;
      throw new ShapeError(`Silo ${settings.silo} was asked for a decoder and made ${upload.kind}.`);
    },
    close: () => threads.close(),
  };
}

// --- internal ---

/** A plan, and what this silo does in it. */
interface Prepared {
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

async function prepared(
  { layout, budget }: Pick<SiloOwner, 'layout' | 'budget'>,
  settings: SiloSettings,
  planText: string,
): Promise<Prepared> {
  const spec = specOf(planText);
  const plan = contentHash(planText);
  imagesOf(spec);
  siloIn(spec, settings.silo);
  if (settings.data === null) {
    const dir = settings.release as string;
    const { privacy, decoder } = await broughtRelease(spec, settings, 1);
    const material = decoder.sha256;
    return { spec, plan, material, config: null, brought: { dir, statement: privacy.text }, notes: [] };
  }
  const { set, notes } = await readSiloImages(settings.data);
  const places = { stateDir: layout.state(plan), ledgerDir: settings.ledger };
  const config: SiloConfig = { ...siloConfigOf(spec, settings.silo, set, places), gaps: 'allowed' }; // rounds may close without it
  if (budget !== null) await requireBudget(settings.ledger, budget);
  return { spec, plan, material: imageSetHash(set), config, brought: null, notes };
}

/** The decoder that is brought along, as the plan asks for it. */
async function broughtRelease(spec: Spec, { silo, release }: SiloSettings, round: number): Promise<ReceivedRelease> {
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

/** All rounds together have to fit the budget before the first; later ones are refused one by one. */
async function requireAffordable(
  { budget }: Pick<SiloOwner, 'budget'>,
  { spec, config }: Prepared,
  isBegun: boolean,
): Promise<void> {
  if (config === null || isThere(stateFileOf(config))) return;
  await requireWholePlan(config, spec.name, { first: budget, isBegun });
}

const BEGINS_ANEW =
  'This silo has given decoders in this run already, and the folder that gave them is lost. Its ledger knows of each: it begins ' +
  'a new model, and pays for what that costs on top.';

/**
 * Where the model's past is lost, only what the ledger knows may be gone on without: throws StateError for a release that left and
 * has no seal. A round that left once is not trained again, as that would be paid for twice, and the server may have the first:
 * throws PrivacyError.
 */
async function requirePast(
  layout: SiloLayout,
  { spec, plan, config }: Prepared,
  { round, isAnew }: { readonly round: number; readonly isAnew: boolean },
): Promise<void> {
  if (config === null) return;
  const stored = await loadState(stateFileOf(config));
  if (stored !== null && stored.round >= round) return;
  const left = await releasesThatLeft(layout, plan);
  const seals = await sealedReleases(config, spec.name);
  const unknown = left.find(({ sha256 }) => !seals.some((seal) => seal.sha256 === sha256));
  if (stored === null && unknown) {
    throw new StateError(
      `The decoder of round ${unknown.round} left this silo, but its state ${stateFileOf(config)} is gone, and the privacy ledger in ` +
        `${config.ledgerDir} has no seal of it. Put back the folder as it was.`,
      { round: unknown.round },
    );
  }
  if (![...left, ...(isAnew ? seals : [])].some((one) => one.round === round)) return;
  throw new PrivacyError(
    `A decoder of round ${round} of ${spec.name} has left this silo, and the folder that could give it again is lost. Another in its ` +
      'place would be paid for a second time, and the server may have the first. Nothing was trained and nothing left. This silo ' +
      'goes on with the next round; where the server waits for this one, whoever runs it can go on without it (a quorum).',
    { silo: config.name, round },
  );
}

/** Whether a round of the plan was paid for, though its training may have failed and left no state. */
async function isCharged({ spec, config }: Prepared): Promise<boolean> {
  if (config === null || !hasLedger(config.ledgerDir)) return false;
  return (await readLedger(config.ledgerDir)).entries.some(({ run }) => run === spec.name);
}

function jsonOf(planText: string): unknown {
  try {
    return JSON.parse(planText);
  } catch (cause) {
    throw new SpecError('The plan of the server is no JSON. Ask whoever runs the server.', {}, { cause });
  }
}

/** What was begun with some images, or has left, is not gone on with by others. */
async function requireNotBegun(layout: SiloLayout, { plan, config, brought }: Prepared): Promise<void> {
  if (!isThere(stateFileOf({ stateDir: layout.state(plan) })) && (await roundDone(layout, plan)) === null) return;
  const what = config === null ? `The decoder in ${brought?.dir}` : 'These images';
  throw new PrivacyError(
    `${what} is not what this silo began the plan ${plan.slice(0, 16)} with. Nothing was trained and nothing left. Name with --data ` +
      'or --release what it began with, put back as it was then, or ask whoever runs the server for a new plan.',
    { plan },
  );
}

/** `silo join` sets the budget that a ledger begins with; one that is kept already is changed by nothing but `align-fl ledger`. */
async function requireBudget(ledger: string, { epsilon, delta }: Budget): Promise<void> {
  if (!hasLedger(ledger)) return;
  const { budget } = await readLedger(ledger);
  if (budget.epsilon === epsilon && budget.delta === delta) return;
  throw new SpecError(
    `--budget-epsilon: the ledger in ${ledger} has begun, with epsilon ${epsilonWords(budget.epsilon)} at delta ${budget.delta}, and ` +
      'joining does not change it. Leave the option out, or first set the budget with: ' +
      `align-fl ledger ${ledger} --budget-epsilon ${epsilonWords(epsilon)} --budget-delta ${delta}`,
    { path: '--budget-epsilon', ledger },
  );
}

/** The owner has agreed: the budget that they named is the one that the ledger begins with. */
async function beginWith({ budget, now }: Pick<SiloOwner, 'budget' | 'now'>, { config }: Prepared): Promise<void> {
  if (config === null || budget === null || hasLedger(config.ledgerDir)) return;
  await setBudget(config.ledgerDir, budget, now);
}

/** More rounds than were agreed to are more than the owner was shown. */
function requirePlanned(spec: Spec, silo: string, round: number): void {
  const asked = siloIn(spec, silo);
  for (let at = 1; at <= spec.rounds; at++) if (answeredRound(asked, 'align', at) === round) return;
  throw new PrivacyError(
    `Round ${round} is none in which the plan that was agreed to (${counted(spec.rounds, 'round')}) has silo ${silo} take part. Nothing was ` +
      'trained and nothing left. Ask whoever runs the server for a new plan.',
    { silo, round, rounds: spec.rounds },
  );
}

async function textOfPlan(layout: SiloLayout, agreed: string): Promise<string> {
  const path = layout.plan(agreed);
  const bytes = await readFileBounded(path, { maxBytes: 4_000_000 });
  if (contentHash(bytes) === agreed) return new TextDecoder().decode(bytes);
  throw new PrivacyError(
    `${path} is not the plan that the owner of this silo agreed to: it was changed since. Put it back, or delete ` +
      `"agreed" in ${layout.settings} (set it to null) to be asked again.`,
    { path },
  );
}

async function budgetIn(ledgerDir: string): Promise<Budget | null> {
  return hasLedger(ledgerDir) ? (await readLedger(ledgerDir)).budget : firstBudget(ledgerDir);
}
