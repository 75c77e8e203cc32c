/** The stock clients as programs: what they are built with, where the results are kept, and how their reports are read. */
import { join } from "node:path";
import type { World } from "@skein/base";
import { checkoutFolder, findProgram, serverErrors } from "@skein/servers";

export type ClientName = "go" | "rust" | "python" | "java";
/** The one that takes longest to build first. */
export const clientNames: readonly ClientName[] = ["rust", "go", "java", "python"];

export interface ClientProgram {
  readonly command: string;
  readonly args: readonly string[];
}

export interface ClientReport {
  readonly passed: readonly string[];
  /** `NAME: why` */
  readonly failed: readonly string[];
  /** All that was printed. */
  readonly text: string;
  readonly code: number | null;
}

const sources = join(checkoutFolder, "tests", "clients");
const cache = join(checkoutFolder, ".cache", "clients");
const inCache = (...parts: readonly string[]) => join(cache, ...parts);
const runTimeoutMs = 8 * 60_000;

/** Builds it when the cache does not hold it yet; throws `programMissing` when this machine lacks the toolchain. */
export async function prepareClient(world: World, name: ClientName): Promise<ClientProgram> {
  await world.disk.makeFolder(cache);
  return await builders[name](world);
}

const builders: Record<ClientName, (world: World) => Promise<ClientProgram>> = {
  go: async (world) => {
    const go = await toolchain(world, "go", "Go 1.19 or newer");
    // built for each fresh checkout: quickly matters more than fast
    const lean = ["-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w"];
    await build(world, "client-go", go, ["build", ...lean, "-o", inCache("bin", "skein-client-go"), "."], "go", {
      CGO_ENABLED: "0",
      GOFLAGS: "-mod=readonly",
      GOCACHE: inCache("go-cache"),
      GOMODCACHE: inCache("go-modules"),
      GOTOOLCHAIN: "local",
    });
    return { command: inCache("bin", "skein-client-go"), args: [] };
  },
  rust: async (world) => {
    const cargo = await toolchain(world, "cargo", "Rust 1.85 or newer");
    const { stdout } = await world.processes.run(cargo, ["--version"]);
    const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(stdout) ?? [];
    if (Number(major) === 1 && Number(minor) < 85) throw serverErrors.programMissing([`Rust 1.85 (this is ${stdout.trim()})`]);
    await build(world, "tikv-client of Rust", cargo, ["build", "--locked", "--quiet"], "rust", {
      CARGO_HOME: inCache("cargo"),
      CARGO_TARGET_DIR: inCache("rust"),
    });
    return { command: inCache("rust", "debug", "skein-client-rust"), args: [] };
  },
  python: async (world) => {
    const python = await toolchain(world, "python3", "Python 3.7 to 3.11 with venv");
    const interpreter = inCache("python", "bin", "python");
    const requirements = join(sources, "python", "requirements.txt");
    await once(world, "python", requirements, async () => {
      const made = await world.processes.run("nice", ["-n", "10", python, "-m", "venv", "--clear", inCache("python")]);
      if (made.code !== 0) throw serverErrors.programMissing([`python3-venv (${oneLine(made.stdout + made.stderr)})`]);
      // there are wheels for some versions and processors; what it is built from otherwise is not published
      const install = ["-m", "pip", "install", "-q", "--only-binary=:all:", "-r", requirements];
      const { code, stderr } = await world.processes.run(interpreter, install);
      if (code !== 0) throw serverErrors.programMissing([`tikv-client 0.0.4 for this Python (${oneLine(stderr).slice(-300)})`]);
    });
    return { command: interpreter, args: [join(sources, "python", "client.py")] };
  },
  java: async (world) => {
    const java = await toolchain(world, "java", "Java 11 or newer");
    const maven = await toolchain(world, "mvn", "Maven");
    const archives = ["tikv-client-java-3.3.5.jar", "slf4j-nop-1.7.36.jar", "slf4j-api-1.7.36.jar"].map((name) => inCache("java", name));
    const local = `-Dmaven.repo.local=${inCache("maven")}`;
    await once(world, "java", join(sources, "java", "pom.xml"), () =>
      build(
        world,
        "tikv-client-java",
        maven,
        ["-q", "-B", local, "dependency:copy-dependencies", `-DoutputDirectory=${inCache("java")}`, "-Dmdep.overWriteReleases=true"],
        "java",
      ),
    );
    const classes = inCache("java", "classes");
    const compiler = await toolchain(world, "javac", "a Java development kit");
    const source = join(sources, "java", "Client.java");
    await once(world, "java-classes", source, () =>
      build(world, "the program of Java", compiler, ["-cp", archives.join(":"), "-d", classes, source], "java"),
    );
    return { command: java, args: ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", [classes, ...archives].join(":"), "Client"] };
  },
};

/** Programs of distributions, and where Go and Rust install themselves. */
async function toolchain(world: World, name: string, what: string): Promise<string> {
  const found = await world.processes.run("sh", ["-c", `PATH="$PATH:/usr/local/go/bin:$HOME/.cargo/bin"; command -v ${name}`]);
  if (found.code === 0) return found.stdout.trim();
  const installed = await findProgram(world, name);
  if (installed === null) throw serverErrors.programMissing([`${what} (${name})`]);
  return installed.command;
}

async function build(
  world: World,
  what: string,
  command: string,
  args: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { code, stdout, stderr } = await world.processes.run("nice", ["-n", "10", command, ...args], { cwd: join(sources, folder), env });
  if (code !== 0) throw new Error(`${what} could not be built:\n${stdout}${stderr}`);
}

/** Makes what a file asks for, unless that was done before for the same text: one that was interrupted is begun anew. */
async function once(world: World, what: string, file: string, make: () => Promise<void>): Promise<void> {
  const done = inCache(`${what}.done`);
  const wanted = await world.disk.readFile(file);
  if ((await world.disk.stat(done)) !== null && Buffer.compare(await world.disk.readFile(done), wanted) === 0) return;
  await make();
  await world.disk.writeFileAtomic(done, wanted);
}

const oneLine = (text: string) => text.split(/\s+/).join(" ").trim();

/** Runs one suite; `onLine` sees what it prints while it runs. */
export async function runClient(
  world: World,
  program: ClientProgram,
  args: readonly string[],
  options: { readonly stamp?: string; readonly onLine?: (line: string) => void } = {},
): Promise<ClientReport> {
  const child = world.processes.spawn(program.command, [...program.args, ...args], {
    env: options.stamp === undefined ? {} : { SKEIN_STAMP: options.stamp },
  });
  const timer = world.clock.timer(runTimeoutMs, () => child.kill("SIGKILL"));
  let text = "";
  let seen = 0;
  const take = (part: Buffer) => {
    text += part.toString("utf8");
    for (let end = text.indexOf("\n", seen); end >= 0; end = text.indexOf("\n", seen)) {
      options.onLine?.(text.slice(seen, end));
      seen = end + 1;
    }
  };
  child.stdout?.on("data", take);
  let errors = "";
  child.stderr?.on("data", (part: Buffer) => {
    errors = (errors + part.toString("utf8")).slice(-20_000);
  });
  const { code } = await child.exited;
  timer.cancel();
  const lines = text.split("\n");
  return {
    passed: lines.filter((line) => line.startsWith("ok ")).map((line) => line.slice(3)),
    failed: lines.filter((line) => line.startsWith("FAIL ")).map((line) => line.slice(5)),
    text: errors === "" ? text : `${text}── standard error\n${errors}`,
    code,
  };
}
