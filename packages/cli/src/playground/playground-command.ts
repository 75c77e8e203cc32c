/** `./skein playground`: a region store of real processes to play with, and `ctl` to harm it from a second terminal. */
import { TaskGroup } from "@skein/base";
import { makePrivateFolder } from "@skein/servers";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { createScreen, type Screen } from "../demo/screen.ts";
import { numberFlag, parseFlags } from "../flags.ts";
import { askControl, readControl, serveControl } from "./control.ts";
import { labelText, parseLabels, planTopology, TopologyError } from "./core/topology.ts";
import { fitted, renderTable } from "./core/view.ts";
import type { NetworkKind } from "./network.ts";
import { type RegionCluster, startRegionCluster } from "./region-cluster.ts";
import { type Watcher, watchCluster } from "./watcher.ts";

const help = `./skein playground [--pd 1|3] [--stores 3] [--zones east:2,west:2] [--labels store-1=host=h1]…
./skein playground ctl <command>

Starts pd-servers and tikv-servers as real processes on this machine, shows a live table of stores, regions, leaders and requests,
and takes orders from a second terminal. Ctrl-C ends everything and leaves no file behind, but with --data.

  --pd N            pd-servers: 1 (default), or 3 with an etcd member each
  --stores N        tikv-servers (default 3)
  --zones LIST      label zone for the stores in turn: east:2,west:2
  --labels S=LIST   labels of a store, repeatable: --labels store-1=zone=east,host=h1
  --network KIND    namespaces: each process has a network of its own, so that ctl partition can cut it off (needs root);
                    loopback: all on 127.0.0.1; auto (default): namespaces when they can be made
  --data FOLDER     keep data and logs there, and go on with them the next time
  --name NAME       of this playground, when several run (default: default)

ctl commands
  status                      the table, once
  kill store-2                kill -9; also pd-1
  restart store-2             start again on the same data
  pause store-2               SIGSTOP: it neither answers nor closes its connections
  resume store-2
  partition store-1 [store-2] cut these off from all others; they still see each other
  heal                        nobody is cut off any more
  add-store [zone=east,…]     one more tikv-server
  stop                        end the playground
Commands may be written as flags, too: ctl --kill store-2.

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
    const pds = numberFlag("pd", values.pd, { byDefault: 1, min: 1, max: 3 });
    const stores = numberFlag("stores", values.stores, { byDefault: 3, min: 1, max: 50 });
    const topology = asUsage(() =>
      planTopology({ pds, stores, labels: values.labels ?? [], ...(values.zones === undefined ? {} : { zones: values.zones }) }),
    );
    const { world, io } = context;
    if ((await readControl(world, values.name)) !== null) {
      io.err(`skein: a playground named ${values.name} runs already; choose another --name, or end it: ./skein playground ctl stop`);
      return 1;
    }
    if (values.data !== undefined) {
      await world.disk.makeFolder(values.data);
      return await play(context, { topology, network, name: values.name, folder: values.data });
    }
    const folder = await makePrivateFolder(world, "playground");
    try {
      return await play(context, { topology, network, name: values.name, folder });
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

interface PlayOptions {
  readonly topology: ReturnType<typeof planTopology>;
  readonly network: NetworkKind;
  readonly name: string;
  readonly folder: string;
}

async function play(context: CommandContext, { topology, network, name, folder }: PlayOptions): Promise<number> {
  const { world, io } = context;
  const screen = createScreen(io);
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  screen.say(`starting ${topology.pds.length} pd-server${topology.pds.length > 1 ? "s" : ""} and ${topology.stores.length} tikv-servers`);
  await using cluster = await startRegionCluster(world, folder, { topology, network });
  await using watcher = watchCluster(world, cluster);
  const ctl = name === "default" ? "./skein playground ctl" : `./skein playground ctl --name ${name}`;
  await using _served = await serveControl(world, name, (words) => obey(words, { cluster, watcher, screen, stop: () => stop.abort() }));
  await cluster.untilReady(signal);
  screen.say(`ready: --pd ${cluster.pdEndpoints.join(",")} for clients, http://${cluster.pdEndpoints[0]} for pd-ctl; logs in ${folder}`);
  if (cluster.network.whyNoPartition !== null) screen.say(`${ctl} partition is not available: ${cluster.network.whyNoPartition}`);
  screen.say(`harm it from a second terminal: ${ctl} kill store-1`);
  await using group = new TaskGroup(signal);
  group.spawn((running) => show(context, cluster, watcher, screen, running));
  await group.join().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
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
      if (each.state === "dead" && !ended.has(each.name)) screen.say(`${each.name} has ended (log: ${each.logFile})`);
      if (each.state === "dead") ended.add(each.name);
      else ended.delete(each.name);
    }
    if (io.isTerminal) screen.draw(fitted(renderTable(view), io.columns));
    else if (look % looksPerPrint === 0) for (const line of renderTable(view)) io.out(line);
    await world.clock.sleep(lookMs, signal);
  }
}

interface Orders {
  readonly cluster: RegionCluster;
  readonly watcher: Watcher;
  readonly screen: Screen;
  readonly stop: () => void;
}

/** Runs one `ctl` command in the playground; gives what the other terminal prints. */
async function obey(words: readonly string[], { cluster, watcher, screen, stop }: Orders): Promise<readonly string[]> {
  const [verb = "", ...names] = words;
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
      if (names.length === 0) throw new UsageError("partition takes the names of those that are cut off");
      for (const name of names) cluster.find(name);
      await cluster.network.partition(names);
      return done(`${names.join(", ")} ${names.length > 1 ? "are" : "is"} cut off`);
    }
    case "heal":
      await cluster.network.heal();
      return done("nobody is cut off");
    case "add-store": {
      const labels = asUsage(() => parseLabels(names.join(",")));
      const { name, address } = await cluster.addStore(labels);
      return done(`${name} was added at ${address}${labels.size === 0 ? "" : ` with ${labelText(labels)}`}`);
    }
    case "stop":
      stop();
      return ["the playground ends"];
    default:
      throw new UsageError(`unknown command ${verb}; there are ${verbs.join(", ")}`);
  }
}

async function control({ world, io }: CommandContext, args: readonly string[]): Promise<number> {
  const plain = args.map((word) => (word.startsWith("--") && verbs.includes(word.slice(2)) ? word.slice(2) : word));
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
