/** A migration cluster of real processes on loopback: dm-masters, dm-workers and dmctl, as an operator starts them. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Child, nodeWorld, type World } from "@skein/base";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

const root = resolve(import.meta.dirname, "../..");

export interface Process {
  readonly name: string;
  readonly address: string;
  readonly logFile: string;
  kill(signal: Parameters<Child["kill"]>[0]): Promise<void>;
  /** Starts it again on the same folder and port. */
  restart(): void;
  readonly child: Child;
}

export class MigrationCluster implements AsyncDisposable {
  readonly world: World = nodeWorld();
  readonly folder: string;
  readonly masters: Process[] = [];
  readonly workers: Process[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(options: {
    readonly workers: number;
    readonly masters?: number;
    readonly workerFlags?: readonly string[];
  }): Promise<MigrationCluster> {
    const cluster = new MigrationCluster(await mkdtemp(join(tmpdir(), "skein-cluster-")));
    const count = options.masters ?? 1;
    const ports = await freePorts(cluster.world, count * 2);
    const peers = Array.from({ length: count }, (_, i) => `master-${i + 1}=http://127.0.0.1:${ports[count + i]}`).join(",");
    for (let i = 0; i < count; i++) {
      const name = `master-${i + 1}`;
      const flags = ["--name", name, "--master-addr", `127.0.0.1:${ports[i]}`, "--data-dir", join(cluster.folder, name), "--openapi"];
      if (count > 1) flags.push("--peer-urls", `http://127.0.0.1:${ports[count + i]}`, "--initial-cluster", peers);
      cluster.masters.push(cluster.#start("dm-master", name, `127.0.0.1:${ports[i]}`, flags));
    }
    for (let i = 0; i < options.workers; i++) await cluster.addWorker(`worker-${i + 1}`, options.workerFlags);
    return cluster;
  }

  async addWorker(name: string, flags: readonly string[] = []): Promise<Process> {
    const [port] = await freePorts(this.world, 1);
    const join_ = this.masters.map(({ address }) => address).join(",");
    const worker = this.#start("dm-worker", name, `127.0.0.1:${port}`, [
      "--name",
      name,
      "--worker-addr",
      `127.0.0.1:${port}`,
      "--join",
      join_,
      ...flags,
    ]);
    this.workers.push(worker);
    return worker;
  }

  #start(program: string, name: string, address: string, flags: readonly string[]): Process {
    const logFile = join(this.folder, `${name}.log`);
    const spawn = () =>
      this.world.processes.spawn(join(root, "bin", program), [...flags, "--log-file", logFile], {
        cwd: this.folder,
        outputFile: join(this.folder, `${name}.out`),
      });
    let child = spawn();
    return {
      name,
      address,
      logFile,
      get child() {
        return child;
      },
      kill: async (signal) => {
        child.kill(signal);
        if (signal !== "SIGSTOP" && signal !== "SIGCONT") await child.exited;
      },
      restart: () => {
        child = spawn();
      },
    };
  }

  /** Runs dmctl; gives its standard output parsed when it is JSON. */
  async dmctl(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string; readonly json: DmctlAnswer }> {
    const masters = this.masters.map(({ address }) => address).join(",");
    const { code, stdout, stderr } = await this.world.processes.run(join(root, "bin", "dmctl"), ["--master-addr", masters, ...args], {
      cwd: this.folder,
    });
    let json: DmctlAnswer = {};
    try {
      json = JSON.parse(stdout) as DmctlAnswer;
    } catch {
      // not every command answers in JSON; the caller looks at stdout then
    }
    return { code, stdout, stderr, json };
  }

  /** Polls until `met` gives a value; on time-out the error shows what was seen last and the ends of the logs. */
  async eventually<T>(what: string, met: () => Promise<T | undefined | false>, timeoutMs = 60_000): Promise<T> {
    const endMs = this.world.clock.monotonicMs() + timeoutMs;
    let last: unknown;
    for (;;) {
      try {
        const value = await met();
        if (value !== undefined && value !== false) return value;
      } catch (error) {
        last = error;
      }
      if (this.world.clock.monotonicMs() > endMs) {
        const status = await this.dmctl("query-status", "--more").catch(() => undefined);
        throw new Error(`${what}: not within ${timeoutMs} ms; last: ${String(last)}\n${status?.stdout ?? ""}\n${await this.logs()}`);
      }
      await this.world.clock.sleep(150); // dmctl is the interface under test, and it can only be asked
    }
  }

  async ready(): Promise<void> {
    await this.eventually("all workers are free", async () => {
      const { json } = await this.dmctl("list-member", "--worker");
      const workers = json.members?.flatMap((member) => member.worker?.workers ?? []) ?? [];
      return workers.filter(({ stage }) => stage === "free" || stage === "bound").length >= this.workers.length;
    });
  }

  async createSource(sourceId: string, source: Endpoint, extra = ""): Promise<void> {
    const file = await this.writeFile(
      `${sourceId}.yaml`,
      `source-id: "${sourceId}"\n${extra}from: {host: "${source.host}", port: ${source.port}, user: "${source.user}", password: "${source.password}"}\n`,
    );
    const { stdout, stderr, json } = await this.dmctl("operate-source", "create", file);
    if (json.result !== true || json.sources?.some(({ result }) => !result)) throw new Error(`operate-source create: ${stdout}${stderr}`);
  }

  async startTask(text: string): Promise<void> {
    const name = /^name:\s*"?([\w-]+)/m.exec(text)?.[1] ?? "task";
    const { stdout, stderr, json } = await this.dmctl("start-task", await this.writeFile(`${name}.yaml`, text));
    if (json.result !== true || json.sources?.some(({ result }) => !result)) throw new Error(`start-task: ${stdout}${stderr}`);
  }

  /** The one subtask of a task with one source. */
  async subtask(task: string): Promise<SubtaskAnswer | undefined> {
    const { json } = await this.dmctl("query-status", task);
    return json.sources?.[0]?.subTaskStatus?.[0];
  }

  async writeFile(name: string, text: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  async logs(lines = 25): Promise<string> {
    const parts: string[] = [];
    for (const { name, logFile } of [...this.masters, ...this.workers])
      for (const file of [logFile, join(this.folder, `${name}.out`)]) {
        const text = await readFile(file, "utf8").catch(() => "");
        if (text !== "") parts.push(`── ${file}\n${text.trimEnd().split("\n").slice(-lines).join("\n")}`);
      }
    return parts.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of [...this.workers, ...this.masters]) {
      process.child.kill("SIGCONT");
      process.child.kill("SIGKILL");
      await process.child.exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface DmctlAnswer {
  readonly result?: boolean;
  readonly msg?: string;
  readonly sources?: readonly {
    readonly result: boolean;
    readonly msg: string;
    readonly source?: string;
    readonly worker?: string;
    readonly sourceStatus?: { readonly source: string; readonly worker: string };
    readonly subTaskStatus?: readonly SubtaskAnswer[];
  }[];
  readonly members?: readonly {
    readonly worker?: { readonly workers: readonly { readonly name: string; readonly stage: string; readonly source: string }[] };
  }[];
}

export interface SubtaskAnswer {
  readonly name: string;
  readonly stage: string;
  readonly unit: string;
  readonly result: {
    readonly isCanceled: boolean;
    readonly errors: readonly {
      readonly ErrCode: number;
      readonly Message: string;
      readonly RawCause: string;
      readonly Workaround: string;
    }[];
  } | null;
  readonly load?: Record<string, string | number | boolean>;
  readonly sync?: Record<string, string | number | boolean> & { readonly synced: boolean; readonly syncerBinlog: string };
}

/** Ports that were free a moment ago. */
async function freePorts(world: World, count: number): Promise<number[]> {
  const listeners = [];
  for (let i = 0; i < count; i++) listeners.push(await world.network.listen({ host: "127.0.0.1", port: 0 }, (stream) => stream.destroy()));
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) await listener.close();
  return ports;
}
