/** dm-master and dm-workers as an operator starts them: real processes, driven through dmctl. */
import { join } from "node:path";
import { type Child, causeText, freePort, type World } from "@skein/base";
import { checkoutFolder, endsWithUs, logEnd } from "@skein/servers";

export interface ClusterProcess {
  readonly name: string;
  readonly address: string;
  readonly logFile: string;
  readonly isRunning: boolean;
  /** -1 when it does not run. */
  readonly pid: number;
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  start(): Promise<void>;
}

export interface DmCluster extends AsyncDisposable {
  readonly master: ClusterProcess;
  readonly workers: readonly ClusterProcess[];
  /** Runs dmctl and parses what it prints; throws when it refuses, or when `result` is false anywhere. */
  dmctl(args: readonly string[], signal?: AbortSignal): Promise<DmctlAnswer>;
  /** As `dmctl`, but null when the cluster cannot answer at the moment. */
  ask(args: readonly string[], signal?: AbortSignal): Promise<DmctlAnswer | null>;
  /** The ends of all logs, for a failure's message. */
  logs(): Promise<string>;
}

export interface DmctlAnswer {
  readonly result?: boolean;
  readonly msg?: string;
  readonly sources?: readonly DmctlSource[];
  readonly members?: readonly {
    readonly worker?: { readonly workers: readonly { readonly name: string; readonly stage: string; readonly source: string }[] };
  }[];
}

interface DmctlSource {
  readonly result: boolean;
  readonly msg: string;
  readonly sourceStatus?: { readonly source: string; readonly worker: string } | null;
  readonly subTaskStatus?: readonly SubTaskAnswer[];
}

export interface SubTaskAnswer {
  readonly name: string;
  readonly stage: string;
  readonly unit: string;
  readonly result: { readonly errors: readonly { readonly ErrCode: number; readonly Message: string; readonly RawCause: string }[] } | null;
  readonly sync?: { readonly synced: boolean; readonly syncerBinlog: string; readonly masterBinlog: string };
}

const program = (name: string) => join(checkoutFolder, "bin", name);

export async function startCluster(world: World, folder: string, options: { readonly workers: number }): Promise<DmCluster> {
  const masterAddress = `127.0.0.1:${await freePort(world)}`;
  const master = await createProcess(world, folder, "dm-master", "master-1", masterAddress, [
    "--master-addr",
    masterAddress,
    "--advertise-addr",
    masterAddress,
    "--peer-urls",
    `http://127.0.0.1:${await freePort(world)}`,
    "--data-dir",
    join(folder, "master-1"),
  ]);
  const workers: ClusterProcess[] = [];
  for (let i = 1; i <= options.workers; i++) {
    const address = `127.0.0.1:${await freePort(world)}`;
    workers.push(
      await createProcess(world, folder, "dm-worker", `worker-${i}`, address, [
        "--worker-addr",
        address,
        "--advertise-addr",
        address,
        "--join",
        masterAddress,
      ]),
    );
  }
  const all = [master, ...workers];
  const run = async (args: readonly string[], signal?: AbortSignal) => {
    const { code, stdout, stderr } = await world.processes.run(program("dmctl"), ["--master-addr", masterAddress, ...args], {
      cwd: folder,
      ...(signal === undefined ? {} : { signal }),
    });
    signal?.throwIfAborted();
    try {
      return { code, answer: JSON.parse(stdout) as DmctlAnswer, text: stdout };
    } catch {
      return { code, answer: null, text: `${stdout}${stderr}`.trim() };
    }
  };
  return {
    master,
    workers,
    dmctl: async (args, signal) => {
      const { code, answer, text } = await run(args, signal);
      if (code !== 0 || answer?.result !== true || answer.sources?.some(({ result }) => !result) === true)
        throw new Error(`dmctl ${args.join(" ")}: ${text}`);
      return answer;
    },
    ask: async (args, signal) => (await run(args, signal)).answer,
    logs: async () => {
      const parts: string[] = [];
      for (const { name, logFile } of all)
        for (const file of [logFile, join(folder, `${name}.out`)]) {
          const end = await logEnd(world, file, 15);
          if (end !== "") parts.push(`── ${file}\n${end}`);
        }
      return parts.join("\n");
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of all) await each.kill("SIGKILL");
    },
  };
}

async function createProcess(
  world: World,
  folder: string,
  executable: string,
  name: string,
  address: string,
  flags: readonly string[],
): Promise<ClusterProcess> {
  const logFile = join(folder, `${name}.log`);
  const guarded = await endsWithUs(world, { command: program(executable), args: [], basedir: null });
  let child: Child | undefined;
  const start = async () => {
    const started = world.processes.spawn(guarded.command, [...guarded.args, "--name", name, ...flags, "--log-file", logFile], {
      cwd: folder,
      outputFile: join(folder, `${name}.out`),
    });
    child = started;
    void started.exited
      .catch((error: unknown) => world.log.error("a process did not start", { name, error: causeText(error) }))
      .then(() => {
        if (child === started) child = undefined;
      });
  };
  await start();
  return {
    name,
    address,
    logFile,
    get isRunning() {
      return child !== undefined;
    },
    get pid() {
      return child?.pid ?? -1;
    },
    start,
    kill: async (signal) => {
      const running = child;
      running?.kill(signal);
      await running?.exited.catch(() => {}); // it never started
    },
  };
}
