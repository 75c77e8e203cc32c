/**
 * Where the processes of a playground live: on the loopback, or each in a network namespace of its own. Namespaces hang on one
 * bridge, which has an address in this machine's own namespace, so that clients reach them; whoever is cut off is moved to
 * another bridge that leads nowhere. Nothing is forged: packets between the two sides are lost, connections stay open.
 *
 *   client ── skNb (198.18.x.254) ─┬─ store-1 (198.18.x.1)      skNi (no address) ─── store-3, cut off
 *                                  └─ store-2 (198.18.x.2)
 */
import { type Child, causeText, type World } from "@skein/base";
import { endsWithUs, findProgram } from "@skein/servers";

export interface PlaygroundNetwork extends AsyncDisposable {
  /** Null when hosts can be cut off, else the reason why not. */
  readonly whyNoPartition: string | null;
  addHost(name: string): Promise<PlaygroundHost>;
  /** Those named are cut off from all others, and see each other. */
  partition(names: readonly string[]): Promise<void>;
  /** What these send to those is lost on the way, silently; what those send arrives. Adds to what was lost before. */
  lose(from: readonly string[], to: readonly string[]): Promise<void>;
  /** Nobody is cut off, nothing is lost. */
  heal(): Promise<void>;
  readonly cutOff: ReadonlySet<string>;
  /** `198.18.61`, when hosts have addresses of their own. */
  readonly subnet: string | null;
}

export interface PlaygroundHost {
  /** Address to listen on, and to be reached at. */
  readonly address: string;
  /** Whether ports of this host are its own: then servers can take their usual ones. */
  readonly hasOwnPorts: boolean;
  /** The command line that runs a program on this host, and ends it when this process ends. */
  command(program: string, args: readonly string[]): Promise<{ readonly command: string; readonly args: readonly string[] }>;
}

export type NetworkKind = "loopback" | "namespaces" | "auto";

/**
 * `auto`: namespaces when this process may make them.
 *
 * @param subnet the one to take if it is free: where the hosts were the last time
 */
export async function createNetwork(world: World, kind: NetworkKind, subnet: string | null = null): Promise<PlaygroundNetwork> {
  if (kind === "loopback") return loopback(world, "it was started with --network loopback");
  const why = await whyNoNamespaces(world);
  if (why === null) return await Namespaces.open(world, subnet);
  if (kind === "namespaces") throw new Error(`no network namespaces: ${why}`);
  return loopback(world, why);
}

/** Null when network namespaces can be made, else the reason why not. */
export async function whyNoNamespaces(world: World): Promise<string | null> {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const name of ["ip", "nsenter", "unshare", "setpriv"])
    if ((await findProgram(world, name)) === null) return `${name} is not installed (Debian packages iproute2 and util-linux)`;
  const probe = `sk${process.pid.toString(36)}p`;
  const { code, stderr } = await world.processes.run("unshare", ["-n", "ip", "link", "add", probe, "type", "bridge"]);
  return code === 0 ? null : `the system refuses them: ${stderr.trim()}`;
}

function loopback(world: World, why: string): PlaygroundNetwork {
  return {
    whyNoPartition: why,
    subnet: null,
    cutOff: new Set(),
    addHost: async () => ({ address: "127.0.0.1", hasOwnPorts: false, command: (program, args) => guarded(world, program, args) }),
    partition: () => Promise.reject(new Error(`cannot cut off anybody: ${why}`)),
    lose: () => Promise.reject(new Error(`nothing can be lost: ${why}`)),
    heal: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function guarded(world: World, program: string, args: readonly string[]) {
  const { command, args: before } = await endsWithUs(world, { command: program, args: [], basedir: null });
  return { command, args: [...before, ...args] };
}

interface Member {
  readonly holder: Child;
  /** This machine's end of the pair. */
  readonly device: string;
  /** The host's own end. */
  readonly inside: string;
  readonly address: string;
}

/** An Ethernet address that no host has: what is sent to it goes over the bridge to nobody. */
const nowhere = "02:00:00:00:00:01";

class Namespaces implements PlaygroundNetwork {
  readonly whyNoPartition = null;
  readonly cutOff = new Set<string>();
  /** `from to` by name. */
  readonly #lost = new Set<string>();
  readonly #world: World;
  readonly #prefix: string;
  readonly subnet: string;
  readonly #members = new Map<string, Member>();

  private constructor(world: World, prefix: string, subnet: string) {
    this.#world = world;
    this.#prefix = prefix;
    this.subnet = subnet;
  }

  static async open(world: World, wanted: string | null): Promise<Namespaces> {
    await removeAbandoned(world);
    const { stdout } = await world.processes.run("ip", ["-o", "-4", "addr"]);
    // 198.18.0.0/15 is set aside for tests of networks (RFC 2544): nothing real is there
    const start = world.random.below(512);
    for (let i = -1; i < 512; i++) {
      const number = (start + i) % 512;
      const subnet = i < 0 ? wanted : `198.${18 + (number >> 8)}.${number & 255}`;
      if (subnet === null) continue;
      if (stdout.includes(`${subnet}.`)) continue;
      const network = new Namespaces(world, `sk${process.pid.toString(36)}${world.random.below(36).toString(36)}`, subnet);
      await network.#ip("link", "add", network.#bridge, "type", "bridge");
      await network.#ip("link", "add", network.#island, "type", "bridge");
      await network.#ip("addr", "add", `${subnet}.254/24`, "dev", network.#bridge);
      for (const device of [network.#bridge, network.#island]) await network.#ip("link", "set", device, "up");
      return network;
    }
    throw new Error("all test networks of 198.18.0.0/15 are in use");
  }

  get #bridge(): string {
    return `${this.#prefix}b`;
  }
  get #island(): string {
    return `${this.#prefix}i`;
  }

  async addHost(name: string): Promise<PlaygroundHost> {
    const number = this.#members.size + 1;
    const address = `${this.subnet}.${number}`;
    const { command, args } = await guarded(this.#world, "unshare", ["-n", "sleep", "infinity"]);
    const holder = this.#world.processes.spawn(command, args);
    const device = `${this.#prefix}h${number}`;
    const inside = `${this.#prefix}c${number}`;
    this.#members.set(name, { holder, device, inside, address });
    await this.#untilApart(holder.pid);
    await this.#ip("link", "add", device, "type", "veth", "peer", "name", inside);
    await this.#ip("link", "set", inside, "netns", String(holder.pid));
    await this.#ip("link", "set", device, "master", this.#bridge, "up");
    for (const words of [
      ["addr", "add", `${address}/24`, "dev", inside],
      ["link", "set", inside, "up"],
      ["link", "set", "lo", "up"],
    ])
      await this.#ipOf(holder, ...words);
    return {
      address,
      hasOwnPorts: true,
      command: (program, programArgs) => guarded(this.#world, "nsenter", ["-t", String(holder.pid), "-n", program, ...programArgs]),
    };
  }

  async partition(names: readonly string[]): Promise<void> {
    for (const name of names) this.#member(name);
    for (const [name, { device }] of this.#members)
      await this.#ip("link", "set", device, "master", names.includes(name) ? this.#island : this.#bridge);
    this.cutOff.clear();
    for (const name of names) this.cutOff.add(name);
  }

  async lose(from: readonly string[], to: readonly string[]): Promise<void> {
    for (const sender of from)
      for (const receiver of to) {
        if (sender === receiver || this.#lost.has(`${sender} ${receiver}`)) continue;
        const { holder, inside } = this.#member(sender);
        const { address } = this.#member(receiver);
        this.#lost.add(`${sender} ${receiver}`);
        await this.#ipOf(holder, "neigh", "replace", address, "lladdr", nowhere, "dev", inside, "nud", "permanent");
      }
  }

  async heal(): Promise<void> {
    for (const pair of this.#lost) {
      const [sender = "", receiver = ""] = pair.split(" ");
      const { holder, inside } = this.#member(sender);
      await this.#ipOf(holder, "neigh", "del", this.#member(receiver).address, "dev", inside);
    }
    this.#lost.clear();
    await this.partition([]);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no ${name}`);
    return member;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { holder } of this.#members.values()) holder.kill("SIGKILL");
    for (const { holder } of this.#members.values()) await holder.exited.catch(() => {});
    for (const device of [...[...this.#members.values()].map(({ device }) => device), this.#bridge, this.#island])
      await this.#world.processes.run("ip", ["link", "del", device]).catch((error: unknown) => {
        this.#world.log.warn("a network device was not removed", { device, error: causeText(error) });
      });
  }

  /** Until the holder has left this machine's namespace: what was given to it before would stay here. */
  async #untilApart(pid: number): Promise<void> {
    const namespaceOf = async (who: string) => (await this.#world.processes.run("readlink", [`/proc/${who}/ns/net`])).stdout;
    const ours = await namespaceOf("self");
    const endMs = this.#world.clock.monotonicMs() + 5_000;
    for (;;) {
      const theirs = await namespaceOf(String(pid));
      if (theirs !== "" && theirs !== ours) return;
      if (this.#world.clock.monotonicMs() > endMs) throw new Error("a network namespace was not made within 5 s");
      await this.#world.clock.sleep(5); // the kernel tells nobody
    }
  }

  /** On a host, not on this machine. */
  async #ipOf(holder: Child, ...args: readonly string[]): Promise<void> {
    await this.#run("nsenter", ["-t", String(holder.pid), "-n", "ip", ...args]);
  }

  async #ip(...args: readonly string[]): Promise<void> {
    await this.#run("ip", args);
  }

  async #run(command: string, args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#world.processes.run(command, args);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim()}`);
  }
}

/** Bridges of playgrounds that were killed before they could tidy up: their names begin with the id of a process that is gone. */
async function removeAbandoned(world: World): Promise<void> {
  const { stdout } = await world.processes.run("ip", ["-o", "link", "show", "type", "bridge"]);
  for (const [, device = "", pid = ""] of stdout.matchAll(/^\d+: (sk([0-9a-z]+)[0-9a-z][bi]):/gm)) {
    const isGone = (await world.disk.stat(`/proc/${Number.parseInt(pid, 36)}`)) === null;
    if (isGone) await world.processes.run("ip", ["link", "del", device]);
  }
}
