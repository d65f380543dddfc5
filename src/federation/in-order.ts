// Many things at once, but not too many, with results in the order of the inputs.

/** Maps with at most `atOnce` calls under way. After the first failure nothing new starts, and it is thrown. */
export async function inOrder<In, Out>(
  inputs: readonly In[],
  atOnce: number,
  work: (input: In) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = [];
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < inputs.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(inputs[index] as In);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(atOnce, inputs.length) }, lane);
  const ends = await Promise.allSettled(lanes); // wait for all: nothing runs on behind a thrown error
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return results;
}
