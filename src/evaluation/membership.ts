// Who was in the training data? What an attacker gains who looks at one score an image, and how sure that is.

import { childKey, type Key, permutation } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { compareRanks } from './membership-ranks.ts';
import { differenceOfShares, type Estimate, type Share, shareOf } from './outliers-intervals.ts';

export interface MembershipScores {
  /** One score for each image of the training data; larger means "was in it". */
  readonly members: ArrayLike<number>;
  /** One for each image that was not. */
  readonly nonMembers: ArrayLike<number>;
  /** Decides who chooses the threshold. */
  readonly key: Key;
}

export interface MembershipAdvantage {
  /** Chance that a member's score is above a non-member's; 0.5 is no better than a coin. */
  readonly auc: Estimate;
  /**
   * TPR - FPR of a threshold chosen on the other half of the images, so that noise alone gives 0 on average (membership
   * advantage: Yeom et al. 2018). The interval joins two exact ones, of 97.5 % each.
   */
  readonly advantage: Estimate;
  /** Members taken for members. */
  readonly truePositives: Share;
  /** Non-members taken for members. */
  readonly falsePositives: Share;
  /** Largest TPR - FPR over all thresholds on the same images: never below 0, so it says too much of few images. */
  readonly bestAdvantage: number;
}

/** What the scores give away. Throws ShapeError where there are fewer than two members or non-members. */
export function membershipAdvantage({ members, nonMembers, key }: MembershipScores): MembershipAdvantage {
  if (members.length < 2 || nonMembers.length < 2) {
    throw new ShapeError(
      `Expected two or more members and non-members, one of each to choose a threshold and one to judge it; got ` +
        `${members.length} and ${nonMembers.length}.`,
      { members: members.length, nonMembers: nonMembers.length },
    );
  }
  const inside = halves(members, childKey(key, 'members'));
  const outside = halves(nonMembers, childKey(key, 'non-members'));
  const taken = (own: Halves) =>
    [0, 1].flatMap((half) => {
      const { threshold } = bestThreshold(inside[1 - half] as number[], outside[1 - half] as number[]);
      return (own[half] as number[]).map((score) => score >= threshold);
    });
  const [takenMembers, takenOthers] = [taken(inside), taken(outside)];
  return {
    auc: compareRanks(members, nonMembers).auc,
    advantage: differenceOfShares(takenMembers, takenOthers),
    truePositives: shareOf(takenMembers),
    falsePositives: shareOf(takenOthers),
    bestAdvantage: bestThreshold(Array.from(members), Array.from(nonMembers)).advantage,
  };
}

// --- internal ---

type Halves = readonly [number[], number[]];

function halves(scores: ArrayLike<number>, key: Key): Halves {
  const order = Array.from(permutation(key, scores.length), (i) => scores[i] as number);
  const middle = Math.ceil(order.length / 2);
  return [order.slice(0, middle), order.slice(middle)];
}

/** Midway below the score down to which TPR - FPR is largest, the highest of equals; Infinity where nobody is best. */
function bestThreshold(members: readonly number[], nonMembers: readonly number[]) {
  const all = [
    ...members.map((score) => ({ score, gain: 1 / members.length })),
    ...nonMembers.map((score) => ({ score, gain: -1 / nonMembers.length })),
  ].sort((a, b) => b.score - a.score);
  let best = { threshold: Number.POSITIVE_INFINITY, advantage: 0 };
  let advantage = 0;
  all.forEach(({ score, gain }, i) => {
    advantage += gain;
    const next = all[i + 1]?.score ?? score;
    const isLastOfEquals = i === all.length - 1 || next !== score;
    if (isLastOfEquals && advantage > best.advantage + 1e-12) best = { threshold: (score + next) / 2, advantage };
  });
  return best;
}
