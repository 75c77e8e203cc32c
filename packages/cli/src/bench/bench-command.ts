/** `./skein bench`: our side and the peers in turn, medians and ratios. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { checkoutFolder, makePrivateFolder } from "@skein/servers";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { numberFlag, parseFlags } from "../flags.ts";
import type { BenchCase, BenchContext, Benchmark } from "./benchmark.ts";
import { type CaseSummary, type ContenderRuns, renderCase, summarise } from "./core/summary.ts";
import { describeHardware, probeHardware } from "./hardware.ts";

const help = `./skein bench [name | all] [--runs 5] [--scale 1] [--case text]

Runs a benchmark of the folder bench/ beside its peers, in turn, and prints medians, spread, and how many times better ours is
than each peer. Without a name it lists them. Results are kept as JSON in bench/results/. The exit code is 1 when a goal is missed.

  --runs N     runs of each contender (1 … 50)
  --scale X    size of the data: 1 is the documented size, 0.05 a quick look
  --case text  only cases whose name contains the text`;

const benchFolder = join(checkoutFolder, "bench");

export const benchCommand: Command = {
  name: "bench",
  help,
  async run(context) {
    const { values, positionals } = parseFlags(context.args, {
      runs: { type: "string" },
      scale: { type: "string" },
      case: { type: "string" },
    });
    const runs = numberFlag("runs", values.runs, { byDefault: 5, min: 1, max: 50 });
    const scale = numberFlag("scale", values.scale, { byDefault: 1, min: 0.0001, max: 100 });
    const { io, world } = context;
    const names = (await world.disk.list(benchFolder)).filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -3));
    const [wanted] = positionals;
    if (wanted === undefined) {
      for (const name of names) io.out(`${name.padEnd(12)} ${(await loadBenchmark(name)).describe}`);
      return 0;
    }
    if (wanted !== "all" && !names.includes(wanted))
      throw new UsageError(`no benchmark is called ${wanted}; there are ${names.join(", ")}`);
    let missed = 0;
    for (const name of wanted === "all" ? names : [wanted])
      missed += await runBenchmark(context, await loadBenchmark(name), { runs, scale, caseText: values.case ?? "" });
    return missed === 0 ? 0 : 1;
  },
};

async function loadBenchmark(name: string): Promise<Benchmark> {
  const module = (await import(pathToFileURL(join(benchFolder, `${name}.ts`)).href)) as { readonly benchmark: Benchmark };
  return module.benchmark;
}

/** Gives the count of goals that were missed. */
async function runBenchmark(
  { io, world, signal }: CommandContext,
  benchmark: Benchmark,
  options: { readonly runs: number; readonly scale: number; readonly caseText: string },
): Promise<number> {
  const folder = await makePrivateFolder(world, `bench-${benchmark.name}`);
  try {
    const hardware = await probeHardware(world, folder);
    io.out(`${benchmark.name}: ${benchmark.describe}`);
    io.out(`machine: ${describeHardware(hardware)}`);
    const bench: BenchContext = { world, signal, scale: options.scale, folder, say: (line) => io.err(`  ${line}`) };
    const startedMs = world.clock.nowMs();
    await using prepared = await benchmark.prepare(bench);
    for (const [name, value] of Object.entries(prepared.facts)) io.out(`${name}: ${value}`);
    if (options.scale !== 1) io.out(`scale ${options.scale}: a quick look, not figures to quote`);
    const summaries: CaseSummary[] = [];
    const allRuns: Record<string, readonly ContenderRuns[]> = {};
    for (const benchCase of prepared.cases.filter(({ name }) => name.includes(options.caseText))) {
      const all = await runCase(bench, benchCase, options.runs);
      allRuns[benchCase.name] = all;
      const summary = summarise(benchCase, all);
      summaries.push(summary);
      for (const line of renderCase(summary, benchCase.metrics)) io.out(line);
    }
    const resultFolder = join(benchFolder, "results");
    await world.disk.makeFolder(resultFolder);
    const time = new Date(startedMs).toISOString().replaceAll(":", "-").slice(0, 19);
    const resultFile = join(resultFolder, `${benchmark.name}-${time}.json`);
    const result = {
      benchmark: benchmark.name,
      time: new Date(startedMs).toISOString(),
      scale: options.scale,
      hardware,
      facts: prepared.facts,
      cases: summaries,
      runs: allRuns,
    };
    await world.disk.writeFileAtomic(resultFile, `${JSON.stringify(result, null, 2)}\n`, { mode: 0o644 });
    io.out(`kept in ${resultFile.slice(checkoutFolder.length + 1)}`);
    return summaries.flatMap(({ verdicts }) => verdicts).filter(({ reached }) => !reached).length;
  } finally {
    await world.disk.remove(folder, { recursive: true });
  }
}

/** In turn, not one after the other: what changes on the machine meanwhile touches all. */
async function runCase(bench: BenchContext, benchCase: BenchCase, runsWanted: number): Promise<ContenderRuns[]> {
  const runs = Math.min(runsWanted, benchCase.runsMax ?? runsWanted);
  const all = benchCase.contenders.map((contender) => ({ contender, runs: [] as Readonly<Record<string, number>>[] }));
  for (let round = 1; round <= runs; round++)
    for (const { contender, runs: kept } of all) {
      if (contender.missing !== undefined) continue;
      bench.signal.throwIfAborted();
      const figures = await contender.run(bench);
      kept.push(figures);
      const texts = benchCase.metrics.map(({ name, unit }) => `${name} ${figures[name]?.toPrecision(4) ?? "-"} ${unit}`);
      bench.say(`${benchCase.name}, run ${round} of ${runs}, ${contender.name}: ${texts.join(", ")}`);
    }
  return all.map(({ contender, runs: kept }) => ({
    name: contender.name,
    isOurs: contender.isOurs,
    ...(contender.missing === undefined ? {} : { missing: contender.missing }),
    runs: kept,
  }));
}
