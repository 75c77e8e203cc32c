import { describe, expect, test } from "vitest";
import { parseScenario, runScenario } from "./scenario.ts";
import { Simulation, SimulationStuck } from "./simulation.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

describe("virtual time", () => {
  test("passes only when nothing else can happen, and events of one moment keep their order", async () => {
    const sim = new Simulation({ seed: 1 });
    const { clock } = sim.world("a");
    const startMs = clock.nowMs();
    const seen: string[] = [];
    void clock.sleep(50).then(() => seen.push(`late at ${clock.nowMs() - startMs}`));
    clock.timer(10, () => seen.push("first"));
    clock.timer(10, () => seen.push("second"));
    await sim.run({ until: () => seen.length === 3 });
    expect(seen).toEqual(["first", "second", "late at 50"]);
  });

  test("a run that cannot reach its goal names its seed", async () => {
    const sim = new Simulation({ seed: 77 });
    await expect(sim.run({ until: () => false })).rejects.toThrow(SimulationStuck);
    await expect(sim.run({ until: () => false })).rejects.toThrow("seed 77");
  });

  test("a node's clock may run at a rate of its own: what it measures, and its timers", async () => {
    const sim = new Simulation({ seed: 1 });
    const { clock } = sim.world("slow");
    const [startMs, ownMs] = [sim.clock.nowMs, clock.monotonicMs()];
    sim.drift("slow", 0.5);
    await sim.pass(100);
    expect(clock.monotonicMs() - ownMs).toBe(50);
    sim.drift("slow", 2);
    let firedMs = 0;
    clock.timer(100, () => {
      firedMs = sim.clock.nowMs - startMs;
    });
    await sim.pass(100);
    expect([firedMs, clock.monotonicMs() - ownMs]).toEqual([150, 250]);
  });

  test("a crashed node's timers never fire", async () => {
    const sim = new Simulation({ seed: 1 });
    let fired = false;
    sim.world("a").clock.timer(10, () => {
      fired = true;
    });
    sim.crash("a");
    await sim.pass(100);
    expect(fired).toBe(false);
  });
});

describe("virtual disk", () => {
  test("what was synced survives every crash; what was not may be lost or torn, never mixed up", async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const sim = new Simulation({ seed });
      const { disk } = sim.world("a");
      const file = await disk.open("/log", { create: true });
      await file.write(0, bytes("kept"));
      await file.sync();
      await disk.syncFolder("/");
      await file.write(4, bytes("x".repeat(1024)));
      sim.crash("a");
      const after = text(await sim.world("a").disk.readFile("/log"));
      expect(after.startsWith("kept")).toBe(true);
      expect(after.slice(4)).toMatch(/^x*$/);
      outcomes.add(String(after.length));
    }
    expect([...outcomes].sort()).toEqual(["1028", "4", "516"]); // whole, lost, torn at a sector
  });

  test("a name that was not synced may be gone after a crash", async () => {
    const present = new Set<boolean>();
    for (let seed = 1; seed <= 30; seed++) {
      const sim = new Simulation({ seed });
      const file = await sim.world("a").disk.open("/new", { create: true });
      await file.write(0, bytes("data"));
      await file.sync();
      sim.crash("a");
      present.add((await sim.world("a").disk.stat("/new")) !== null);
    }
    expect(present).toEqual(new Set([true, false]));
  });

  test("an atomic write gives the old content or the new one", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const sim = new Simulation({ seed });
      const { disk } = sim.world("a");
      await disk.writeFileAtomic("/meta", "old");
      void disk.writeFileAtomic("/meta", "new"); // ends with its node
      for (let turn = 0; turn < seed % 12; turn++) await Promise.resolve();
      sim.crash("a");
      seen.add(text(await sim.world("a").disk.readFile("/meta")));
    }
    expect([...seen].sort()).toEqual(["new", "old"]);
  });

  test("a full disk and a failing sync say so", async () => {
    const sim = new Simulation({ seed: 3 });
    const { disk } = sim.world("a");
    const file = await disk.open("/f", { create: true });
    sim.node("a").disk.faults = { capacityBytes: 10 };
    await expect(file.write(0, new Uint8Array(11))).rejects.toMatchObject({ code: "ENOSPC" });
    sim.node("a").disk.faults = { syncFails: 1 };
    await expect(file.sync()).rejects.toMatchObject({ code: "EIO" });
  });
});

describe("virtual network", () => {
  async function echoPair(seed: number) {
    const sim = new Simulation({ seed });
    await sim.world("server").network.listen({ host: "server", port: 1 }, (stream) => stream.pipe(stream));
    const stream = await sim.complete(sim.world("client").network.connect({ host: "server", port: 1 }));
    const received: string[] = [];
    const ends: string[] = [];
    stream.on("data", (part: Buffer) => received.push(part.toString()));
    stream.on("close", () => ends.push("close"));
    return { sim, stream, received, ends };
  }

  test("keeps the order of a stream", async () => {
    const { sim, stream, received } = await echoPair(5);
    for (let i = 0; i < 20; i++) stream.write(String(i % 10));
    await sim.run({ until: () => received.join("").length === 20 });
    expect(received.join("")).toBe("01234567890123456789");
  });

  test("holds what is under way during a partition, and delivers it after", async () => {
    const { sim, stream, received } = await echoPair(6);
    sim.network.partition(["client"], ["server"]);
    stream.write("hello");
    await sim.pass(5_000);
    expect(received).toEqual([]);
    sim.network.heal();
    await sim.run({ until: () => received.join("") === "hello" });
  });

  test("a crash resets streams and refuses new ones", async () => {
    const { sim, ends } = await echoPair(7);
    sim.crash("server");
    await sim.run({ until: () => ends.length > 0 });
    await expect(sim.complete(sim.world("client").network.connect({ host: "server", port: 1 }))).rejects.toMatchObject({
      code: "ECONNREFUSED",
    });
  });

  test("the same seed gives the same history", async () => {
    const history = async (seed: number) => {
      const { sim, stream, received } = await echoPair(seed);
      const times: number[] = [];
      stream.on("data", () => times.push(sim.clock.nowMs));
      for (let i = 0; i < 5; i++) stream.write("x");
      await sim.run({ until: () => received.join("").length === 5 });
      return times;
    };
    expect(await history(11)).toEqual(await history(11));
    expect(await history(11)).not.toEqual(await history(12));
  });
});

describe("fault points", () => {
  test("fail on the nth call, once, and count what was reached", async () => {
    const sim = new Simulation({ seed: 1 });
    const { faults } = sim.world("a");
    sim.node("a").faults.failOn("log:append", 2);
    await faults.at("log:append");
    await expect(faults.at("log:append")).rejects.toThrow("injected fault at log:append");
    await faults.at("log:append");
    expect(sim.node("a").faults.reached.get("log:append")).toBe(3);
  });
});

describe("scenario files", () => {
  const file = `# rule 1
echo one "two three" key=v
more
----
one|"two three"|key=v|more

empty
----

fence
----
----
a

b
----
----
`;
  const run = ({ command, args, input }: { command: string; args: readonly string[]; input: string }) =>
    command === "fence" ? "a\n\nb" : command === "empty" ? "" : [...args, input].join("|");

  test("are read, run, and printed back the same", async () => {
    expect(parseScenario(file).map((block) => block.command)).toEqual(["echo", "empty", "fence"]);
    const { actual, expected } = await runScenario(file, run);
    expect(actual).toBe(expected);
    expect(actual).toBe(file);
  });

  test("show a difference", async () => {
    const { actual, expected } = await runScenario(file, () => "other");
    expect(actual).not.toBe(expected);
  });
});
