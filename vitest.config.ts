import { defineConfig } from "vitest/config";

/** One project per kind of test; the file name says which: `x.test.ts`, `x.simulation.test.ts`, `x.integration.test.ts`, `x.e2e.test.ts`. */
const kind = (name: string, include: string[], exclude: string[], timeoutMs: number) => ({
  test: {
    name,
    include,
    exclude: ["**/node_modules/**", ...exclude],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    pool: "forks" as const,
  },
});

export default defineConfig({
  test: {
    projects: [
      kind(
        "unit",
        ["packages/**/*.test.ts", "tests/**/*.test.ts"],
        ["**/*.simulation.test.ts", "**/*.integration.test.ts", "**/*.e2e.test.ts"],
        20_000,
      ),
      kind("simulation", ["{packages,tests}/**/*.simulation.test.ts"], [], 120_000),
      kind("integration", ["{packages,tests}/**/*.integration.test.ts"], [], 180_000),
      kind("e2e", ["{packages,tests}/**/*.e2e.test.ts"], ["tests/clients/**"], 600_000),
      // programs of other languages, which have to be built first
      kind("clients", ["tests/clients/**/*.e2e.test.ts"], [], 600_000),
    ],
  },
});
