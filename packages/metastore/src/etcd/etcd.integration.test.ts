import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, nodeWorld, silentLogger } from "@skein/base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metastoreErrors } from "../errors.ts";
import { textOf } from "../metastore.ts";
import { describeMetastoreContract } from "../testing/contract.ts";
import { initialClusterOf, openEtcdCluster } from "./etcd-cluster.ts";
import { type EtcdMember, type EtcdMemberOptions, startEtcdMember } from "./etcd-member.ts";
import { openEtcdMetastore } from "./etcd-metastore.ts";

const world = nodeWorld({ log: silentLogger });
let folder: string;

async function memberOptions(name: string): Promise<EtcdMemberOptions> {
  const peer = `http://127.0.0.1:${await freePort(world)}`;
  return {
    name,
    dataDir: join(folder, name),
    peerUrls: [peer],
    advertisePeerUrls: [peer],
    clientUrls: [`http://127.0.0.1:${await freePort(world)}`],
    initialCluster: `${name}=${peer}`,
    initialClusterState: "new",
    flags: { "max-txn-ops": "2048", "heartbeat-interval": "50", "election-timeout": "500" },
  };
}

/** Kills with -9 and waits until another one serves. */
async function kill(member: EtcdMember): Promise<void> {
  const before = member.restartCount;
  process.kill(member.pid as number, "SIGKILL");
  while (member.restartCount === before || member.pid === null) await world.clock.sleep(5);
  await member.waitHealthy({ timeoutMs: 20_000 });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-etcd-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a supervised etcd", () => {
  let member: EtcdMember;
  beforeAll(async () => {
    member = await startEtcdMember(world, await memberOptions("one"));
    await member.waitHealthy({ timeoutMs: 20_000 });
  });
  afterAll(() => member.stop());

  describeMetastoreContract("etcd", async () => {
    const store = openEtcdMetastore(world, { endpoints: member.endpoints });
    const other = openEtcdMetastore(world, { endpoints: member.endpoints });
    await store.delete({ prefix: "" });
    return {
      world,
      store,
      other,
      interrupt: () => kill(member),
      close: async () => {
        await store.close();
        await other.close();
      },
    };
  });

  test("that is killed with -9 comes back with all that was acknowledged", async () => {
    await using store = openEtcdMetastore(world, { endpoints: member.endpoints });
    const over = new AbortController();
    const written = { acknowledged: 0 };
    const writer = (async () => {
      for (let i = 1; !over.signal.aborted; i++) {
        try {
          await store.put("/kill", String(i));
          written.acknowledged = i;
        } catch (error) {
          if (!metastoreErrors.outcomeUnknown.is(error) && !metastoreErrors.unavailable.is(error)) throw error;
        }
      }
    })();
    for (let round = 0; round < 2; round++) {
      const before = written.acknowledged;
      while (written.acknowledged < before + 50) await world.clock.sleep(5);
      await kill(member);
      const item = await store.get("/kill");
      expect(Number(item && textOf(item))).toBeGreaterThanOrEqual(before + 50);
    }
    over.abort();
    await writer;
  });
});

test("a member joins, the cluster goes on when one of three is killed, and a member leaves", async () => {
  const options = [await memberOptions("a"), await memberOptions("b"), await memberOptions("c")] as const;
  await using first = await startEtcdMember(world, options[0]);
  await first.waitHealthy({ timeoutMs: 20_000 });
  using cluster = openEtcdCluster(world, { endpoints: first.endpoints });
  const joined: EtcdMember[] = [];
  try {
    for (const joining of options.slice(1)) {
      const { added, members } = await retry(() => cluster.addMember(joining.advertisePeerUrls));
      const initialCluster = initialClusterOf(members, { id: added.id, name: joining.name });
      const member = await startEtcdMember(world, { ...joining, initialCluster, initialClusterState: "existing" });
      joined.push(member);
      await member.waitHealthy({ timeoutMs: 20_000 });
    }
    expect((await cluster.members()).map((member) => member.name)).toEqual(["a", "b", "c"]);
    await using store = openEtcdMetastore(world, { endpoints: options.flatMap((each) => each.clientUrls) });
    await store.put("/k", "before");
    const stopped = new AbortController();
    const heard: string[] = [];
    const watching = (async () => {
      for await (const batch of store.watch({ key: "/k" }, { fromRevision: 2, signal: stopped.signal })) {
        heard.push(...batch.events.map((event) => (event.kind === "put" ? textOf(event.item) : "deleted")));
        if (heard.at(-1) === "last") return;
      }
    })();
    await first.stop();
    await retry(() => store.put("/k", "after"));
    expect(textOf((await store.get("/k")) ?? expect.fail("no key"))).toBe("after");
    await store.put("/k", "last");
    await watching;
    expect(heard).toEqual(["before", "after", "last"]);
    stopped.abort();

    using others = openEtcdCluster(world, { endpoints: joined.flatMap((member) => member.endpoints) });
    const gone = (await others.members()).find((member) => member.name === "a");
    await retry(() => others.removeMember(gone?.id ?? 0n));
    expect((await others.members()).map((member) => member.name)).toEqual(["b", "c"]);
  } finally {
    for (const member of joined) await member.stop();
  }
});

test("an etcd that cannot run says why after the time given", async () => {
  await using member = await startEtcdMember(world, { ...(await memberOptions("bad")), binary: "/nonexistent/etcd" });
  await expect(member.waitHealthy({ timeoutMs: 300 })).rejects.toSatisfy(metastoreErrors.memberFailed.is);
});

test.each(["etcd", "one that does not end when it is asked to"])("%s does not outlive a parent that is killed with -9", async (binary) => {
  const stubborn = join(folder, "stubborn");
  await writeFile(stubborn, "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n", { mode: 0o700 });
  const options = { ...(await memberOptions("orphan")), binary: binary === "etcd" ? binary : stubborn };
  const script = `
    const { nodeWorld } = await import("@skein/base");
    const { startEtcdMember } = await import(${JSON.stringify(join(import.meta.dirname, "etcd-member.ts"))});
    const member = await startEtcdMember(nodeWorld(), ${JSON.stringify(options)});
    ${binary === "etcd" ? "await member.waitHealthy({ timeoutMs: 20000 });" : "while (member.pid === null) await new Promise((resolve) => setTimeout(resolve, 5));"}
    process.stdout.write(member.pid + "\\n");
    setInterval(() => {}, 1000);
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (data) => resolve(Number(data))));
  process.kill(pid, 0);
  parent.kill("SIGKILL");
  for (;;) {
    const stat = await world.disk.readFile(`/proc/${pid}/stat`).catch(() => null);
    if (stat === null || / Z /.test(new TextDecoder().decode(stat))) break;
    await world.clock.sleep(20);
  }
});

/** A cluster that elects a leader or waits for a member to catch up refuses for a moment. */
async function retry<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await run();
    } catch (error) {
      const isPassing = [metastoreErrors.unavailable, metastoreErrors.refused, metastoreErrors.outcomeUnknown].some((each) =>
        each.is(error),
      );
      if (!isPassing || tries > 200) throw error;
      await world.clock.sleep(50);
    }
  }
}
