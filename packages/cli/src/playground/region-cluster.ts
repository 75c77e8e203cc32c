/** pd-servers and tikv-servers as an operator starts them: real processes, each on its host of a playground's network. */
import { join } from "node:path";
import { type Child, causeText, freePort, isPortFree, type World } from "@skein/base";
import { checkoutFolder, logEnd } from "@skein/servers";
import { type KeptAddresses, noAddresses } from "./core/saved.ts";
import { labelText, type Topology } from "./core/topology.ts";
import { createNetwork, type NetworkKind, type PlaygroundHost, type PlaygroundNetwork } from "./network.ts";

export interface RegionProcess {
  readonly name: string;
  readonly role: "pd" | "store";
  /** `127.0.0.1:20160`: where clients talk to it. */
  readonly address: string;
  /** `127.0.0.1:20180`: metrics of a store; of a pd-server the same as its address. */
  readonly statusAddress: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly dataFolder: string;
  readonly logFile: string;
  readonly state: "runs" | "dead" | "paused";
  /** It is dead, and nobody here killed it. */
  readonly hasEndedByItself: boolean;
  /** -1 when it does not run. */
  readonly pid: number;
  /** Sends the signal; SIGKILL and SIGTERM wait for the end. */
  kill(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** On the same data and address, when it does not run. */
  start(): Promise<void>;
}

export interface RegionClusterOptions {
  readonly topology: Topology;
  readonly network: NetworkKind;
  /** Text of tikv-server's configuration file. */
  readonly storeConfig?: string;
  /** Text of pd-server's configuration file. */
  readonly pdConfig?: string;
  /** Data folders of these hosts, unless they are to be inside the cluster's folder: a small file system of a test. */
  readonly dataFolders?: ReadonlyMap<string, string>;
  /** More of the environment of a process. */
  readonly env?: (name: string) => Readonly<Record<string, string>>;
  /** Where the processes were when the folder was used before: they are there again if nobody else is. */
  readonly addresses?: KeptAddresses;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

export interface RegionCluster extends AsyncDisposable {
  readonly folder: string;
  readonly network: PlaygroundNetwork;
  readonly pds: readonly RegionProcess[];
  readonly stores: readonly RegionProcess[];
  /** `127.0.0.1:2379`, one for each pd-server. */
  readonly pdEndpoints: readonly string[];
  /** For the next start on this folder. */
  readonly addresses: KeptAddresses;
  /** By name; throws when there is none. */
  find(name: string): RegionProcess;
  addStore(labels: ReadonlyMap<string, string>): Promise<RegionProcess>;
  /** An answer of any pd-server that runs, as JSON; null when none answers. */
  ask(path: string, signal?: AbortSignal): Promise<unknown>;
  /** Sends JSON; gives status and text of the first pd-server that answers. */
  post(path: string, body: unknown): Promise<{ readonly status: number; readonly text: string }>;
  /** Waits until so many stores are Up and the first region has its replicas. */
  untilReady(signal?: AbortSignal): Promise<void>;
  /** The ends of all logs, for a failure's message. */
  logs(lines?: number): Promise<string>;
}

const program = (name: string) => join(checkoutFolder, "bin", name);
const readyTimeoutMs = 90_000;
const askTimeoutMs = 2_000;
const answerBytesMax = 64 * 1024 * 1024;

export async function startRegionCluster(world: World, folder: string, options: RegionClusterOptions): Promise<RegionCluster> {
  const kept = options.addresses ?? noAddresses;
  const network = await createNetwork(world, options.network, kept.subnet);
  const cluster = new Cluster(world, folder, options, network);
  try {
    // others would not be found under the names by which they know each other
    if (options.topology.pds.length > 1 && options.addresses !== undefined && network.subnet !== kept.subnet)
      throw new Error(
        kept.subnet === null
          ? "several pd-servers cannot move: these were on the loopback; add --network loopback"
          : `several pd-servers cannot move: these were in the network ${kept.subnet}.0/24, which ${network.subnet === null ? `cannot be made (${network.whyNoPartition})` : "is in use"}`,
      );
    await cluster.start();
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

class Cluster implements RegionCluster {
  readonly folder: string;
  readonly network: PlaygroundNetwork;
  readonly pds: RegionProcess[] = [];
  readonly stores: RegionProcess[] = [];
  readonly #world: World;
  readonly #options: RegionClusterOptions;
  /** Of this cluster on the loopback, also of processes that do not listen yet, or not at the moment; as in `KeptAddresses`. */
  readonly #ports = new Map<string, number>();

  /** One at a time: its name is the next number. */
  #adding: Promise<unknown> = Promise.resolve();

  constructor(world: World, folder: string, options: RegionClusterOptions, network: PlaygroundNetwork) {
    this.#world = world;
    this.folder = folder;
    this.#options = options;
    this.network = network;
  }

  get pdEndpoints(): readonly string[] {
    return this.pds.map(({ address }) => address);
  }

  get addresses(): KeptAddresses {
    return { subnet: this.network.subnet, ports: this.#ports };
  }

  async start(): Promise<void> {
    const { topology, pdConfig, storeConfig } = this.#options;
    if (pdConfig !== undefined) await this.#world.disk.writeFileAtomic(this.#file("pd.toml"), pdConfig);
    if (storeConfig !== undefined) await this.#world.disk.writeFileAtomic(this.#file("tikv.toml"), storeConfig);
    const plans = [];
    for (const name of topology.pds) {
      this.#options.signal?.throwIfAborted();
      const host = await this.network.addHost(name);
      plans.push({ name, host, client: await this.#address(name, host, 2379), peer: await this.#address(name, host, 2380) });
    }
    const initial = plans.map(({ name, peer }) => `${name}=http://${peer}`).join(",");
    for (const { name, host, client, peer } of plans)
      this.pds.push(
        await this.#process(
          { name, role: "pd", host, address: client, statusAddress: client, labels: new Map() },
          "pd-server",
          (dataFolder) => [
            "--name",
            name,
            "--data-dir",
            dataFolder,
            "--client-urls",
            `http://${client}`,
            "--advertise-client-urls",
            `http://${client}`,
            "--peer-urls",
            `http://${peer}`,
            "--advertise-peer-urls",
            `http://${peer}`,
            "--initial-cluster",
            initial,
            ...(pdConfig === undefined ? [] : ["--config", this.#file("pd.toml")]),
          ],
        ),
      );
    // Several have an election before they answer. One that ended meanwhile is told here; stores would wait for it.
    if (this.pds.length > 1) await this.#untilLed();
    for (const { labels } of topology.stores) {
      this.#options.signal?.throwIfAborted();
      await this.addStore(labels);
    }
  }

  async #untilLed(): Promise<void> {
    const endMs = this.#world.clock.monotonicMs() + readyTimeoutMs;
    const { signal } = this.#options;
    while ((await this.ask("/pd/api/v1/leader", signal)) === null) {
      signal?.throwIfAborted();
      for (const { name, state } of this.pds) if (state === "dead") throw new Error(`${name} has ended by itself\n${await this.logs()}`);
      if (this.#world.clock.monotonicMs() > endMs)
        throw new Error(`no placement driver leads after ${readyTimeoutMs / 1000} s\n${await this.logs()}`);
      await this.#world.clock.sleep(100, signal); // it can only be asked
    }
  }

  find(name: string): RegionProcess {
    const found = [...this.pds, ...this.stores].find((each) => each.name === name);
    if (found === undefined)
      throw new Error(`there is no ${name}; there are ${[...this.pds, ...this.stores].map((each) => each.name).join(", ")}`);
    return found;
  }

  async addStore(labels: ReadonlyMap<string, string>): Promise<RegionProcess> {
    const added = this.#adding.then(() => this.#addStore(labels));
    this.#adding = added.catch(() => {}); // whoever asked hears of it
    return await added;
  }

  async #addStore(labels: ReadonlyMap<string, string>): Promise<RegionProcess> {
    const name = `store-${this.stores.length + 1}`;
    const host = await this.network.addHost(name);
    const [address, statusAddress] = [await this.#address(name, host, 20160), await this.#address(name, host, 20180)];
    const store = await this.#process({ name, role: "store", host, address, statusAddress, labels }, "tikv-server", (dataFolder) => [
      "--addr",
      address,
      "--advertise-addr",
      address,
      "--status-addr",
      statusAddress,
      "--pd-endpoints",
      this.pdEndpoints.join(","),
      "--data-dir",
      dataFolder,
      ...(labels.size === 0 ? [] : ["--labels", labelText(labels)]),
      ...(this.#options.storeConfig === undefined ? [] : ["--config", this.#file("tikv.toml")]),
    ]);
    this.stores.push(store);
    return store;
  }

  async ask(path: string, signal?: AbortSignal): Promise<unknown> {
    for (const { address, state } of this.pds) {
      if (state !== "runs") continue;
      const answer = await httpCall(this.#world, address, "GET", path, "", signal).catch(() => null); // the next one may answer
      if (answer?.status === 200) return JSON.parse(answer.text);
    }
    return null;
  }

  async post(path: string, body: unknown): Promise<{ readonly status: number; readonly text: string }> {
    let failure: unknown = new Error("no pd-server runs");
    for (const { address, state } of this.pds) {
      if (state !== "runs") continue;
      try {
        return await httpCall(this.#world, address, "POST", path, JSON.stringify(body));
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async untilReady(signal?: AbortSignal): Promise<void> {
    const endMs = this.#world.clock.monotonicMs() + readyTimeoutMs;
    for (;;) {
      signal?.throwIfAborted();
      const stores = (await this.ask("/pd/api/v1/stores", signal)) as { stores?: { store: { state_name: string } }[] } | null;
      const up = stores?.stores?.filter(({ store }) => store.state_name === "Up").length ?? 0;
      if (up >= this.stores.length) {
        const regions = (await this.ask("/pd/api/v1/regions", signal)) as {
          regions?: { peers?: unknown[]; leader?: { id?: number } }[];
        } | null;
        const replicas = Math.min(3, this.stores.length);
        const isReady = ({ peers, leader }: { peers?: unknown[]; leader?: { id?: number } }) =>
          (peers?.length ?? 0) >= replicas && (leader?.id ?? 0) > 0;
        if ((regions?.regions?.length ?? 0) > 0 && regions?.regions?.every(isReady) === true) return;
      }
      for (const each of [...this.pds, ...this.stores])
        if (each.state === "dead") throw new Error(`${each.name} has ended by itself\n${await this.logs()}`);
      if (this.#world.clock.monotonicMs() > endMs)
        throw new Error(`the cluster was not ready within ${readyTimeoutMs / 1000} s\n${await this.logs()}`);
      await this.#world.clock.sleep(100, signal); // it can only be asked
    }
  }

  async logs(lines = 15): Promise<string> {
    const parts: string[] = [];
    for (const { name, logFile } of [...this.pds, ...this.stores])
      for (const file of [logFile, this.#file(`${name}.out`)]) {
        const end = await logEnd(this.#world, file, lines);
        if (end !== "") parts.push(`── ${file}\n${end}`);
      }
    return parts.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // stores first: they would complain about a placement driver that is gone
    for (const each of [...this.stores, ...this.pds]) await each.kill("SIGKILL");
    await this.network[Symbol.asyncDispose]();
  }

  #file(name: string): string {
    return join(this.folder, name);
  }

  async #address(name: string, host: PlaygroundHost, usualPort: number): Promise<string> {
    if (host.hasOwnPorts) return `${host.address}:${usualPort}`;
    const key = `${name} ${usualPort}`;
    const kept = this.#options.addresses?.ports.get(key);
    const port = kept !== undefined && (await isPortFree(this.#world, kept)) ? kept : await this.#newPort();
    if (kept !== undefined && port !== kept && this.#options.topology.pds.length > 1 && name.startsWith("pd-"))
      throw new Error(`several pd-servers cannot move: port ${kept}, which ${name} had, is used by another process`);
    this.#ports.set(key, port);
    return `${host.address}:${port}`;
  }

  async #newPort(): Promise<number> {
    // a port that was given to a process which is still starting looks free
    const taken = new Set([...this.#ports.values(), ...(this.#options.addresses?.ports.values() ?? [])]);
    for (;;) {
      const port = await freePort(this.#world);
      if (!taken.has(port)) return port;
    }
  }

  async #process(
    facts: Pick<RegionProcess, "name" | "role" | "address" | "statusAddress" | "labels"> & { readonly host: PlaygroundHost },
    executable: string,
    flags: (dataFolder: string) => readonly string[],
  ): Promise<RegionProcess> {
    const { host, ...known } = facts;
    const world = this.#world;
    const logFile = this.#file(`${facts.name}.log`);
    const dataFolder = this.#options.dataFolders?.get(facts.name) ?? this.#file(facts.name);
    const { command, args } = await host.command(program(executable), [...flags(dataFolder), "--log-file", logFile]);
    let child: Child | undefined;
    let isPaused = false;
    let wasKilled = false;
    const start = async () => {
      if (child !== undefined) return;
      isPaused = false;
      wasKilled = false;
      const started = world.processes.spawn(command, args, {
        cwd: this.folder,
        outputFile: this.#file(`${facts.name}.out`),
        env: this.#options.env?.(facts.name) ?? {},
      });
      child = started;
      void started.exited
        .catch((error: unknown) => world.log.error("a process did not start", { name: facts.name, error: causeText(error) }))
        .then(() => {
          if (child === started) child = undefined;
        });
    };
    await start();
    return {
      ...known,
      dataFolder,
      logFile,
      get state() {
        return child === undefined ? "dead" : isPaused ? "paused" : "runs";
      },
      get hasEndedByItself() {
        return child === undefined && !wasKilled;
      },
      get pid() {
        return child?.pid ?? -1;
      },
      start,
      kill: async (signal) => {
        const running = child;
        if (running === undefined) return;
        if (signal === "SIGTERM" && isPaused) running.kill("SIGCONT");
        wasKilled = signal === "SIGKILL" || signal === "SIGTERM";
        running.kill(signal);
        isPaused = signal === "SIGSTOP";
        if (signal === "SIGSTOP" || signal === "SIGCONT") return;
        await running.exited.catch(() => {}); // it never started
        if (child === running) child = undefined;
      },
    };
  }
}

/** One HTTP/1.1 exchange on a connection of its own. */
export async function httpCall(
  world: World,
  address: string,
  method: string,
  path: string,
  body = "",
  signal?: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const [host = "", port = ""] = address.split(":");
  const stream = await world.network.connect({
    host,
    port: Number(port),
    timeoutMs: askTimeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  const giveUp = () => stream.destroy(new Error(`${address} does not answer`));
  const timer = world.clock.timer(askTimeoutMs * 5, giveUp);
  signal?.addEventListener("abort", giveUp);
  if (signal?.aborted === true) giveUp();
  try {
    const payload = Buffer.from(body, "utf8");
    const type = body === "" ? "" : "Content-Type: application/json\r\n";
    stream.write(`${method} ${path} HTTP/1.1\r\nHost: ${address}\r\n${type}Content-Length: ${payload.length}\r\nConnection: close\r\n\r\n`);
    stream.write(payload);
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of stream as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      if (bytes > answerBytesMax) throw new Error(`${address}${path}: the answer is over ${answerBytesMax} bytes`);
    }
    return parseHttpAnswer(Buffer.concat(parts));
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", giveUp);
    stream.destroy();
  }
}

function parseHttpAnswer(answer: Buffer): { readonly status: number; readonly text: string } {
  const end = answer.indexOf("\r\n\r\n");
  const head = answer.subarray(0, end).toString("latin1");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
  if (end < 0 || !Number.isInteger(status)) throw new Error("not an HTTP answer");
  let rest = answer.subarray(end + 4);
  if (/^transfer-encoding:\s*chunked/im.test(head)) {
    const chunks: Buffer[] = [];
    for (;;) {
      const line = rest.indexOf("\r\n");
      const length = Number.parseInt(rest.subarray(0, line).toString("latin1"), 16);
      if (line < 0 || !(length > 0)) break;
      chunks.push(rest.subarray(line + 2, line + 2 + length));
      rest = rest.subarray(line + 4 + length);
    }
    rest = Buffer.concat(chunks);
  }
  return { status, text: rest.toString("utf8") };
}
