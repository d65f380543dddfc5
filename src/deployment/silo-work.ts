// What a silo does when it is asked: reads the plan, asks its owner, trains a round. The network's part is in net/silo-agent.ts.

import { createHash } from 'node:crypto';
import { AbortedError, PrivacyError, ShapeError, SpecError } from '../errors.ts';
import { readSiloImages } from '../data/silo-images.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { answeredRound } from '../experiments/participation.ts';
import { loadRelease } from '../experiments/release-folder.ts';
import { siloConfigOf } from '../experiments/silo-configs.ts';
import type { Spec } from '../experiments/spec.ts';
import { openSiloThreads, type SiloThreads } from '../federation/thread-port.ts';
import type { Welcome } from '../net/messages.ts';
import { firstBudget } from '../privacy/first-budget.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import type { Budget } from '../privacy/ledger-entry.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import { type SiloConfig, stateFileOf } from '../silo/silo-config.ts';
import { requireWholePlan } from '../silo/whole-plan.ts';
import { writeFileAtomic, readFileBounded } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { type BroughtDecoder, type Consent, siloIn } from './consent.ts';
import { imagesOf } from './federation-spec.ts';
import type { SiloEvent } from './silo-events.ts';
import { roundDone } from './silo-rounds.ts';
import { saveSiloSettings, type SiloLayout, type SiloSettings } from './silo-home.ts';

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
  /** Throws AbortedError where the owner does not agree, PrivacyError where the ledger does not allow the whole plan. */
  readonly agree: (welcome: Welcome) => Promise<void>;
  readonly play: (
    round: number,
    hooks: { readonly signal: AbortSignal; readonly onPercent: (percent: number) => void },
  ) => Promise<ReceivedRelease>;
  readonly close: () => Promise<void>;
}

/** The work of the silo in this folder. Where it agreed before, it needs no server to go on. */
export async function openSiloWork(options: SiloOwner, settings: SiloSettings): Promise<SiloWork> {
  const { layout } = options;
  let agreed = settings.agreed;
  let ready = agreed === null ? null : await prepared(options, settings, await textOfPlan(layout, agreed));
  const threads: SiloThreads = openSiloThreads({ engine: { executor: 'auto', threads: 1 } }, 1);
  return {
    async state() {
      return { plan: agreed, round: agreed === null ? null : await roundDone(layout, agreed) };
    },
    async agree({ federation, plan, planText }) {
      if (plan === agreed) return;
      if (createHash('sha256').update(planText).digest('hex') !== plan) {
        throw new SpecError('The plan that came is not the one that was named. Ask whoever runs the server.', { plan });
      }
      const next = await prepared(options, settings, planText);
      const { spec, config } = next;
      const consent: Consent = {
        federation,
        silo: settings.silo,
        spec,
        plan,
        planFile: layout.proposed,
        before: agreed,
        images: config?.images ?? null,
        brought: next.brought,
        config,
        budget: config === null ? null : await budgetIn(config.ledgerDir),
        notes: next.notes,
      };
      await writeFileAtomic(layout.proposed, planText);
      if (!(await options.ask(consent))) {
        throw new AbortedError('Not agreed: nothing left this machine but the public key of this silo.');
      }
      await writeFileAtomic(layout.plan, planText);
      await saveSiloSettings(layout, { ...settings, agreed: plan });
      agreed = plan;
      ready = next;
    },
    async play(round, { signal, onPercent }) {
      if (ready === null) throw new ShapeError('A silo plays no round before its owner has agreed.');
      const { spec, config } = ready;
      requirePlanned(spec, settings.silo, round);
      if (config === null) return loadRelease(settings.release as string, { round, silo: settings.silo });
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
  /** Null where a decoder is brought along. */
  readonly config: SiloConfig | null;
  readonly brought: BroughtDecoder | null;
  readonly notes: readonly string[];
}

async function prepared(
  { layout, budget, now }: Pick<SiloOwner, 'layout' | 'budget' | 'now'>,
  settings: SiloSettings,
  planText: string,
): Promise<Prepared> {
  const spec = parseSpec(JSON.parse(planText), { source: 'the plan of the server' });
  imagesOf(spec);
  siloIn(spec, settings.silo);
  if (settings.data === null) {
    const dir = settings.release as string;
    const { privacy } = await loadRelease(dir, { round: 1, silo: settings.silo });
    return { spec, config: null, brought: { dir, statement: privacy.text }, notes: [] };
  }
  const { set, notes } = await readSiloImages(settings.data);
  const config = siloConfigOf(spec, settings.silo, set, { stateDir: layout.state, ledgerDir: settings.ledger });
  if (budget !== null) await setBudget(settings.ledger, budget, now);
  if (!isThere(stateFileOf(config))) await requireWholePlan(config, spec.name);
  return { spec, config, brought: null, notes };
}

/** More rounds than were agreed to are more than the owner was shown. */
function requirePlanned(spec: Spec, silo: string, round: number): void {
  const asked = siloIn(spec, silo);
  for (let at = 1; at <= spec.rounds; at++) if (answeredRound(asked, 'align', at) === round) return;
  throw new PrivacyError(
    `Round ${round} is none in which the plan that was agreed to (${spec.rounds} rounds) has silo ${silo} take part. Nothing was ` +
      'trained and nothing left. Ask whoever runs the server for a new plan.',
    { silo, round, rounds: spec.rounds },
  );
}

async function textOfPlan(layout: SiloLayout, agreed: string): Promise<string> {
  const bytes = await readFileBounded(layout.plan, { maxBytes: 4_000_000 });
  if (createHash('sha256').update(bytes).digest('hex') === agreed) return new TextDecoder().decode(bytes);
  throw new PrivacyError(
    `${layout.plan} is not the plan that the owner of this silo agreed to: it was changed since. Put it back, or delete ` +
      `"agreed" in ${layout.settings} (set it to null) to be asked again.`,
    { path: layout.plan },
  );
}

async function budgetIn(ledgerDir: string): Promise<Budget | null> {
  return hasLedger(ledgerDir) ? (await readLedger(ledgerDir)).budget : firstBudget(ledgerDir);
}
