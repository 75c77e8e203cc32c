import { nodeWorld, type World } from "@skein/base";
import { serverErrors } from "@skein/servers";
import { expect, test } from "vitest";
import { createNetwork, type PlaygroundHost, whyNoNamespaces } from "./network.ts";

const world = nodeWorld();

/** Answers each line with itself, from a process of its own. */
const echo = 'require("net").createServer((s) => s.pipe(s).on("error", () => {})).listen(7, process.argv[1])';

async function startEcho(host: PlaygroundHost) {
  const { command, args } = await host.command(process.execPath, ["-e", echo, host.address]);
  return world.processes.spawn(command, args);
}

/** Whether an answer comes within the time. */
async function reaches(address: string, timeoutMs: number): Promise<boolean> {
  try {
    const stream = await world.network.connect({ host: address, port: 7, timeoutMs });
    stream.on("error", () => {});
    const answered = new Promise<boolean>((resolve) => {
      stream.once("data", () => resolve(true)).once("close", () => resolve(false));
    });
    stream.write("x");
    const timer = world.clock.timer(timeoutMs, () => stream.destroy());
    const ok = await answered;
    timer.cancel();
    stream.destroy();
    return ok;
  } catch {
    return false;
  }
}

async function untilReached(address: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await reaches(address, 500)) return;
    await world.clock.sleep(50); // the process starts
  }
  throw new Error(`${address} was never reached`);
}

const devices = async (of: World) =>
  [...(await of.processes.run("ip", ["-o", "link"])).stdout.matchAll(/ (sk[0-9a-z]+)[@:]/g)]
    .map(([, name]) => name ?? "")
    .filter((name) => name.startsWith(`sk${process.pid.toString(36)}`));

test("hosts reach each other, lose who is cut off, get him back, and leave nothing", async () => {
  const why = await whyNoNamespaces(world);
  if (why !== null) throw serverErrors.programMissing([`what network namespaces take (${why})`]);
  {
    await using network = await createNetwork(world, "namespaces");
    const [one, two, three] = [await network.addHost("one"), await network.addHost("two"), await network.addHost("three")];
    const echoes = await Promise.all([one, two, three].map(startEcho));
    for (const { address } of [one, two, three]) await untilReached(address);

    await network.partition(["one", "two"]);
    expect([...network.cutOff]).toEqual(["one", "two"]);
    expect(await reaches(one.address, 300)).toBe(false);
    expect(await reaches(three.address, 2_000)).toBe(true);
    // those who are cut off see each other, and nobody else
    const from = async (host: PlaygroundHost, to: PlaygroundHost) => {
      const probe = `const s=require("net").connect(7,"${to.address}",()=>process.exit(0));s.on("error",()=>process.exit(1));setTimeout(()=>process.exit(1),500)`;
      const { command, args } = await host.command(process.execPath, ["-e", probe]);
      return (await world.processes.run(command, args)).code;
    };
    expect(await from(one, two)).toBe(0);
    expect(await from(one, three)).toBe(1);

    await network.heal();
    await untilReached(one.address);
    await expect(network.partition(["nobody"])).rejects.toThrow("there is no nobody");
    for (const each of echoes) each.kill("SIGKILL");
  }
  expect(await devices(world)).toEqual([]);
});

test("what is lost one way arrives the other way, until all is healed", async () => {
  const why = await whyNoNamespaces(world);
  if (why !== null) throw serverErrors.programMissing([`what network namespaces take (${why})`]);
  await using network = await createNetwork(world, "namespaces");
  const [one, two] = [await network.addHost("one"), await network.addHost("two")];
  const heard = new Map<string, string>();
  const ears = await Promise.all(
    [one, two].map(async (host) => {
      const ear = `const s=require("dgram").createSocket("udp4");s.on("message",(m)=>process.stdout.write(m));s.bind(7,"${host.address}",()=>process.stdout.write("ready "))`;
      const { command, args } = await host.command(process.execPath, ["-e", ear]);
      const child = world.processes.spawn(command, args);
      child.stdout?.on("data", (part: Buffer) => heard.set(host.address, (heard.get(host.address) ?? "") + part.toString()));
      return child;
    }),
  );
  const hears = async (host: PlaygroundHost, what: string) => {
    for (let tries = 0; tries < 200 && heard.get(host.address)?.includes(what) !== true; tries++) await world.clock.sleep(10);
    return heard.get(host.address)?.includes(what) === true;
  };
  const say = async (from: PlaygroundHost, to: PlaygroundHost, what: string) => {
    const mouth = `const s=require("dgram").createSocket("udp4");s.send("${what} ",7,"${to.address}",()=>s.close())`;
    const { command, args } = await from.command(process.execPath, ["-e", mouth]);
    await world.processes.run(command, args);
  };
  for (const host of [one, two]) expect(await hears(host, "ready")).toBe(true);
  await say(one, two, "first");
  expect(await hears(two, "first")).toBe(true);

  await network.lose(["one"], ["one", "two"]);
  await say(one, two, "lost");
  await say(two, one, "arrives");
  expect(await hears(one, "arrives")).toBe(true);
  await network.heal();
  await say(one, two, "last");
  expect(await hears(two, "last")).toBe(true);
  expect(heard.get(two.address)).toBe("ready first last ");
  await expect(network.lose(["nobody"], ["one"])).rejects.toThrow("there is no nobody");
  for (const each of ears) each.kill("SIGKILL");
});

test("on the loopback nobody can be cut off, and it says why", async () => {
  await using network = await createNetwork(world, "loopback");
  const { address, hasOwnPorts } = await network.addHost("one");
  expect({ address, hasOwnPorts }).toEqual({ address: "127.0.0.1", hasOwnPorts: false });
  await expect(network.partition(["one"])).rejects.toThrow("it was started with --network loopback");
  await expect(network.lose(["one"], ["one"])).rejects.toThrow("it was started with --network loopback");
});
