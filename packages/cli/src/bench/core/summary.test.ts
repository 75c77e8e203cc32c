import { expect, test } from "vitest";
import { formatFigure, median, renderCase, summarise } from "./summary.ts";

const metrics = [
  { name: "wall time", unit: "s", better: "lower" },
  { name: "rss peak", unit: "MiB", better: "lower" },
] as const;

test("medians, ratios and goals, whichever way is better", () => {
  const summary = summarise(
    {
      name: "four tables",
      metrics,
      goals: { peer: { must: 1, aim: 2 }, absent: { must: 3 } },
      limits: { "rss peak": { must: 400, aim: 250 } },
    },
    [
      { name: "skein", isOurs: true, runs: [{ "wall time": 10, "rss peak": 260 }, { "wall time": 30 }, { "wall time": 12 }] },
      { name: "peer", isOurs: false, runs: [{ "wall time": 18 }] },
      { name: "absent", isOurs: false, missing: "not installed", runs: [] },
    ],
  );
  expect(summary.contenders[0]?.figures["wall time"]).toEqual({ median: 12, min: 10, max: 30 });
  expect(summary.contenders[1]?.ratio).toBe(1.5);
  expect(summary.verdicts).toEqual([
    { goal: "1 × peer (aim 2 ×): 1.50 ×", reached: true, aimReached: false },
    { goal: "rss peak at most 400 MiB: 260 MiB", reached: true, aimReached: false },
  ]);
  expect(renderCase(summary, metrics)).toEqual([
    "── four tables",
    "               wall time [s]   rss peak [MiB]   ours is better by",
    "skein (ours)   12 (10 – 30)    260",
    "peer           18              -                1.50 ×",
    "absent         not run: not installed",
    "✓ 1 × peer (aim 2 ×): 1.50 ×, aim not reached",
    "✓ rss peak at most 400 MiB: 260 MiB, aim not reached",
  ]);
});

test("medians of even counts, and figures with three digits", () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect([0.012345, 1.2345, 12.345, 123.45, 1234567].map(formatFigure)).toEqual(["0.0123", "1.23", "12.3", "123", "1 234 567"]);
});
