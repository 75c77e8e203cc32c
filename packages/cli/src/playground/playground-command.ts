/** `./skein playground`: a region store of real processes to play with, and `ctl` to harm it from a second terminal. */
import { join, resolve } from "node:path";
import { TaskGroup, type World } from "@skein/base";
import { logEnd, makePrivateFolder } from "@skein/servers";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { createScreen, type Screen } from "../demo/screen.ts";
import { numberFlag, parseFlags } from "../flags.ts";
import { askControl, readControl, serveControl } from "./control.ts";
import { whyEnded } from "./core/log-lines.ts";
import { parseSaved, planAgain, type SavedPlayground, savedText } from "./core/saved.ts";
import { labelText, locationLabels, parseLabels, planTopology, storesMax, type Topology, TopologyError } from "./core/topology.ts";
import { renderTable } from "./core/view.ts";
import type { NetworkKind } from "./network.ts";
import { type RegionCluster, startRegionCluster } from "./region-cluster.ts";
import { type Watcher, watchCluster } from "./watcher.ts";

const help = `./skein playground [--pd 1|3] [--stores 3] [--zones east:2,west:2] [--labels store-1=host=h1]…
./skein playground ctl <command>

Starts pd-servers and tikv-servers as real processes on this machine, shows a live table of stores, regions, leaders and requests,
and takes orders from a second terminal. Ctrl-C ends everything and leaves no file behind, but with --data.

  --pd N            pd-servers: 1 (default), or 3 with an etcd member each
  --stores N        tikv-servers (default 3, or as many as the zones name; at most 50)
  --zones LIST      label zone for the stores in turn: east:2,west:2. Labels that tell a place (region, zone, az, dc, idc, room, rack,
                    host) are made the placement driver's location-labels, so that replicas are spread over them
  --labels S=LIST   labels of a store, repeatable: --labels store-1=zone=east,host=h1
  --network KIND    namespaces: each process has a network of its own, so that ctl partition can cut it off (needs root);
                    loopback: all on 127.0.0.1; auto (default): namespaces when they can be made
  --data FOLDER     keep data and logs there, and go on with them the next time: same processes, labels and addresses
  --name NAME       of this playground, when several run (default: default)

ctl commands
  status                      the table, once
  kill store-2                kill -9; also pd-1
  restart store-2             start again on the same data
  pause store-2               SIGSTOP: it neither answers nor closes its connections
  resume store-2
  partition [store-1 store-2] cut these off from all others; they still see each other. Without a name: the last store that runs
  heal                        nobody is cut off any more
  add-store [zone=east,…]     one more tikv-server
  stop                        end the playground
Commands may be written as flags, too: ctl --kill store-2, ctl --kill=store-2.

Examples
  ./skein playground --stores 4 --zones east:2,west:2
  ./skein playground --pd 3 --stores 5 --labels store-1=disk=ssd
  ./skein playground ctl kill store-2
  ./skein playground ctl partition store-1`;

/** What `ctl` takes. */
const verbs: readonly string[] = ["status", "kill", "restart", "pause", "resume", "partition", "heal", "add-store", "stop"];
const lookMs = 1_000;
/** Without a terminal a table is printed once in so many looks. */
const looksPerPrint = 10;

export const playgroundCommand: Command = {
  name: "playground",
  help,
  run: async (context) => {
    if (context.args[0] === "ctl") return await control(context, context.args.slice(1));
    const order = context.args.find((word) => word.startsWith("--") && verbs.includes(word.slice(2).split("=", 1)[0] ?? ""));
    if (order !== undefined)
      throw new UsageError(`${order} is for a playground that runs: ./skein playground ctl ${context.args.join(" ")}`);
    const { values, positionals } = parseFlags(context.args, {
      pd: { type: "string" },
      stores: { type: "string" },
      zones: { type: "string" },
      labels: { type: "string", multiple: true },
      network: { type: "string", default: "auto" },
      data: { type: "string" },
      name: { type: "string", default: "default" },
    });
    if (positionals.length > 0) throw new UsageError(`${positionals.join(" ")}: only "ctl" takes words`);
    if (!/^[\w-]{1,40}$/.test(values.name)) throw new UsageError("--name is letters, digits, - and _");
    const network = networkKind(values.network);
    const flags = {
      ...(values.pd === undefined ? {} : { pds: numberFlag("pd", values.pd, { byDefault: 1, min: 1, max: 3 }) }),
      ...(values.stores === undefined ? {} : { stores: numberFlag("stores", values.stores, { byDefault: 3, min: 1, max: storesMax }) }),
      ...(values.zones === undefined ? {} : { zones: values.zones }),
      labels: values.labels ?? [],
    };
    if (values.data === "") throw new UsageError("--data is the name of a folder");
    const { world, io } = context;
    const data = values.data === undefined ? null : resolve(values.data);
    const saved = data === null ? null : await readSaved(world, data);
    const topology = asUsage(() => (saved === null ? planTopology({ pds: 1, ...flags }) : planAgain(saved.topology, flags)));
    if ((await readControl(world, values.name)) !== null) {
      io.err(`skein: a playground named ${values.name} runs already; choose another --name, or end it: ./skein playground ctl stop`);
      return 1;
    }
    if (data !== null) {
      await world.disk.makeFolder(data);
      return await play(context, { topology, network, name: values.name, folder: data, saved });
    }
    const folder = await makePrivateFolder(world, "playground");
    try {
      return await play(context, { topology, network, name: values.name, folder, saved: null });
    } finally {
      await world.disk.remove(folder, { recursive: true });
    }
  },
};

function networkKind(text: string): NetworkKind {
  if (text === "auto" || text === "loopback" || text === "namespaces") return text;
  throw new UsageError(`--network is auto, loopback or namespaces, not ${text}`);
}

function asUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof TopologyError ? new UsageError(error.message) : error;
  }
}

const savedFile = (folder: string) => join(folder, "playground.json");

async function readSaved(world: World, folder: string): Promise<SavedPlayground | null> {
  const path = savedFile(folder);
  if ((await world.disk.stat(path)) === null) return null;
  const saved = parseSaved(Buffer.from(await world.disk.readFile(path, { limitBytes: 1024 * 1024 })).toString("utf8"));
  if (saved === null) throw new Error(`${path} is not what a playground wrote: name another folder, or remove this one`);
  return saved;
}

interface PlayOptions {
  readonly topology: Topology;
  readonly network: NetworkKind;
  readonly name: string;
  readonly folder: string;
  /** Of the folder, when it was used before. */
  readonly saved: SavedPlayground | null;
}

async function play(context: CommandContext, { topology, network, name, folder, saved }: PlayOptions): Promise<number> {
  const { world, io } = context;
  const screen = createScreen(io);
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  let orders: Orders | null = null;
  // from the start on: another one of this name is told so, and "stop" ends a start, too
  await using _served = await serveControl(world, name, async (words) => {
    if (words[0] === "stop") {
      stop.abort();
      return ["the playground ends"];
    }
    if (orders === null) throw new UsageError("the playground starts or ends; it takes orders while its table is there");
    return await obey(words, orders);
  });
  screen.say(`starting ${topology.pds.length} pd-server${topology.pds.length > 1 ? "s" : ""} and ${topology.stores.length} tikv-servers`);
  const places = locationLabels(topology);
  const wasOnLoopback = saved !== null && saved.addresses.subnet === null;
  await using cluster = await startRegionCluster(world, folder, {
    topology,
    network: network === "auto" && wasOnLoopback ? "loopback" : network,
    signal,
    ...(saved === null ? {} : { addresses: saved.addresses }),
    ...(places.length === 0 ? {} : { pdConfig: `[replication]\nlocation-labels = ${JSON.stringify(places)}\n` }),
  });
  const save = async () => {
    const stores = cluster.stores.map(({ name: store, labels }) => ({ name: store, labels }));
    await world.disk.writeFileAtomic(
      savedFile(folder),
      savedText({ topology: { pds: topology.pds, stores }, addresses: cluster.addresses }),
    );
  };
  await save();
  await using watcher = watchCluster(world, cluster);
  const ctl = name === "default" ? "./skein playground ctl" : `./skein playground ctl --name ${name}`;
  await cluster.untilReady(signal);
  orders = { cluster, watcher, screen, save };
  screen.say(`ready: --pd ${cluster.pdEndpoints.join(",")} for clients; logs in ${folder}`);
  screen.say(`look inside: bin/pd-ctl -u http://${cluster.pdEndpoints[0]} store`);
  if (cluster.network.whyNoPartition !== null) screen.say(`${ctl} partition is not available: ${cluster.network.whyNoPartition}`);
  screen.say(`harm it from a second terminal: ${ctl} kill store-1`);
  await using group = new TaskGroup(signal);
  group.spawn((running) => show(context, cluster, watcher, screen, running));
  await group.join().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  orders = null;
  screen.clear();
  io.out("ending all processes");
  return 0;
}

async function show(
  { world, io }: CommandContext,
  cluster: RegionCluster,
  watcher: Watcher,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const ended = new Set<string>();
  for (let look = 0; ; look++) {
    const view = await watcher.look();
    for (const each of [...cluster.pds, ...cluster.stores]) {
      if (!each.hasEndedByItself) ended.delete(each.name);
      else if (!ended.has(each.name)) {
        ended.add(each.name);
        const why = whyEnded(await logEnd(world, each.logFile));
        screen.say(`${each.name} has ended by itself (log: ${each.logFile})${why === null ? "" : `: ${why}`}`);
      }
    }
    if (io.isTerminal) screen.draw(renderTable(view, io.columns));
    else if (look % looksPerPrint === 0) for (const line of renderTable(view)) io.out(line);
    await world.clock.sleep(lookMs, signal);
  }
}

interface Orders {
  readonly cluster: RegionCluster;
  readonly watcher: Watcher;
  readonly screen: Screen;
  /** Keeps what the playground consists of for the next start on its folder. */
  readonly save: () => Promise<void>;
}

/** Runs one `ctl` command in the playground; gives what the other terminal prints. */
async function obey(words: readonly string[], { cluster, watcher, screen, save }: Orders): Promise<readonly string[]> {
  const [verb = "", ...rest] = words;
  const names = rest.flatMap((word) => word.split(",")).filter((word) => word !== "");
  const one = () => {
    if (names.length !== 1) throw new UsageError(`${verb} takes one name, as store-1`);
    return cluster.find(names[0] ?? "");
  };
  const done = (text: string) => {
    screen.say(text);
    return [text];
  };
  switch (verb) {
    case "status":
      return renderTable(await watcher.look());
    case "kill": {
      const each = one();
      if (each.state === "dead") return [`${each.name} is dead already`];
      await each.kill("SIGKILL");
      return done(`${each.name} was killed (kill -9)`);
    }
    case "restart": {
      const each = one();
      await each.kill("SIGTERM");
      await each.start();
      return done(`${each.name} was started again`);
    }
    case "pause":
    case "resume": {
      const each = one();
      if (each.state === "dead") throw new UsageError(`${each.name} does not run: restart it`);
      await each.kill(verb === "pause" ? "SIGSTOP" : "SIGCONT");
      return done(`${each.name} was ${verb === "pause" ? "stopped (SIGSTOP)" : "continued (SIGCONT)"}`);
    }
    case "partition": {
      const last = cluster.stores.findLast(({ state }) => state === "runs");
      const cut = names.length > 0 ? [...new Set(names)] : last === undefined ? [] : [last.name];
      if (cut.length === 0) throw new UsageError("no store runs: name who is to be cut off");
      for (const name of cut) cluster.find(name);
      await cluster.network.partition(cut);
      return done(`${cut.join(", ")} ${cut.length > 1 ? "are" : "is"} cut off`);
    }
    case "heal":
      await cluster.network.heal();
      return done("nobody is cut off");
    case "add-store": {
      if (cluster.stores.length >= storesMax) throw new UsageError(`there are ${storesMax} stores: no more are started`);
      const labels = asUsage(() => parseLabels(names.join(",")));
      const { name, address } = await cluster.addStore(labels);
      await save();
      return done(`${name} was added at ${address}${labels.size === 0 ? "" : ` with ${labelText(labels)}`}`);
    }
    default:
      throw new UsageError(`unknown command ${verb}; there are ${verbs.join(", ")}`);
  }
}

async function control({ world, io }: CommandContext, args: readonly string[]): Promise<number> {
  const plain = args.flatMap((word) => {
    const [, verb = "", value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (!verbs.includes(verb)) return [word];
    return value === undefined ? [verb] : [verb, value];
  });
  const { values, positionals } = parseFlags(plain, { name: { type: "string", default: "default" } });
  if (positionals.length === 0) throw new UsageError(`ctl takes a command: ${verbs.join(", ")}`);
  const answer = await askControl(world, values.name, positionals);
  if (answer === null) {
    io.err("skein: no playground runs; start one: ./skein playground");
    return 1;
  }
  for (const line of answer.lines) {
    if (answer.ok) io.out(line);
    else io.err(`skein: ${line}`);
  }
  return answer.ok ? 0 : 1;
}
