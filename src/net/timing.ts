// Every time-out and interval of the protocol, with what it is for. Tests make them short; nobody else should need to.

export interface Timing {
  /** First try of a publish, a request or a read at the broker; after one that was too slow the next may take twice as long. */
  readonly tryMs: number;
  /** How long a silo or server keeps trying what the network prevents. */
  readonly patienceMs: number;
  /** How long a silo that trains tells the broker that it does, and how often. A third of `ackWaitMs` at most. */
  readonly workingEveryMs: number;
  /** After this time without a sign of work the broker gives a task to the silo again. */
  readonly ackWaitMs: number;
  /** Between two statuses of a silo. */
  readonly statusEveryMs: number;
  /** A silo from which nothing was heard for so long counts as away. */
  readonly heardWithinMs: number;
  /** How long a silo goes on saying hello while another process with its identity seems to be there. */
  readonly otherInstanceMs: number;
  /** How long a request for a next task waits at the broker. */
  readonly taskWaitMs: number;
  /** How long a server waits at most for the answer to one task. Rounds have deadlines of their own, by signal. */
  readonly answerMs: number;
  /** How long a stopped silo waits for training that does not stop. */
  readonly stopMs: number;
  /** How long the end of a run waits for silos to take notice. */
  readonly endMs: number;
}

export const TIMING: Timing = {
  tryMs: 2_000,
  patienceMs: 7 * 24 * 3_600_000,
  workingEveryMs: 15_000,
  ackWaitMs: 60_000,
  statusEveryMs: 5_000,
  heardWithinMs: 20_000,
  otherInstanceMs: 30_000,
  taskWaitMs: 10_000,
  answerMs: 7 * 24 * 3_600_000,
  stopMs: 30_000,
  endMs: 10_000,
};
