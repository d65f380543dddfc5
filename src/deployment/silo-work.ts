// What a silo does when it is asked: reads the plan, asks its owner, trains a round. The network's part is in net/silo-agent.ts.

import { PrivacyError, ShapeError, SpecError } from '../errors.ts';
import { counted } from '../experiments/counted.ts';
import { answeredRound } from '../experiments/participation.ts';
import { siloIn } from '../experiments/silo-configs.ts';
import type { Spec } from '../experiments/spec.ts';
import { openSiloThreads, type SiloThreads } from '../federation/thread-port.ts';
import type { AgentSelf } from '../net/agent-state.ts';
import { sealedReleases } from '../silo/sealed-releases.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { contentHash } from '../storage/content-hash.ts';
import type { Consent } from './consent.ts';
import { broughtRelease, prepared, textOfPlan } from './prepared-plan.ts';
import { budgetIn, isCharged, requireAffordable } from './silo-budget.ts';
import type { SiloEvent } from './silo-events.ts';
import { changeSiloSettings, type SiloLayout, type SiloSettings } from './silo-home.ts';
import { requireNotBegun, requireNotGiven } from './silo-past.ts';
import { roundDone } from './silo-rounds.ts';

/** How a silo deals with its owner. */
export interface SiloOwner {
  readonly layout: SiloLayout;
  /** Whether the owner agrees. Asked once for a plan. */
  readonly ask: (consent: Consent) => Promise<boolean>;
  readonly emit: (event: SiloEvent) => void;
  readonly now: () => Date;
}

/** What the agent asks of a silo. */
export interface SiloWork extends Pick<AgentSelf, 'state' | 'seals' | 'play'> {
  /**
   * Where the silo was let in for its ledger's seals, the owner is asked again, once. Throws PrivacyError where they do not agree, and
   * where the ledger does not allow the whole plan, or what is left of it.
   */
  readonly agree: AgentSelf['agree'];
  readonly close: () => Promise<void>;
}

/** The work of the silo in this folder. Where it agreed before, it needs no server to go on. */
export async function openSiloWork(options: SiloOwner, settings: SiloSettings): Promise<SiloWork> {
  const { layout } = options;
  const { agreed: before } = settings;
  let { agreedByLedger } = settings;
  let ready = before === null ? null : await prepared(layout, settings, await textOfPlan(layout, before));
  if (ready !== null && ready.material !== settings.material) {
    await requireNotBegun(layout, ready);
    ready = null; // to be asked again
  }
  let agreed = ready === null ? null : before;
  if (ready !== null && !(await isCharged(ready))) await requireAffordable(ready);
  const threads: SiloThreads = openSiloThreads({ engine: { executor: 'auto', threads: 1 } }, 1);
  return {
    async state() {
      return { plan: agreed, round: agreed === null ? null : await roundDone(layout, agreed) };
    },
    seals: async () =>
      settings.data === null
        ? []
        : sealedReleases({ name: settings.silo, ledgerDir: settings.ledger }, settings.federation),
    async agree({ federation, plan, planText }, isByLedger) {
      if (plan === agreed && (!isByLedger || plan === agreedByLedger)) return;
      if (contentHash(planText) !== plan) {
        throw new SpecError('The plan that came is not the one that was named. Ask whoever runs the server.', { plan });
      }
      const next = await prepared(layout, settings, planText);
      await requireAffordable(next);
      const { spec, config } = next;
      const consent: Consent = {
        federation,
        silo: settings.silo,
        spec,
        plan,
        planFile: layout.proposed,
        before: agreed === plan ? null : (agreed ?? before), // the same with the same images: only its past is lost
        images: config?.images ?? null,
        brought: next.brought,
        config,
        budget: config === null ? null : await budgetIn(config.ledgerDir),
        notes: isByLedger ? [...next.notes, byLedgerWords(await roundDone(layout, plan))] : next.notes,
      };
      await writeFileAtomic(layout.proposed, planText);
      if (!(await options.ask(consent))) {
        const seals = isByLedger ? ', and that its ledger knows of the decoders that the server named' : '';
        throw new PrivacyError(
          `Not agreed: nothing left this machine but the public key of this silo${seals}. To be asked again, join again.`,
          { plan },
        );
      }
      await writeFileAtomic(layout.plan(plan), planText);
      if (isByLedger) agreedByLedger = plan;
      await changeSiloSettings(layout, {
        agreed: plan,
        material: next.material,
        ...(isByLedger && { agreedByLedger: plan }),
      });
      agreed = plan;
      ready = next;
    },
    async play(round, { signal, onPercent }) {
      if (ready === null) throw new ShapeError('A silo plays no round before its owner has agreed.');
      const { spec, config } = ready;
      requirePlanned(spec, settings.silo, round);
      if (config === null) return broughtRelease(spec, settings, round);
      await requireNotGiven(layout, ready, round);
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

/** `done`: the last round that this folder knows of. */
function byLedgerWords(done: number | null): string {
  const known = 'Its ledger knows of each:';
  return done === null
    ? `This silo has given decoders in this run already, and the folder that gave them is lost. ${known} it begins a new model, and ` +
        'pays for what that costs on top.'
    : `This silo has given decoders in this run that this folder, which knows of round ${done} at most, has nothing of. ${known} it ` +
        'goes on with the next round from what is here, and gives none of those again.';
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
