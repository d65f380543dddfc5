// Options that are read together: whoever got several wrong is told of all of them at once, as for a spec.

import { SpecError } from '../errors.ts';

/**
 * What each reader returns, by its name. Throws the SpecError of a reader where one alone throws, and where several do, one
 * that lists them: `facts.path` is the place of the first, `facts.paths` those of all. Any other error comes out as it is.
 */
export async function together<T extends Readers>(readers: T): Promise<{ [K in keyof T]: Awaited<ReturnType<T[K]>> }> {
  const values: Record<string, unknown> = {};
  const problems: SpecError[] = [];
  for (const [name, read] of Object.entries(readers)) {
    try {
      values[name] = await read();
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      problems.push(error);
    }
  }
  const [first, ...others] = problems;
  if (first === undefined) return values as { [K in keyof T]: Awaited<ReturnType<T[K]>> };
  if (others.length === 0) throw first;
  const paths = problems.map(({ facts }) => String(facts['path']));
  const lines = problems.map(({ message }) => `  ${message.replaceAll('\n', '\n  ')}`);
  throw new SpecError(`The command has ${problems.length} problems:\n${lines.join('\n')}`, {
    path: paths[0] as string,
    paths,
  });
}

// --- internal ---

type Readers = Readonly<Record<string, () => unknown>>;
