// Where silos with an invite come in: their keys go into the registry before they are answered, the first with the plan.

import type { NatsConnection } from '@nats-io/transport-node';
import type { Spec } from '../experiments/spec.ts';
import { answerEnrolments } from '../net/enrolment.ts';
import type { Identity } from '../net/identity.ts';
import { keepAgreedPlan } from './agreed-plan.ts';
import { changeRegistry, noteInRegistry, type Told } from './authority.ts';
import type { ServerLayout } from './server-folder.ts';
import { isTaken, readRegistry, withKey, withoutUsedInvite } from './silo-registry.ts';

export interface EnrolmentDeskOptions {
  readonly layout: ServerLayout;
  readonly spec: Spec;
  /** The server's. */
  readonly identity: Identity;
  /** Awaited when a new key is in the registry, before its silo is answered. */
  readonly onJoined: (silo: string) => Promise<void>;
  /** The silo's key is in; `told`: whether the NATS server knows it. */
  readonly onAnswered: (silo: string, told: Told) => void;
  /** `why`: a code of `EnrolmentRefusal`, or what went wrong here. */
  readonly onRefused: (silo: string, why: string) => void;
}

/** Answers until it is closed. The registry is read for each request: another process may have invited just now. */
export function openEnrolmentDesk(
  nc: NatsConnection,
  { layout, spec, identity, onJoined, onAnswered, onRefused }: EnrolmentDeskOptions,
): { close(): Promise<void> } {
  return answerEnrolments(nc, {
    federation: spec.name,
    identity,
    async find(name) {
      const { silos } = await readRegistry(layout.registry);
      const found = silos.find((silo) => silo.name === name);
      return found ? { key: found.key, enrolKey: found.invite } : null;
    },
    isKnownKey: async (publicKey) => isTaken(await readRegistry(layout.registry), publicKey),
    async onEnrol(silo, publicKey) {
      await keepAgreedPlan(layout, spec);
      await noteInRegistry(layout, (registry) => withKey(registry, silo, publicKey));
      await onJoined(silo);
    },
    async onAnswered(silo) {
      const { told } = await changeRegistry(layout, (registry) => withoutUsedInvite(registry, silo));
      onAnswered(silo, told);
    },
    onRefused: (silo, why) => onRefused(silo, why instanceof Error ? why.message : why),
  });
}
