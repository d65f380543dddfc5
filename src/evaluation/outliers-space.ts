// The measures of outliers that rest on distances, in one space: that of pixels, or of features.

import { joinRows } from './feature-rows.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { type ForeignShare, foreignShare, trainDiscriminator } from './foreign-discriminator.ts';
import { type MembershipAdvantage, membershipAdvantage } from './membership.ts';
import { compareRanks } from './membership-ranks.ts';
import { nearestNeighbours } from './nearest-neighbours.ts';
import { type Reproduction, reproduction } from './outlier-reproduction.ts';
import { eachGroup, type Group, type OutlierGroups, someRows, takeRows } from './outliers-groups.ts';
import {
  bootstrapDifference,
  bootstrapMean,
  differenceOfShares,
  type Estimate,
  type Share,
} from './outliers-intervals.ts';

/** Images as rows of F numbers. */
export interface Space {
  readonly name: string;
  /** F */
  readonly dim: number;
  /** [N, F] of each group */
  readonly real: OutlierGroups<Float32Array>;
  /** [N, F] of each group, row by row what the autoencoder made of `real`. */
  readonly reconstructions: OutlierGroups<Float32Array>;
  /** [M, F] */
  readonly synthetic: Float32Array;
  readonly key: Key;
}

/** What is measured as distances in one space. */
export interface SpaceJudgement {
  readonly space: string;
  readonly reproduction: {
    /** Own kind: foreign. Other kind: typical. */
    readonly members: Reproduction;
    readonly heldOut: Reproduction;
    /** Own kind: typical. Other kind: foreign. What is not reproduced here comes of blur and the like. */
    readonly typicalHeldOut: Reproduction;
    /**
     * Chance that the nearest real image is foreign where one of the members went in, minus that where a typical image did:
     * 1 for an autoencoder that copies, 0 where it does not matter what goes in.
     */
    readonly separation: Estimate;
  };
  readonly discriminator: {
    /** Its mistakes on real images that it did not learn from. */
    readonly missed: Share;
    readonly falseAlarms: Share;
    readonly synthetic: ForeignShare;
    /** How it takes reconstructions, of which it is known what went in. */
    readonly reconstructed: OutlierGroups<ForeignShare>;
  };
  /** Distances from real images to the nearest synthetic one. */
  readonly nearestSynthetic: { readonly foreign: LeaveOut; readonly typical: LeaveOut };
  /** From these distances, for which the decoder suffices (black box). */
  readonly membershipByDistance: KindsOfMembers;
}

/** Distances of images in training and of images held out, and whether they differ. */
export interface LeaveOut {
  readonly inTraining: Estimate;
  readonly heldOut: Estimate;
  /** Mean of held out minus mean in training: above 0 where synthetic images lie nearer to what was learnt from. */
  readonly difference: Estimate;
  /** Mann-Whitney, two-sided. */
  readonly pValue: number;
}

/** One attack on both kinds of images. */
export interface KindsOfMembers {
  readonly foreign: MembershipAdvantage;
  readonly typical: MembershipAdvantage;
}

/** All measures of one space. Throws ShapeError and NumericalError like `nearestNeighbours`. */
export function judgeSpace(space: Space): SpaceJudgement {
  const { name, dim, real, synthetic, key } = space;
  const distances = eachGroup(
    (group) => nearestNeighbours({ queries: real[group], references: synthetic, dim }).distances,
  );
  const distanceKey = childKey(key, 'distance');
  return {
    space: name,
    reproduction: reproductionsOf(space),
    discriminator: discriminate(space),
    nearestSynthetic: {
      foreign: leaveOut(distances.members, distances.heldOut, childKey(distanceKey, 'foreign')),
      typical: leaveOut(distances.typical, distances.typicalHeldOut, childKey(distanceKey, 'typical')),
    },
    membershipByDistance: attacks(distances, childKey(key, 'membership')),
  };
}

/** Attacks that take images with a small value for members. */
export function attacks(values: OutlierGroups<Float64Array>, key: Key): KindsOfMembers {
  const attack = (inside: Group, outside: Group) =>
    membershipAdvantage({
      members: values[inside].map((value) => -value),
      nonMembers: values[outside].map((value) => -value),
      key: childKey(key, inside),
    });
  return { foreign: attack('members', 'heldOut'), typical: attack('typical', 'typicalHeldOut') };
}

// --- internal ---

/** All against the same images: equally many of each group, and as many synthetic ones as there are of each kind. */
function reproductionsOf({ dim, real, reconstructions, synthetic, key }: Space): SpaceJudgement['reproduction'] {
  const rowsOf = (values: Float32Array) => values.length / dim;
  const groups = eachGroup((group) => rowsOf(real[group]));
  const count = Math.min(...Object.values(groups), Math.ceil(rowsOf(synthetic) / 2));
  const rows = eachGroup((group) => someRows(groups[group], count, childKey(key, 'references', group)));
  const dreams = someRows(rowsOf(synthetic), 2 * count, childKey(key, 'references', 'synthetic'));
  const chosen = eachGroup((group) => takeRows(real[group], rows[group], dim));
  const foreign = joinRows(chosen.members, chosen.heldOut);
  const typical = joinRows(chosen.typical, chosen.typicalHeldOut);
  const judged = (group: Group, own: Float32Array, other: Float32Array, first: number) =>
    reproduction({
      reconstructions: takeRows(reconstructions[group], rows[group], dim),
      own,
      first,
      other,
      synthetic: takeRows(synthetic, dreams, dim),
      dim,
    });
  const members = judged('members', foreign, typical, 0);
  const typicalHeldOut = judged('typicalHeldOut', typical, foreign, count);
  const flags = ({ reproduced }: Reproduction) => Array.from({ length: reproduced.of }, (_, i) => i < reproduced.count);
  return {
    members,
    heldOut: judged('heldOut', foreign, typical, count),
    typicalHeldOut,
    separation: differenceOfShares(
      flags(members),
      flags(typicalHeldOut).map((flag) => !flag),
    ),
  };
}

function discriminate({ dim, real, reconstructions, synthetic, key }: Space): SpaceJudgement['discriminator'] {
  const discriminator = trainDiscriminator({
    foreign: joinRows(real.members, real.heldOut),
    typical: joinRows(real.typical, real.typicalHeldOut),
    dim,
    key: childKey(key, 'discriminator'),
  });
  return {
    missed: discriminator.missed,
    falseAlarms: discriminator.falseAlarms,
    synthetic: foreignShare(discriminator, synthetic),
    reconstructed: eachGroup((group) => foreignShare(discriminator, reconstructions[group])),
  };
}

function leaveOut(inTraining: Float64Array, heldOut: Float64Array, key: Key): LeaveOut {
  return {
    inTraining: bootstrapMean(inTraining, childKey(key, 'in-training')),
    heldOut: bootstrapMean(heldOut, childKey(key, 'held-out')),
    difference: bootstrapDifference(heldOut, inTraining, childKey(key, 'difference')),
    pValue: compareRanks(heldOut, inTraining).pValue,
  };
}
