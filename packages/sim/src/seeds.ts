/**
 * Seeds of a test: fixed ones that always run, and fresh ones that differ from run to run. `SKEIN_SEED=123` runs just that one.
 * A fraction of a fresh seed is one in the long run only (`./skein test --long`): runs of many seconds each.
 * Put the seed into the test's name: `test.each(seeds({ fixed: 20, fresh: 5 }))("…, seed %i", …)`.
 */
export function seeds(counts: { readonly fixed: number; readonly fresh?: number }): number[] {
  const only = process.env["SKEIN_SEED"];
  if (only !== undefined) return [Number(only)];
  const factor = Number(process.env["SKEIN_SEEDS_FACTOR"] ?? "1");
  const fixed = Array.from({ length: counts.fixed }, (_, index) => index + 1);
  const base = Date.now() % 1_000_000_000;
  const fresh = Array.from(
    { length: Math.round((counts.fresh ?? 0) * factor) },
    (_, index) => 1_000_000 + ((base + index * 7919) % 1_000_000_000),
  );
  return [...fixed, ...fresh];
}

/** The line that repeats a red run. */
export function repeatCommand(seed: number, testFile: string): string {
  return `SKEIN_SEED=${seed} vitest run ${testFile}`;
}
