// Takes a silo out of a complete run of ALIGN-FL: the server's rounds are played again from the others' stored decoders.
//
// A decoder of ALIGN-FL depends on its own silo alone, and each global model on the decoders of its rounds. So what a run that
// never had the silo would have learnt can be computed without any silo: nobody trains again. An average knows no such way.

import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { LostPeerError, SpecError, StateError } from '../errors.ts';
import type { Closing } from '../federation/collect.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import { imagesAtSilos } from './at-silos.ts';
import type { OpenBrought } from './brought-releases.ts';
import { type Journal, readJournal } from './journal.ts';
import { didYouMean } from './nearest.ts';
import { parseSpec } from './parse-spec.ts';
import { takesPart } from './participation.ts';
import {
  closeRunFolder,
  commandToFinish,
  openRunFolder,
  type RebuiltFrom,
  type RunFolder,
  resumeRunFolder,
} from './run-folder.ts';
import { type RunLayout, runLayout } from './run-layout.ts';
import { type RunOptions, runExperiment } from './run.ts';
import { playedStrategies, privacyOfSilo, type Spec, type StrategyName } from './spec.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { decoderIn, storedRelease } from './stored-decoders.ts';
import { readSummary, type Summary } from './summary.ts';

/** `data`, `emit`, `signal` are as in a run; `port` reaches the silos that `verify` lets train. */
export interface ForgetOptions extends Omit<RunOptions, 'folder'> {
  /** Folder of a complete run. */
  readonly path: string;
  /** Name of the silo. */
  readonly silo: string;
  /** Whether the run that never had the silo is played, too, with all training of the other silos, and compared. Default no. */
  readonly verify?: boolean;
  /** Whether the old folder stays as it is. Default no: what came from the silo is removed when the new folder is complete. */
  readonly keep?: boolean;
}

export interface Forgotten {
  readonly silo: string;
  /** The run that had the silo. */
  readonly folder: string;
  /** The run without it: `<folder>-without-<silo>`. Its `spec.json` says that the silo never takes part. */
  readonly rebuilt: string;
  /** SHA-256 of the global model's file. */
  readonly globalSha256: { readonly before: string; readonly after: string };
  /** The run that was played to compare, and ended with `globalSha256.after`; null where none was asked for. */
  readonly verified: string | null;
  /** Files that were removed from `folder`, relative to it. */
  readonly removed: readonly string[];
  /** Strategies of the run that cannot forget, and are not in the new folder. */
  readonly dropped: readonly StrategyName[];
}

/**
 * Rebuilds the run without the silo in a folder beside it, then removes from the old one the silo's decoders and every model
 * and picture that learnt from them. Stopped or killed, the same call goes on. Throws SpecError where there is no such silo, where
 * no other is left, where the run is not of ALIGN-FL, and where `verify` could not compare; StateError where the run is not
 * complete, a decoder is missing or changed, or the hashes differ: then nothing is removed.
 */
export async function forgetSilo(options: ForgetOptions): Promise<Forgotten> {
  const { path, silo, verify = false, keep = false } = options;
  const old = await resumeRunFolder(path);
  try {
    requireComplete(old);
    const spec = specWithout(old, silo);
    if (verify) requireRepeatable(old.spec, spec);
    const before = await readSummary(old.layout.summary);
    const rebuilt = `${old.root}-without-${silo}`;
    const rebuiltFrom = { folder: old.root, silo };
    const journal = await readJournal(old.layout.journal);
    requireOthersAtFirst(old, journal, silo);
    const stored = { ...options, brought: broughtInto(old, journal) };
    const ways = { port: portsToStored(old, journal), closing: WITH_WHAT_CAME };
    const summary = await played({ ...stored, ...ways, spec, path: rebuilt, rebuiltFrom });
    requireSameImages(before, summary, old.root);
    await requireSameDecoders(old, { rebuilt, silo });
    const after = alignOf(summary).globalSha256;
    const fresh = `${rebuilt}-played`;
    if (verify) requireSame(after, alignOf(await played({ ...stored, spec, path: fresh })).globalSha256, fresh);
    return {
      silo,
      folder: old.root,
      rebuilt,
      globalSha256: { before: alignOf(before).globalSha256, after },
      verified: verify ? fresh : null,
      removed: keep ? [] : await removeTraces(old, silo),
      dropped: old.spec.strategies.filter((name) => name !== 'align'),
    };
  } finally {
    await closeRunFolder(old);
  }
}

/** Silos whose traces were removed from a run folder. Throws StateError where the note of it is damaged. */
export async function forgottenIn({ forgotten }: Pick<RunLayout, 'forgotten'>): Promise<readonly string[]> {
  if (!existsSync(forgotten)) return [];
  const parsed = z.array(z.string()).safeParse(await readJson(forgotten, { maxBytes: MAX_NOTE_BYTES }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${forgotten} is damaged. Write the names of the forgotten silos into it: ["silo-a"].`, {
    path: forgotten,
  });
}

// --- internal ---

const MAX_NOTE_BYTES = 2 ** 20;

function requireComplete(folder: RunFolder): void {
  const { root, state } = folder;
  if (state === 'complete') return;
  throw new StateError(
    `The run in ${root} is not complete, so there is no result to take a silo out of. Finish it first: ` +
      commandToFinish(folder),
    { path: root },
  );
}

/** The same experiment in which the silo has its images and never takes part. */
function specWithout({ root, spec }: RunFolder, silo: string): Spec {
  const names = spec.silos.map(({ name }) => name);
  const asked = spec.silos.find(({ name }) => name === silo);
  if (!asked) {
    throw new SpecError(
      `The run in ${root} has no silo '${silo}'${didYouMean(silo, names) || '.'} Its silos are ${names.join(', ')}.`,
      { path: root, silos: names },
    );
  }
  if (!spec.strategies.includes('align')) {
    throw new SpecError(
      `The run in ${root} played ${spec.strategies.join(', ')}, but only align can forget a silo. An average mixes the weights of ` +
        'all silos, and every silo trains on from the mixture: what one of them gave is in all weights from its first round on, ' +
        "the other silos' included, and nobody can take it out again. Run the spec again with participation: null for the silo.",
      { path: root, strategies: spec.strategies },
    );
  }
  if (!takesPart(spec, asked, 'align')) {
    throw new SpecError(`Silo ${silo} never took part in the run in ${root}: there is nothing to forget.`, {
      path: root,
    });
  }
  const silos = spec.silos.map((one) => (one === asked ? { ...one, participation: null } : one));
  return parseSpec({ ...spec, silos, strategies: ['align'] }, { source: `The spec of ${root} without ${silo}` });
}

/** A comparison that must fail, or could succeed by nothing but luck, is refused before it costs hours. */
function requireRepeatable(spec: Spec, without: Spec): void {
  const mechanisms = without.silos.flatMap((silo) => {
    const privacy = privacyOfSilo(without, silo);
    return takesPart(without, silo, 'align') && (privacy.mechanism === 'dp-sgd' || privacy.mechanism === 'gaussian')
      ? [privacy]
      : [];
  });
  const trained = playedStrategies(spec).filter((name) => name !== 'centralised');
  const why = imagesAtSilos(spec)
    ? 'the images are at the silos'
    : mechanisms.some(({ noise }) => noise === 'secure')
      ? 'the noise of its private silos came from the operating system, and nobody can repeat it'
      : mechanisms.length > 0 && trained.length > 1
        ? `the noise of its private silos was calibrated to the rounds of ${trained.join(' and ')} together`
        : null;
  if (why === null) return;
  throw new SpecError(
    `--verify: this run cannot be played again to the same decoders: ${why}. Leave --verify out; the global model is rebuilt ` +
      "from the stored decoders all the same, and by the same rounds that a run without the silo's would play.",
    { path: '--verify' },
  );
}

/** Ports to silos that are not asked again: they answer with what the run has of them. */
function portsToStored(folder: RunFolder, journal: Journal): (config: SiloConfig) => SiloPort {
  return ({ name, images: { shape } }) => ({
    name,
    play: ({ round }) => releaseIn(folder, journal, { silo: name, round, shape }),
  });
}

/** What silos brought along into a run, whatever their folders hold by now. */
function broughtInto(folder: RunFolder, journal: Journal): OpenBrought {
  return async (_, { shape }) => ({
    origin: journal.origin.releases,
    of: (silo, round) => releaseIn(folder, journal, { silo, round, shape }),
  });
}

/** What a silo answered to the task of a round, as the run has it. */
async function releaseIn(
  { layout, spec }: RunFolder,
  { strategies }: Journal,
  asked: { readonly silo: string; readonly round: number; readonly shape: ImageShape },
): Promise<ReceivedRelease> {
  const { silo, shape } = asked;
  const lateBy = spec.silos.find(({ name }) => name === silo)?.participation?.lateBy ?? 0;
  const round = asked.round + lateBy;
  const upload = decoderIn(strategies['align']?.[round - 1], silo);
  if (upload && !existsSync(layout.decoder(round, silo))) throw gone(layout.decoder(round, silo), silo);
  if (upload) return storedRelease(layout, { silo, round, upload, shape });
  if (strategies['align']?.[round - 1]) throw new LostPeerError(`Nothing came from ${silo} in round ${round}.`);
  throw new StateError(
    `${layout.journal} tells of no decoder of ${silo} in round ${round}. Restore the folder from a copy.`,
    { path: layout.journal, silo, round },
  );
}

/** The pool only grows, but it must begin with something. */
function requireOthersAtFirst({ root: path }: RunFolder, { strategies }: Journal, silo: string): void {
  const [first] = strategies['align'] ?? [];
  if (!first || first.uploads.some((upload) => upload.silo !== silo && upload.sha256 !== null)) return;
  throw new StateError(
    `In round 1 of the run in ${path} nothing came from any silo but ${silo}, so that without it there would be nothing to learn ` +
      'from. Start the federation again without it. Nothing was removed.',
    { path, silo },
  );
}

/** A round goes on with what had come in it, from whomever. */
const WITH_WHAT_CAME: Closing = { quorum: 0, deadlineMs: Number.POSITIVE_INFINITY };

function gone(path: string, silo: string): StateError {
  return new StateError(
    `${path} is not there. If ${silo} was forgotten from this run before, forget the next one from the folder that was made ` +
      `then, whose name ends in -without-${silo}; else restore it from a copy. Nothing was removed.`,
    { path, silo },
  );
}

interface Playing extends Omit<RunOptions, 'folder'> {
  readonly spec: Spec;
  readonly path: string;
  readonly rebuiltFrom?: RebuiltFrom;
}

async function played({ spec, path, rebuiltFrom, ...options }: Playing): Promise<Summary> {
  return runExperiment({
    ...options,
    folder: await openRunFolder({ path, spec, ...(rebuiltFrom && { rebuiltFrom }) }),
  });
}

function alignOf({ strategies }: Summary): Summary['strategies'][number] {
  return strategies.find(({ strategy }) => strategy === 'align') as Summary['strategies'][number];
}

function requireSameImages(before: Summary, after: Summary, path: string): void {
  if (before.partition.sha256 === after.partition.sha256 && before.dataSet.sha256 === after.dataSet.sha256) return;
  throw new StateError(
    `The images of the run in ${path} are not those that are here now, so the run without the silo cannot be compared with ` +
      'it. Nothing was removed. Restore the images, delete the new folder, and begin again.',
    { path },
  );
}

/** A folder from an earlier attempt may hold another run's: the same spec need not give the same decoders. */
async function requireSameDecoders(
  { root, layout }: RunFolder,
  { rebuilt, silo }: { readonly rebuilt: string; readonly silo: string },
): Promise<void> {
  const comeIn = async (journal: string) =>
    ((await readJournal(journal)).strategies['align'] ?? []).map(({ round, uploads }) => ({
      round,
      decoders: uploads.flatMap((one) => (one.silo === silo ? [] : [[one.silo, one.sha256]])),
    }));
  const [before, after] = [await comeIn(layout.journal), await comeIn(runLayout(rebuilt).journal)];
  if (isDeepStrictEqual(before, after)) return;
  throw new StateError(
    `${rebuilt} was built from other decoders than those that ${root} has now: it is from an earlier run. Nothing was removed. ` +
      'Delete it, or move it away, and begin again.',
    { path: rebuilt, folder: root },
  );
}

function requireSame(rebuilt: string, fresh: string, path: string): void {
  if (rebuilt === fresh) return;
  throw new StateError(
    `The rebuilt global model (${rebuilt}) is not that of the run in ${path}, which never had the silo (${fresh}). Nothing was ` +
      'removed. The decoders were made by another version or on another kind of machine, or this is a bug: please report it.',
    { path, rebuilt, fresh },
  );
}

/**
 * Removes what the server has of the silo, and what learnt from it or, for judging, from its images; done twice it finds
 * nothing more.
 */
async function removeTraces({ root, layout }: RunFolder, silo: string): Promise<readonly string[]> {
  const rounds = await namesIn(join(root, 'decoders'));
  const own = rounds.map((name) => join(root, 'decoders', name, `${silo}.onnx`)).filter((file) => existsSync(file));
  const learnt = await Promise.all(
    [layout.globals, layout.images, layout.codes, layout.features].map(async (folder) => {
      const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
      return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    }),
  );
  const files = [...own, ...learnt.flat()];
  const names = await forgottenIn(layout);
  if (!names.includes(silo)) await writeJsonAtomic(layout.forgotten, [...names, silo]);
  for (const file of files) await rm(file, { force: true });
  return files.map((file) => relative(root, file).replaceAll('\\', '/')).sort();
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return existsSync(folder) ? readdir(folder) : [];
}
