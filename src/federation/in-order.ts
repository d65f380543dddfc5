// Many things at once, but not too many, with results in the order of the inputs; one failure stops them all.

export interface InOrderOptions {
  /** Most calls under way. */
  readonly atOnce: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Maps with a bounded number of calls under way. Each call gets a signal that fires with the caller's, or when another
 * call fails. After a failure nothing new starts; when all have ended, the first failure is thrown.
 */
export async function inOrder<In, Out>(
  inputs: readonly In[],
  { atOnce, signal }: InOrderOptions,
  work: (input: In, signal: AbortSignal) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = [];
  const failures: unknown[] = [];
  const stop = new AbortController();
  const together = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  let next = 0;
  const lane = async () => {
    while (next < inputs.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await work(inputs[index] as In, together);
      } catch (error) {
        failures.push(error);
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, inputs.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}
