/** `./skein test`: everything that CI checks, suite by suite, with one line of counts at the end. */
import { join } from "node:path";
import type { World } from "@skein/base";
import { checkoutFolder, findProgram, logEnd } from "@skein/servers";
import type { Command, CommandContext, Io } from "../command.ts";
import { parseFlags } from "../flags.ts";
import { countReport, leftOut, progressOf, type SuiteCounts } from "./core/vitest-report.ts";

const help = `./skein test [--long] [filter …]

Checks types, lint, format and house rules, then runs the unit, simulation, integration and end-to-end tests, and the stock
clients of the region store (Go, Rust, Python, Java), which are built into .cache/clients/ the first time, beside the other suites.
The last line is "N passed, N failed"; the exit code is 0 when nothing failed. What this machine cannot run is listed with
the reason. A suite's whole output is in .cache/test/<suite>.log.

  --long     more seeds in every simulation and random workload (20 times as many fresh ones), a quarter of an hour of chaos in the
             store (kill -9, SIGSTOP, partitions, clocks, full disks), and the integration tests of the migration once more against
             MariaDB 11 and MySQL 8: about an hour on two cores. Each suite says when it begins, how long it takes, and each minute
             how far it is
  filter     only tests whose path contains one of these texts: ./skein test packages/mysql replicate`;

const folder = join(checkoutFolder, ".cache", "test");
const suiteTimeoutMs = 20 * 60_000;
const longSuiteTimeoutMs = 120 * 60_000;

/** Minutes on two idle cores, with `--long`. */
const longMinutes: Readonly<Record<string, number>> = { simulation: 4, integration: 12, e2e: 30, clients: 8, "other servers": 6 };
const progressMs = 60_000;

const fileName = (suite: string): string => suite.replaceAll(" ", "-");

interface Suite {
  readonly name: string;
  readonly run: (context: CommandContext, logFile: string) => Promise<SuiteCounts>;
}

export const testCommand: Command = {
  name: "test",
  help,
  async run(context) {
    const { values, positionals: filters } = parseFlags(context.args, { long: { type: "boolean", default: false } });
    const { io, world, signal } = context;
    await world.disk.makeFolder(folder);
    const env: Record<string, string> = values.long ? { SKEIN_SEEDS_FACTOR: "20" } : {};
    const suites = filters.length === 0 ? [...staticSuites, ...testSuites([], env)] : testSuites(filters, env);
    if (filters.length === 0 && values.long) suites.push(testSuite("other servers", "integration", serverTests, otherServers));
    // with a filter they are built when one of them is meant, by their suite
    if (filters.length === 0 && values.long)
      io.out(`about ${Object.values(longMinutes).reduce((sum, each) => sum + each)} minutes on two idle cores`);
    using build = filters.length === 0 ? startClientBuild(context) : null;
    let passed = 0;
    let failed = 0;
    const notRun: { name: string; reason: string }[] = [];
    for (const suite of suites) {
      signal.throwIfAborted();
      const logFile = join(folder, `${fileName(suite.name)}.log`);
      await world.disk.remove(logFile);
      const startedMs = world.clock.monotonicMs();
      if (suite.name === clientSuite) await build?.ended;
      signal.throwIfAborted();
      using _progress = values.long ? tellProgress(context, suite.name, logFile, filters.length === 0) : null;
      const counts = await suite.run(context, logFile);
      const seconds = ((world.clock.monotonicMs() - startedMs) / 1000).toFixed(1);
      if (counts.passed + counts.failed + counts.notRun.length > 0 || filters.length === 0)
        io.out(`${suite.name.padEnd(12)} ${counts.failed === 0 ? "ok    " : "FAILED"} ${describe(counts)} (${seconds} s)`);
      if (counts.failed > 0) await showFailure(world, io, counts, logFile);
      notRun.push(...leftOut(await logEnd(world, logFile, Number.POSITIVE_INFINITY)));
      passed += counts.passed;
      failed += counts.failed;
      notRun.push(...counts.notRun);
    }
    if (notRun.length > 0) io.out(`not run on this machine:\n${notRun.map(({ name, reason }) => `  ${name}: ${reason}`).join("\n")}`);
    io.out(`${passed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
  },
};

/** A suite of a long run: when it begins, and each minute how many test files are through. */
function tellProgress({ world, io }: CommandContext, name: string, logFile: string, isWhole: boolean): Disposable {
  const minutes = isWhole ? longMinutes[name] : undefined;
  if (minutes !== undefined) io.out(`${name.padEnd(12)} begins, about ${minutes} minutes`);
  const startedMs = world.clock.monotonicMs();
  let isOver = false;
  const tell = async () => {
    const { files, tests, failed } = progressOf(await logEnd(world, logFile, Number.POSITIVE_INFINITY));
    const minutesSoFar = Math.round((world.clock.monotonicMs() - startedMs) / 60_000);
    if (!isOver)
      io.out(
        `${name.padEnd(12)} ${minutesSoFar} min: ${files} files with ${tests} tests are through${failed === 0 ? "" : `, ${failed} failed`}`,
      );
  };
  const next = () =>
    world.clock.timer(progressMs, () => {
      void tell().catch(() => {}); // it only tells: the log may not be there yet
      timer = next();
    });
  let timer = next();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      timer.cancel();
    },
  };
}

const clientSuite = "clients";
const buildLogBytesMax = 64 * 1024;

/**
 * Compiles the stock clients beside the other suites, on what these leave idle: at the lowest priority, so that none of them waits for
 * it. What fails here is tried again, and told, by the clients' own suite.
 */
function startClientBuild({ world, signal }: CommandContext): Disposable & { readonly ended: Promise<void> } {
  const program = join(checkoutFolder, "tests", "clients", "prepare.ts");
  const child = world.processes.spawn("setsid", ["nice", "-n", "19", process.execPath, program], { cwd: checkoutFolder });
  // it reads nothing: the end of its input is its order to end, with its compilers
  const end = () => void child.stdin?.end();
  signal.addEventListener("abort", end, { once: true });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => {
      text = (text + part.toString("utf8")).slice(-buildLogBytesMax);
    });
  const ended = child.exited.then(
    () => world.disk.writeFileAtomic(join(folder, "clients-build.log"), text),
    () => {}, // it could not be started: the suite says why
  );
  return {
    ended,
    [Symbol.dispose]: () => {
      signal.removeEventListener("abort", end);
      end();
    },
  };
}

function describe(counts: SuiteCounts): string {
  const parts = [`${counts.passed} ok`];
  if (counts.failed > 0) parts.push(`${counts.failed} not`);
  if (counts.notRun.length > 0) parts.push(`${counts.notRun.length} not run`);
  return parts.join(", ");
}

async function showFailure(world: World, io: Io, counts: SuiteCounts, logFile: string): Promise<void> {
  for (const name of counts.failedNames) io.out(`  ✗ ${name}`);
  io.out(`── the end of ${logFile}`);
  io.out(await logEnd(world, logFile, 120));
  io.out("──");
}

/** Runs one of the checkout's tools with its output in the log; false when it failed or took too long. */
async function runTool(
  { world, signal }: CommandContext,
  logFile: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const child = world.processes.spawn(command, args, { cwd: checkoutFolder, outputFile: logFile, env });
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  const isLong = env["SKEIN_SEEDS_FACTOR"] !== undefined || env["SKEIN_MARIADB"] !== undefined;
  const timer = world.clock.timer(isLong ? longSuiteTimeoutMs : suiteTimeoutMs, end);
  try {
    return (await child.exited).code === 0;
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", end);
  }
}

const tool = (name: string) => join(checkoutFolder, "node_modules", ".bin", name);

/** A check that passes or fails as one: it counts as one test. */
function check(name: string, args: readonly string[]): Suite {
  return {
    name,
    run: async (context, logFile) => {
      const [program = "", ...rest] = args;
      const ok = await runTool(context, logFile, process.execPath, [tool(program), ...rest]);
      return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, notRun: [], failedNames: ok ? [] : [args.join(" ")] };
    },
  };
}

const shell: Suite = {
  name: "shell",
  run: async (context, logFile) => {
    const name = "shellcheck of the shell scripts";
    const program = await findProgram(context.world, "shellcheck");
    if (program === null) return { passed: 0, failed: 0, notRun: [{ name, reason: "shellcheck is not installed" }], failedNames: [] };
    const scripts = ["skein", ".ci/run"];
    for (const file of await context.world.disk.list(join(checkoutFolder, "bin"))) {
      const start = await context.world.disk.readFile(join(checkoutFolder, "bin", file));
      if (/^#!\/bin\/(ba)?sh/.test(Buffer.from(start.subarray(0, 20)).toString("latin1"))) scripts.push(join("bin", file));
    }
    const ok = await runTool(context, logFile, program.command, scripts);
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, notRun: [], failedNames: ok ? [] : [name] };
  },
};

const staticSuites: readonly Suite[] = [
  check("types", ["tsc", "-b"]),
  check("lint", ["oxlint", "--type-aware", "packages", "tests", "bench", "bin"]),
  check("format", ["biome", "check", "packages", "tests", "bench", "bin"]), // the order of imports, too
  shell,
];

/** Releases beside the usual ones (`packages/servers/src/releases.ts`), and the tests of what speaks to them. */
const otherServers = { SKEIN_MARIADB: "mariadb-11", SKEIN_MYSQL: "mysql-8" };
const serverTests = ["packages/servers", "packages/mysql", "packages/migration"];

function testSuites(filters: readonly string[], env: Readonly<Record<string, string>>): Suite[] {
  const suite = (name: string, project: string, flags: readonly string[]) => testSuite(name, project, flags, env);
  return [
    ...(filters.length === 0 ? [suite("house", "unit", ["tests/house"])] : []),
    suite("unit", "unit", filters.length === 0 ? ["--exclude", "tests/house/**"] : filters),
    ...["simulation", "integration", "e2e", clientSuite].map((project) => suite(project, project, filters)),
  ];
}

/**
 * Test files at once: as many as there are processors. Where every file starts many processes of its own, two on any machine: one at a
 * time leaves 40 % of two processors idle, as elections and restarts are waited for.
 */
const filesAtOnce = (project: string): string => (project === "e2e" ? "2" : "100%");

function testSuite(name: string, project: string, flags: readonly string[], env: Readonly<Record<string, string>>): Suite {
  return {
    name,
    run: async (context, logFile) => {
      const reportFile = join(folder, `${fileName(name)}.json`);
      await context.world.disk.remove(reportFile);
      const ok = await runTool(
        context,
        logFile,
        process.execPath,
        [
          tool("vitest"),
          "run",
          "--project",
          project,
          "--passWithNoTests",
          "--reporter=default",
          "--reporter=json",
          `--outputFile.json=${reportFile}`,
          `--maxWorkers=${filesAtOnce(project)}`,
          ...flags,
        ],
        { NO_COLOR: "1", ...env },
      );
      context.signal.throwIfAborted();
      if ((await context.world.disk.stat(reportFile)) === null)
        return { passed: 0, failed: 1, notRun: [], failedNames: [`${name}: the test runner ended without a report`] };
      const report = Buffer.from(await context.world.disk.readFile(reportFile)).toString("utf8");
      const log = await logEnd(context.world, logFile, Number.POSITIVE_INFINITY);
      const counts = countReport(report, checkoutFolder, log);
      // an error outside of any test: the runner fails although all tests passed
      if (!ok && counts.failed === 0 && counts.notRun.length === 0)
        return { ...counts, failed: 1, failedNames: [`${name}: an error outside of the tests`] };
      return counts;
    },
  };
}
