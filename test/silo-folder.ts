// A silo's folder with images of its own, and an owner who says yes: what tests of a silo's work begin with.

import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { consentLines } from '../src/deployment/consent.ts';
import { dealToSilos } from '../src/deployment/deal-to-silos.ts';
import { type FederationImages, federationSpec, planOf } from '../src/deployment/federation-spec.ts';
import {
  defaultLedgerDir,
  makeSiloFolder,
  readSiloSettings,
  saveSiloSettings,
  type SiloSettings,
  siloLayout,
} from '../src/deployment/silo-home.ts';
import { openSiloWork, type SiloOwner } from '../src/deployment/silo-work.ts';
import { parseSpec } from '../src/experiments/parse-spec.ts';
import type { Welcome } from '../src/net/messages.ts';
import { HAND_MADE_SHAPE } from './hand-made-decoder.ts';

export const HOOKS = { signal: new AbortController().signal, onPercent: () => {} };

const specWith = (over: object) =>
  parseSpec({
    name: 'tiny',
    rounds: 1,
    data: {
      source: { kind: 'drawn-digits', train: 80, test: 60 },
      partition: { kind: 'class-disjoint', classes: [[0], [1]] },
    },
    silos: [{ name: 'north' }, { name: 'east' }],
    model: { kind: 'mlp', hidden: [8], latent: 2 },
    local: { epochs: 1, batchSize: 8 },
    server: { epochs: 1, batchSize: 8, images: 20 },
    privacy: { mechanism: 'none' },
    ...over,
  });

export const DIGITS = { shape: { channels: 1, height: 28, width: 28 }, classes: 10 };
/** What `broughtDecoder` draws. */
export const HAND_MADE = { shape: HAND_MADE_SHAPE, classes: 3 };

/** What a server says to a silo that it lets in. */
export function welcomeTo(over: object, images: FederationImages = DIGITS): Welcome {
  const { text, sha256 } = planOf(federationSpec(specWith(over), images, null));
  return { run: 'tiny', plan: sha256, planText: text, federation: 'fed', since: 0 };
}

/** A silo with images, in a folder of its own within `parent`, whose owner says yes; `shown` is what they were shown. */
export async function siloNorth(parent: string) {
  const root = mkdtempSync(join(parent, 'silo-'));
  const dataOf = (silo: string) => join(root, silo, 'data');
  await dealToSilos(specWith({}), { env: {} }, dataOf);
  const layout = siloLayout(join(root, 'home'));
  await makeSiloFolder(layout);
  const settings: SiloSettings = {
    format: 'align-fl/silo@1',
    silo: 'north',
    federation: 'fed',
    servers: ['tls://localhost:1'],
    ca: '',
    server: 'U',
    data: dataOf('north'),
    release: null,
    ledger: defaultLedgerDir(dataOf('north'), 'north'),
    agreed: null,
    material: null,
    invite: null,
    wish: 'work',
    farewell: false,
    shown: false,
  };
  await saveSiloSettings(layout, settings);
  const shown: string[] = [];
  const ask: SiloOwner['ask'] = async (consent) => {
    shown.push(consentLines(consent).join('\n'));
    return true;
  };
  const owner: SiloOwner = { layout, ask, emit: () => {}, now: () => new Date(0) };
  const open = (change: Partial<SiloSettings> = {}, as: Partial<SiloOwner> = {}) =>
    readSiloSettings(layout).then((now) => openSiloWork({ ...owner, ...as }, { ...settings, ...now, ...change }));
  return { layout, settings, shown, open, dataOf };
}
