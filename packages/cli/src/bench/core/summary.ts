/** From the runs of a case to medians, ratios and a table. */
import type { BenchCase, Metric } from "../benchmark.ts";

export interface ContenderRuns {
  readonly name: string;
  readonly isOurs: boolean;
  readonly missing?: string;
  readonly runs: readonly Readonly<Record<string, number>>[];
}

export interface MetricSummary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface CaseSummary {
  readonly name: string;
  readonly contenders: readonly {
    readonly name: string;
    readonly isOurs: boolean;
    readonly missing?: string;
    readonly figures: Readonly<Record<string, MetricSummary>>;
    /** How many times better ours is than this peer by the first metric; absent for ours, and where there is nothing to compare. */
    readonly ratio?: number;
  }[];
  readonly verdicts: readonly { readonly goal: string; readonly reached: boolean; readonly aimReached: boolean | null }[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function summarise(benchCase: Pick<BenchCase, "name" | "metrics" | "goals" | "limits">, all: readonly ContenderRuns[]): CaseSummary {
  const headline = benchCase.metrics[0];
  const figuresOf = (runs: ContenderRuns["runs"]) => {
    const figures: Record<string, MetricSummary> = {};
    for (const { name } of benchCase.metrics) {
      const values = runs.map((run) => run[name]).filter((value) => value !== undefined);
      if (values.length > 0) figures[name] = { median: median(values), min: Math.min(...values), max: Math.max(...values) };
    }
    return figures;
  };
  const ours = all.find(({ isOurs }) => isOurs);
  const oursFigures = figuresOf(ours?.runs ?? []);
  const contenders = all.map((contender) => {
    const figures = figuresOf(contender.runs);
    const ratio = headline === undefined || contender.isOurs ? undefined : ratioOf(headline, oursFigures, figures);
    return {
      name: contender.name,
      isOurs: contender.isOurs,
      ...(contender.missing === undefined ? {} : { missing: contender.missing }),
      figures,
      ...(ratio === undefined ? {} : { ratio }),
    };
  });
  const verdicts: { goal: string; reached: boolean; aimReached: boolean | null }[] = [];
  for (const [peer, { must, aim }] of Object.entries(benchCase.goals ?? {})) {
    const ratio = contenders.find(({ name }) => name === peer)?.ratio;
    if (ratio === undefined) continue; // the peer did not run: nothing to say
    verdicts.push({
      goal: `${must} × ${peer}${aim === undefined ? "" : ` (aim ${aim} ×)`}: ${ratio.toFixed(2)} ×`,
      reached: ratio >= must,
      aimReached: aim === undefined ? null : ratio >= aim,
    });
  }
  for (const [metric, { must, aim }] of Object.entries(benchCase.limits ?? {})) {
    const value = oursFigures[metric];
    const definition = benchCase.metrics.find(({ name }) => name === metric);
    if (value === undefined || definition === undefined) continue;
    const within = (limit: number) => (definition.better === "lower" ? value.median <= limit : value.median >= limit);
    const word = definition.better === "lower" ? "at most" : "at least";
    verdicts.push({
      goal: `${metric} ${word} ${must} ${definition.unit}: ${formatFigure(value.median)} ${definition.unit}`,
      reached: within(must),
      aimReached: aim === undefined ? null : within(aim),
    });
  }
  return { name: benchCase.name, contenders, verdicts };
}

function ratioOf(
  metric: Metric,
  ours: Readonly<Record<string, MetricSummary>>,
  peer: Readonly<Record<string, MetricSummary>>,
): number | undefined {
  const a = ours[metric.name]?.median;
  const b = peer[metric.name]?.median;
  if (a === undefined || b === undefined || a <= 0 || b <= 0) return undefined;
  return metric.better === "higher" ? a / b : b / a;
}

/** Three digits that count: 0.0123, 1.23, 12.3, 123, 1 234 567. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value !== 0 && Math.abs(value) < 100) return String(Number(value.toPrecision(3)));
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, " ");
}

export function renderCase(summary: CaseSummary, metrics: readonly Metric[]): string[] {
  const header = ["", ...metrics.map(({ name, unit }) => (name === unit ? name : `${name} [${unit}]`)), "ours is better by"];
  const rows = summary.contenders.map((contender) =>
    contender.missing === undefined
      ? [
          contender.isOurs ? `${contender.name} (ours)` : contender.name,
          ...metrics.map(({ name }) => {
            const figure = contender.figures[name];
            if (figure === undefined) return "-";
            const spread = figure.min === figure.max ? "" : ` (${formatFigure(figure.min)} – ${formatFigure(figure.max)})`;
            return `${formatFigure(figure.median)}${spread}`;
          }),
          contender.ratio === undefined ? "" : `${contender.ratio.toFixed(2)} ×`,
        ]
      : [contender.name, `not run: ${contender.missing}`],
  );
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => (row.length === header.length ? (row[column] ?? "").length : 0))),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd();
  return [
    `── ${summary.name}`,
    line(header),
    ...rows.map(line),
    ...summary.verdicts.map(
      ({ goal, reached, aimReached }) =>
        `${reached ? "✓" : "✗"} ${goal}${aimReached === null ? "" : aimReached ? ", aim reached" : ", aim not reached"}`,
    ),
  ];
}
